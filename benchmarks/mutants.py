"""Change one thing at a time in what the tests are to watch over, and see whether a test notices.

    python -m benchmarks.mutants --sample 200 --seed 1 --json mutants.json

A mutant is a copy of a file of `refvid/model`, `refvid/masks` or `refvid/metrics` in which one operator, comparison,
constant, term, condition or pair of arguments is another. The tests that mirror the file are run on it, the quick ones
first, in a fork of a process that has imported everything. A mutant that passes them all survives: a test is missing,
or the mutant computes the same, for which `mutants_allowed.toml` gives the reason.
"""

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.mutants_child import Durations, measure, passes, warm_up
from benchmarks.mutants_make import KEYS, Mutant, mutants_of

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("model", "masks", "metrics")
ALLOWED = Path(__file__).with_name("mutants_allowed.toml")
MEMORY = 12 << 30  # bytes of addresses that a mutant may ask for
PATIENCE = 30.0  # seconds, and ten times what the tests take without a mutant
CMSA, ABLATIONS, FAST = "tests/model/cmsa", "tests/model/cmsa/ablations", "tests/model/fast/test_folding.py"
ACTORS, EVIDENCE = "tests/model/refvid/test_actors.py", "tests/model/refvid/test_evidence.py"
# The tests of a file, where they are not those of the same name; of a folder, where a file has none of its own.
TESTS: dict[str, tuple[str, ...]] = {
    "model/config.py": ("tests/model/test_config.py", "tests/model/test_registry.py"),
    "model/letterbox.py": ("tests/model/test_letterbox.py", "tests/inference/test_segmenter.py"),
    "model/interface.py": (ACTORS, EVIDENCE, CMSA),
    "model/acga": ("tests/model/acga",),
    "model/hinet": ("tests/model/hinet",),
    "model/refvos": ("tests/model/refvos",),
    "model/refvid": ("tests/model/refvid",),
    "model/fast": (FAST,),
    "model/cmsa": (CMSA, "tests/model/test_registry.py"),
    "model/cmsa/network.py": (f"{CMSA}/test_network.py", ACTORS, EVIDENCE),
    "model/cmsa/cross_frame_stream.py": (f"{CMSA}/test_cross_frame.py",),
    "model/cmsa/cross_modal.py": (
        f"{CMSA}/test_cross_modal.py",
        f"{CMSA}/test_network.py",
        f"{ABLATIONS}/test_alternatives.py",
    ),
    "model/cmsa/config.py": ("tests/model/test_registry.py", f"{ABLATIONS}/test_alternatives.py"),
    "model/cmsa/build.py": ("tests/model/test_registry.py", f"{ABLATIONS}/test_alternatives.py"),
    "model/cmsa/multimodal.py": (
        f"{CMSA}/test_cross_modal.py",
        f"{CMSA}/test_fusion.py",
        f"{ABLATIONS}/test_cvpr19.py",
    ),
    "model/cmsa/ablations": (ABLATIONS,),
    "model/layers": ("tests/model/layers",),
    "model/layers/language.py": ("tests/model/layers", "tests/model/refvos/test_network.py"),
    "model/layers/backbone.py": ("tests/model/layers/test_backbone.py", "tests/model/hinet/test_network.py"),
    "model/layers/pyramid.py": ("tests/model/hinet/test_network.py", f"{ABLATIONS}/test_decoders.py"),
    "model/layers/products.py": ("tests/model/layers/test_products.py", f"{CMSA}/test_cross_frame.py"),
    "masks": ("tests/masks",),
}


def watchers_of(path: str) -> tuple[str, ...]:
    """Return the test files and folders that watch over a file, as "refvid/model/layers/spatial.py"."""
    inner = Path(path).relative_to("refvid")
    mirror = f"tests/{inner.with_name(f'test_{inner.name}').as_posix()}"
    folders = [TESTS[folder.as_posix()] for folder in inner.parents if folder.as_posix() in TESTS]
    for targets in (TESTS.get(inner.as_posix(), ()), (mirror,), *folders):
        if existing := tuple(target for target in targets if Path(target).exists()):
            return existing
    raise SystemExit(f"{path} has no tests of its own; name some in TESTS of {__file__}")


def choose(mutants: Sequence[Mutant], sample: int, seed: int) -> list[Mutant]:
    """Return a sample in which every file has as large a share as it can fill; 0: all of them."""
    chance = random.Random(seed)
    files: dict[str, list[Mutant]] = {}
    for mutant in mutants:
        files.setdefault(mutant.path, []).append(mutant)
    for group in files.values():
        chance.shuffle(group)
    order = sorted(files)
    chance.shuffle(order)
    turns = [files[path][turn] for turn in range(len(mutants)) for path in order if turn < len(files[path])]
    return sorted(turns[: sample or None], key=lambda mutant: (mutant.path, mutant.line))


def allowed() -> dict[str, str]:
    """Return why each mutant of the allow list may survive, by its key."""
    return {Mutant.key_of(**{name: one[name] for name in KEYS}): one["reason"] for one in entries()}


