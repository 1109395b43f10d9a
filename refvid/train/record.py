"""The description of a run, saved as `run.json` in its folder."""

import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from refvid.errors import RefvidError
from refvid.files import write_whole
from refvid.model.config import ModelConfig
from refvid.model.registry import read_config
from refvid.train.objective import ObjectiveSettings
from refvid.train.settings import TrainSettings
from refvid.train.sources import DataChoice

RUN_FILE = "run.json"
_SCHEMA = 1


@dataclass(frozen=True)
class Run:
    """The description of a run, without its weights.

    Attributes:
        data: Data that it trains on.
        settings: Settings of the training.
        objective: Weights of the loss.
        config: Config of the network, with its vocabulary.
        origin: Origin of the initial weights, for the record.
    """

    data: DataChoice
    settings: TrainSettings
    objective: ObjectiveSettings
    config: ModelConfig
    origin: dict[str, str]

    def write(self, folder: Path) -> None:
        """Write run.json atomically."""
        values = {
            "schema": _SCHEMA,
            "refvid": version("refvid"),
            "data": self.data.as_dict(),
            "settings": self.settings.as_dict(),
            "objective": asdict(self.objective),
            "origin": self.origin,
            "model": self.config.as_dict(),
        }
        write_whole(folder / RUN_FILE, json.dumps(values, indent=1) + "\n")

    def training_record(self, steps: int, seconds: float, bad_steps: int) -> dict[str, Any]:
        """Return the training record for the config of the trained model."""
        return {
            "data": self.data.as_dict(),
            "origin": self.origin,
            "steps": steps,
            "samples": steps * self.settings.batch,
            "seconds": round(seconds, 1),
            "bad_steps": bad_steps,
            "seed": self.settings.seed,
            "settings": self.settings.as_dict(),
            "objective": asdict(self.objective),
            "before": self.config.training,
            "refvid": version("refvid"),
        }


def read_run(folder: Path) -> Run:
    """Return the run that `Run.write` wrote.

    Raises:
        RefvidError: The folder contains no run, or one of another version.
    """
    path = folder / RUN_FILE
    if not path.is_file():
        raise RefvidError(
            f"'{folder}' has no {RUN_FILE}, so there is no run to resume; leave out --resume to begin one"
        )
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return Run(
            DataChoice.from_dict(values["data"]),
            TrainSettings.from_dict(values["settings"]),
            ObjectiveSettings(**values["objective"]),
            read_config(values["model"]),
            dict(values["origin"]),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise RefvidError(f"'{path}' does not describe a run of this version ({error!r}); begin a new run") from error
