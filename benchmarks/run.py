"""The benchmarks in one table, with the goals beside what is measured.

    python benchmarks/run.py [--quick] [--only SECTION ...] [--json FILE] [--threads N] [--device auto|cpu|cuda]
                             [--model refvid-tiny] [--full]

Sections: operations, stages, memory, expressions, peers. `--quick` takes few rounds (under 2 minutes on two idle
cores), the default up to 15. `--full` adds the network of full size with random weights: on a CPU two frames of it, on
a GPU the goals that are set for it. On cores that others use too, take the ratios and not the seconds.
"""

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if TYPE_CHECKING:  # refinement starts processes that read this file: they need none of it
    from benchmarks.run_measure import Section, Settings, Sizes

SECTIONS = ("operations", "stages", "memory", "expressions", "peers")
SCHEMA = 1
TABLE_WIDTH = 160  # when the output is not a terminal


def measure(names: Sequence[str], settings: "Settings") -> "Iterator[tuple[Section, float]]":
    """Run sections in the order of SECTIONS; yield each with the seconds it took."""
    for name in (name for name in SECTIONS if name in names):
        print(f"{name} ...", file=sys.stderr, flush=True)
        began = time.perf_counter()
        section = getattr(import_module(f"benchmarks.run_{name}"), name)(settings)
        yield section, time.perf_counter() - began


def report(found: "Sequence[tuple[Section, float]]", settings: "Settings") -> dict[str, Any]:
    """Return the object that `--json` writes."""
    return {
        "schema": SCHEMA,
        "environment": environment(settings),
        "sections": [
            {
                "name": section.name,
                "title": section.title,
                "seconds": took,
                "rows": [row.as_json() for row in section.rows],
                "notes": section.notes,
            }
            for section, took in found
        ],
    }


def environment(settings: "Settings") -> dict[str, Any]:
    """Return a description of the machine and the software."""
    import torch

    from refvid import __version__

    on_gpu = settings.device.type == "cuda"
    return {
        "refvid": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        "device": torch.cuda.get_device_name(settings.device) if on_gpu else "cpu",
        "threads": settings.threads,
        "model": settings.model,
    }


def show(found: "Sequence[tuple[Section, float]]") -> None:
    """Print the table, and below it what the figures mean."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=TABLE_WIDTH)
    table = Table("measured", "value", "of that", "goal", "reached", title_justify="left")
    for section, _ in found:
        table.add_section()
        table.add_row(f"[bold]{escape(section.title)}[/bold]", "", "", "", "")
        for row in section.rows:
            goal = "" if row.goal is None else f"{row.goal} {row.unit}".strip()
            reached = {None: "", True: "[green]yes[/green]", False: "[red]no[/red]"}[row.reached]
            table.add_row(escape(row.what), figure(row.value, row.unit), escape(row.beside), goal, reached)
    console.print(table)
    for section, took in found:
        console.print(f"[bold]{escape(section.title)}[/bold] ({took:.0f} s)")
        for note in section.notes:
            console.print(escape(note))


def figure(value: float | None, unit: str) -> str:
    """Return a value with three significant figures and its unit."""
    if value is None:
        return "-"
    return f"{value:.0f} {unit}" if abs(value) >= 100 else f"{value:#.3g} {unit}"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rounds, under 2 minutes on two cores")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS, metavar="SECTION",
                        help=f"of {', '.join(SECTIONS)}")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the report is written too")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, help="of PyTorch on the CPU")
    parser.add_argument("--model", default="refvid-tiny", help="name or folder")
    parser.add_argument("--full", action="store_true", help="the network of full size too, random weights")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None, sizes: "Sizes | None" = None) -> None:
    """Measure, print, and write the report.

    Args:
        arguments: Command line; None for that of this process.
        sizes: Extent of the measurements, which overrides `--quick` and the default.
    """
    options = parse(arguments)
    import torch

    from benchmarks.run_measure import QUICK, Settings, Sizes
    from refvid.errors import RefvidError
    from refvid.weights import pick_device

    before = torch.get_num_threads()
    torch.set_num_threads(options.threads or before)
    found: list[tuple[Section, float]] = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            chosen = sizes or (QUICK if options.quick else Sizes())
            settings = Settings(
                pick_device(options.device), options.model, Path(folder), torch.get_num_threads(), options.full, chosen
            )
            for section in measure(options.only, settings):
                found.append(section)
    except RefvidError as error:
        sys.exit(f"error: {error}")
    finally:  # show what was measured even if something failed later
        torch.set_num_threads(before)
        if found:
            show(found)
    if options.json:
        options.json.write_text(json.dumps(report(found, settings), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
