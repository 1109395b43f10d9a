"""What a run is made of, as `run.json` in its folder."""

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
    """All that a run was begun with; its weights are elsewhere.

    Attributes:
        data: What it learns from.
        settings: How.
        objective: Weights of the loss.
        config: Of the network, with its vocabulary.
        origin: Where the first weights came from, for the record.
    """

    data: DataChoice
    settings: TrainSettings
    objective: ObjectiveSettings
    config: ModelConfig
    origin: dict[str, str]

    def write(self, folder: Path) -> None:
        """Writes run.json, whole or not at all."""
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
        """Returns the record that the trained model's config carries."""
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
    """Reads what `Run.write` wrote.

    Raises:
        RefvidError: The folder is not that of a run, or of one of another version.
    """
    path = folder / RUN_FILE
    if not path.is_file():
        raise RefvidError(f"'{folder}' holds no {RUN_FILE} and so no run to resume; leave --resume out to begin one")
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
        raise RefvidError(f"'{path}' is no record of a run of this version ({error!r}); begin a new run") from error