def entries() -> list[dict[str, str]]:
    """Return the allow list: of each mutant what tells it apart, and the reason."""
    found: list[dict[str, str]] = tomllib.loads(ALLOWED.read_text())["mutant"]
    return found


def copy_tree(folder: Path) -> None:
    """Copy what git knows, or would, into an empty folder."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant.

    Attributes:
        fate: "killed", "survived" or "equivalent", which is not tried.
        by: The test that failed, how else it ended, or why it is equivalent.
    """

    mutant: Mutant
    fate: str
    by: str
    seconds: float

    def record(self) -> dict[str, object]:
        """Return what `--json` tells of it."""
        return {"key": self.mutant.key, "fate": self.fate, "by": self.by, "seconds": self.seconds}


def judge(mutant: Mutant, durations: Durations, slowest: float) -> Verdict:
    """Run the tests of a mutant's file on it, in the working directory, a copy of the tree."""
    started, path = time.perf_counter(), Path(mutant.path)
    source = path.read_bytes()
    quick = {name: seconds for name, seconds in durations.items() if seconds <= slowest}
    path.write_bytes(mutant.applied_to(source))
    try:
        by = passes(mutant, watchers_of(mutant.path), quick, PATIENCE + 10 * sum(quick.values()))
    finally:
        path.write_bytes(source)
        for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):
            compiled.unlink()
    return Verdict(mutant, "killed" if by else "survived", by, time.perf_counter() - started)


def table(verdicts: Sequence[Verdict]) -> str:
    """Return the counts of each file in Markdown, and what survived, in the form that the allow list has."""
    counts: dict[str, Counter[str]] = {}
    for verdict in verdicts:
        for path in (verdict.mutant.path, "all"):
            counts.setdefault(path, Counter())[verdict.fate] += 1
    lines = ["| file | mutants | killed | equivalent | survived |", "|---|---|---|---|---|"]
    for path, fates in sorted(counts.items(), key=lambda item: (item[0] == "all", item[0])):
        numbers = (fates.total(), fates["killed"], fates["equivalent"], fates["survived"])
        lines.append(f"| {path} | {' | '.join(map(str, numbers))} |")
    survivors = [verdict.mutant.entry() for verdict in verdicts if verdict.fate == "survived"]
    return "\n".join([*lines, "", *survivors])


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the mutants that the command line asks for; return how many survived."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=__doc__.split("\n")[0])
    parser.add_argument("--sample", type=int, default=200, metavar="N", help="mutants to try, 0 for all (200)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the sample (0)")
    parser.add_argument("--file", default="", metavar="PATTERN", help="only files whose path holds this")
    parser.add_argument("--slowest", type=float, default=1.5, metavar="SECONDS", help="leave slower tests out (1.5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the verdicts are written too")
    parser.add_argument("--again", type=Path, metavar="FILE", help="only what survived by the --json of an earlier run")
    parser.add_argument("--list", action="store_true", help="tell the mutants, try none")
    options = parser.parse_args(arguments)
    paths = [path.relative_to(ROOT) for name in PACKAGES for path in sorted((ROOT / "refvid" / name).rglob("*.py"))]
    found = [mutant for path in paths if options.file in str(path) for mutant in mutants_of(ROOT, path.as_posix())]
    if options.again:
        survivors = {told["key"] for told in json.loads(options.again.read_text()) if told["fate"] == "survived"}
        found = [mutant for mutant in found if mutant.key in survivors]
    mutants = choose(found, options.sample, options.seed)
    if options.list:
        print(*(mutant.entry() for mutant in mutants), sep="\n")
        return 0
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    with tempfile.TemporaryDirectory() as folder:
        copy_tree(Path(folder))
        os.chdir(folder)
        verdicts = try_all(mutants, options.slowest)
        os.chdir(ROOT)
    print(table(verdicts))
    if options.json:
        options.json.write_text(json.dumps([verdict.record() for verdict in verdicts], indent=1))
    return sum(verdict.fate == "survived" for verdict in verdicts)


def try_all(mutants: Sequence[Mutant], slowest: float) -> list[Verdict]:
    """Judge mutants one after the other, telling each."""
    reasons = allowed()
    warm_up(sorted({target for mutant in mutants for target in watchers_of(mutant.path)}))
    durations: dict[tuple[str, ...], Durations] = {}
    verdicts = []
    for mutant in mutants:
        targets = watchers_of(mutant.path)
        if (reason := reasons.get(mutant.key)) is not None:
            verdict = Verdict(mutant, "equivalent", reason, 0.0)
        else:
            if targets not in durations:
                durations[targets] = measure(targets)
            verdict = judge(mutant, durations[targets], slowest)
        verdicts.append(verdict)
        place = f"{mutant.path}:{mutant.line}"
        print(f"{verdict.fate} {place}: {mutant.before} -> {mutant.after} ({verdict.by}, {verdict.seconds:.1f} s)")
        sys.stdout.flush()
    return verdicts


if __name__ == "__main__":
    sys.exit(min(main(), 1))
