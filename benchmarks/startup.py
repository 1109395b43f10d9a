"""How long it takes from the start of the process `refvid segment` to the first frame written, and what takes it.

    python benchmarks/startup.py VIDEO [--expression "man in yellow shirt"] [--model refvid-tiny] [--device auto]
                                 [--rounds 5] [--imports 12] [--json]

Each round is a process of its own that runs the command; the first one, which fills the disk cache, does not count. Of
each moment the quickest round counts, in seconds since the process was asked for. `--imports N` adds the N packages
whose modules take longest to import, in one more process, without what they import in turn; 0 leaves that out.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOMENTS = {
    "command line": "the command line imported",
    "torch": "PyTorch imported",
    "refvid": "the rest imported",
    "model": "the model loaded",
    "first frame": "the first frame written",
    "end": "all written",
}
CHILD = """
import json, sys, time
moments = {}
def note(name):
    moments.setdefault(name, time.time())
from refvid.__main__ import main
note("command line")
import torch
note("torch")
from refvid.inference import video
from refvid.video.writer import StagedWriter
note("refvid")
def tell(function, name):
    def call(*arguments, **options):
        result = function(*arguments, **options)
        note(name)
        return result
    return call
video.load_model = tell(video.load_model, "model")
StagedWriter.write = tell(StagedWriter.write, "first frame")
code = main(sys.argv[1:])
note("end")
print(json.dumps(moments))
sys.exit(code)
"""
IMPORTS = "import refvid.cli.app, refvid.inference.video"


def one_start(arguments: list[str]) -> dict[str, float]:
    """Run the command in a process; return the seconds from its start to each moment."""
    began = time.time()
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *arguments], stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT
    )
    moments = json.loads(done.stdout)
    return {name: moments[name] - began for name in MOMENTS}


def slowest_imports() -> dict[str, float]:
    """Return the seconds that the modules of each package take to import, themselves alone, the most first."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", IMPORTS], stderr=subprocess.PIPE, text=True, check=True, cwd=ROOT
    )
    microseconds: Counter[str] = Counter()
    for line in done.stderr.splitlines()[1:]:
        own, _, name = line.removeprefix("import time:").split("|")
        microseconds[package_of(name.strip())] += int(own)
    return {name: taken / 1e6 for name, taken in microseconds.most_common()}


def package_of(module: str) -> str:
    """Return what a module is counted under: its package, and of the large ones the part of it."""
    parts = module.split(".")
    return ".".join(parts[: 2 if parts[0] in ("torch", "torchvision", "refvid") else 1])


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--expression", default="man in yellow shirt")
    parser.add_argument("--model", default="refvid-tiny")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--imports", type=int, default=12)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    options = parse()
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["segment", str(options.video.resolve()), options.expression, "-o", f"{folder}/out.mp4"]
        arguments += ["-m", options.model, "--device", options.device, "--overwrite", "-q"]
        one_start(arguments)
        rounds = [one_start(arguments) for _ in range(options.rounds)]
    seconds = {name: min(each[name] for each in rounds) for name in MOMENTS}
    imports = slowest_imports() if options.imports else {}
    imports = dict(list(imports.items())[: options.imports])
    if options.json:
        print(json.dumps({"schema": 1, "seconds": seconds, "rounds": rounds, "imports": imports}))
        return
    print("| moment | s since the start |\n|---|---|")
    for name, words in MOMENTS.items():
        print(f"| {words} | {seconds[name]:.2f} |")
    if imports:
        print("\n| package | s to import |\n|---|---|")
        for name, took in imports.items():
            print(f"| {name} | {took:.2f} |")


if __name__ == "__main__":
    main()
