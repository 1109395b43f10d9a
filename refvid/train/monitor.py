"""The visible progress of a run: a log of scalars, TensorBoard curves and sample pictures."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refvid.files import write_whole
from refvid.train.loop import Step
from refvid.train.settings import TrainSettings

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

LOG_FILE, SAMPLES = "log.jsonl", "samples"
OnStep = Callable[[int, int, dict[str, float]], object]


class Monitor:
    """A writer of RUNDIR/log.jsonl and, if tensorboard is installed, of its event files; it also updates the display.

    Each line of the log contains the means over the steps since the previous line.
    """

    def __init__(self, folder: Path, settings: TrainSettings, *, first: int, show: OnStep | None = None) -> None:
        """Open the log, and remove the lines that a killed run wrote after the checkpoint that it resumes from.

        Args:
            folder: Run folder.
            settings: Settings of the run.
            first: Step to continue with.
            show: Function called after each step with the steps done, the total number of steps and the scalars.
        """
        self._folder, self._settings, self._show = folder, settings, show
        _drop_lines_after(folder / LOG_FILE, first)
        self._log = open(folder / LOG_FILE, "a", encoding="utf-8", buffering=1)  # noqa: SIM115 - closed in `close`
        self._board = _open_board(folder, first)
        self._sums: dict[str, float] = {}
        self._steps, self._since = 0, time.monotonic()

    def step(self, done: Step) -> None:
        """Record a step; write a line of the log if one is due."""
        step = done.number + 1
        if done.applied:
            self._steps += 1
            for name, value in done.scalars.items():
                self._sums[name] = self._sums.get(name, 0.0) + value
        if self._show is not None:
            self._show(step, self._settings.steps, done.scalars)
        if step % self._settings.log_every == 0 or step == self._settings.steps:
            now = time.monotonic()
            means = {name: value / self._steps for name, value in self._sums.items()}
            means["steps_per_second"] = self._steps / max(now - self._since, 1e-9)
            self.scalars(step, means)
            self._sums, self._steps, self._since = {}, 0, now

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Write the scalars of a step to the log and to TensorBoard."""
        rounded = {name: float(f"{value:.6g}") for name, value in values.items()}
        self._log.write(json.dumps({"step": step, **rounded}) + "\n")
        for name, value in values.items():
            if self._board is not None:
                self._board.add_scalar(name, value, step)

    def pictures(self, step: int, rows: "Sequence[tuple[str, npt.NDArray[np.uint8]]]") -> None:
        """Write sample pictures, pairs of text and uint8 [H, W, 3], as a sheet in RUNDIR/samples and to TensorBoard."""
        from refvid.train.pictures import sheet

        home = self._folder / SAMPLES
        home.mkdir(exist_ok=True)
        sheet(rows).save(home / f"step-{step:09d}.png")
        if self._board is not None:
            for number, (text, picture) in enumerate(rows):
                self._board.add_image(f"sample/{number}", picture, step, dataformats="HWC")
                self._board.add_text(f"sample/{number}", text, step)

    def close(self) -> None:
        """Close the log and the event files."""
        self._log.close()
        if self._board is not None:
            self._board.close()


def _open_board(folder: Path, first: int) -> Any:
    """Return TensorBoard's writer, or None if tensorboard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"), purge_step=first or None)


def _drop_lines_after(path: Path, step: int) -> None:
    """Remove the lines of later steps than `step`, and incomplete lines."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        try:
            if line.endswith("\n") and json.loads(line)["step"] <= step:
                kept.append(line)
        except (ValueError, KeyError):
            continue  # the line was cut off when the run was killed
    write_whole(path, "".join(kept))
