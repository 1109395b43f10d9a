"""Write `cmsa-deeplab101` with random weights, to time the full network and to try its whole path.

python benchmarks/random_checkpoint.py /tmp/full && refvid segment in.mp4 "the dog" -m /tmp/full -e 5f -o out.mp4
"""

import argparse
from pathlib import Path

import torch

from refvid.model.cmsa.config import full_config
from refvid.model.layers.language import split_words
from refvid.model.registry import build_network
from refvid.weights import save_checkpoint


def main() -> None:
    """Write the checkpoint, half a gigabyte."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--words", default="woman in blue jeans the dog man yellow shirt")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    config = full_config(tuple(dict.fromkeys(split_words(arguments.words))))
    network = build_network(config)
    save_checkpoint(network, config.replace(training={"data": "none: random weights"}), arguments.folder)
    print(f"{sum(p.numel() for p in network.parameters()) / 1e6:.1f} million parameters in {arguments.folder}")


if __name__ == "__main__":
    main()
