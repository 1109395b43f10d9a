"""Give synonyms the embedding of their plainer word in a trained checkpoint.

    python -m refvid.train.share_words CHECKPOINT OUT

A network with word vectors reads "hound" by a vector near that of "dog", but it lacks the row that was learnt for "dog"
itself. Afterwards, a synonym checked by hand (`refvid.train.words.synonyms`) has the vector and the row of its plainer
word, so that both give the same masks. Words that the training data only ever calls possible, such as "swan" for a
bird, lose their rows, which learnt from nothing but false statements. Words that were taught themselves do not change.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from refvid.errors import RefvidError, UsageError
from refvid.model.config import ModelConfig
from refvid.model.interface import ReferringNetwork
from refvid.model.layers.vector_embedding import VectorEmbedding
from refvid.model.registry import build_network
from refvid.train.start import lengthen
from refvid.train.words.synonyms import pulls
from refvid.weights import read_checkpoint, save_checkpoint
from refvid.world.objects.lexicon import LEXICON
from refvid.world.source import VOCABULARY


def only_doubtful() -> frozenset[str]:
    """Return the words that training data mentions for objects, but that are surely true of none."""
    sure = {word for entry in LEXICON.values() for word in (*entry.words, *entry.names)}
    doubtful = {word for entry in LEXICON.values() for word in entry.doubtful}
    return frozenset(doubtful - sure - set(VOCABULARY))


def share_words(network: ReferringNetwork, config: ModelConfig) -> tuple[ReferringNetwork, ModelConfig]:
    """Return a copy of a network in which synonyms share the embedding of their plainer word, and its config.

    Args:
        network: Network with word vectors.
        config: Its config; synonyms of taught words become taught words as well.

    Raises:
        UsageError: The network does not read words by their vectors.
    """
    embeddings = {name: part for name, part in network.named_modules() if isinstance(part, VectorEmbedding)}
    if not embeddings:
        raise UsageError(f"'{config.name}' does not read words by their vectors; give a model that does")
    doubtful, known = only_doubtful(), {word: row for row, word in enumerate(config.vocabulary)}
    taught = set(config.taught_words) - doubtful
    shared = {
        word: plain for word, plain in pulls().items() if plain in taught and word in known and word not in taught
    }
    rows = {word: row for row, word in enumerate(config.taught_words, 1)}
    wider = config.replace(taught_words=(*config.taught_words, *sorted(shared.keys() - rows.keys())))
    copy = build_network(wider)
    weights = network.state_dict()
    for name in embeddings:
        own, vectors = weights[f"{name}.own.weight"], weights[f"{name}.vectors.vectors"].clone()
        lasting = lengthen(own, len(wider.taught_words))
        for row, word in enumerate(wider.taught_words, 1):
            if word in shared:
                lasting[row] = own[rows[shared[word]]]
                vectors[known[word]] = vectors[known[shared[word]]]
            elif word in doubtful:
                lasting[row] = 0
        weights |= {f"{name}.own.weight": lasting, f"{name}.vectors.vectors": vectors}
    copy.load_state_dict(weights)
    return copy, wider


def main(arguments: Sequence[str] | None = None) -> int:
    """Read a checkpoint, and write one in which synonyms share their embedding."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="folder of the trained model")
    parser.add_argument("out", type=Path, help="folder to write")
    chosen = parser.parse_args(arguments)
    try:
        network, config = share_words(*read_checkpoint(chosen.checkpoint))
        save_checkpoint(network, config, chosen.out)
    except RefvidError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
