"""The settings of a training run, which are saved as JSON in its folder.

Each setting stands once: its type, default and help text are those of its option of `refvid train`. This module is
imported for `refvid train --help` and therefore must not import torch.
"""

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, TypeVar, get_args

from refvid.errors import UsageError
from refvid.model.config import Precision

Value = TypeVar("Value")
DecayScope = Literal["trunk", "kernels", "all"]
Panel = Literal["Data", "Learning", "Run"]

# Settings that may change when a run is resumed: no step's result depends on them, except for the length of the run.
CHANGEABLE = frozenset(
    {"steps", "workers", "log_every", "checkpoint_every", "sample_every", "validate_every", "feature_cache"}
)


def _setting(default: Value, panel: Panel, help: str, metavar: str | None = None) -> Value:
    """Return a dataclass field that carries its help text, panel and metavar for the command line as metadata."""
    described: Value = field(default=default, metadata={"panel": panel, "help": help, "metavar": metavar})
    return described


@dataclass(frozen=True)
class TrainSettings:
    """The settings of a training run; the metadata of each field describe it.

    Weight decay: the paper's 5e-4 is an L2 term beside a loss that its released code sums over all pixels. Beside a
    mean it weighs a hundred thousand times more, and the released code spares biases, norms and gates. It is therefore
    applied by default to the kernels of the trunk alone (`decay_scope` "trunk"), which stand before norms that undo any
    shrinking.
    """

    steps: int = _setting(100_000, "Run", "Total number of updates; the learning rate reaches zero at the last.")
    batch: int = _setting(8, "Learning", "Samples per step, over all processes.")
    frames: int = _setting(
        3, "Learning", "Frames per clip, an odd number; 1 trains on still pictures, 11 is the paper's clip length."
    )
    frame_stride: int = _setting(1, "Learning", "Distance in video frames between neighbouring frames of a clip.")
    protocol: str = _setting(
        "",
        "Data",
        "Which frames and sentences of the data set count (default: the data set's first protocol; for jhmdb, all "
        "annotated frames).",
        metavar="NAME",
    )
    pseudo_video: bool = _setting(
        False, "Data", "Turn the pictures of a data set into clips by moving a crop window over them."
    )
    shares: str = _setting(
        "",
        "Data",
        "How often the world draws each kind of scene, as object-photo=0.4,mixed=0.1; the other kinds are people, "
        "motion, composite, photo and object-composite.",
        metavar="KIND=SHARE,...",
    )
    learning_rate: float = _setting(2.5e-4, "Learning", "Peak learning rate of Adam.")
    trunk_rate: float = _setting(
        1.0, "Learning", "Learning rate of the trunk as a share of --learning-rate; 0 freezes the trunk."
    )
    weight_decay: float = _setting(5e-4, "Learning", "Weight decay: the coefficient of the L2 term.")
    decay_scope: DecayScope = _setting(  # noqa: RUF009 - it returns a dataclass field
        "trunk",
        "Learning",
        "Parameters that weight decay applies to: the trunk's kernels, all kernels and matrices, or everything.",
    )
    mask_every: int = _setting(
        1,
        "Learning",
        "Train on masks in every n-th step; the others train on words and positions only and skip the attention over "
        "words, the costliest part of a step.",
    )
    neighbour_gradients: bool = _setting(
        True,
        "Learning",
        "Also train the trunk on the frames around the target; without, they need no backward pass.",
    )
    power: float = _setting(
        0.9, "Learning", "Exponent of the polynomial decay of the learning rate, (1 - step / steps) ** power."
    )
    warmup: int = _setting(500, "Learning", "Steps over which the learning rate rises from zero.")
    gradient_norm: float = _setting(
        1.0, "Learning", "Maximum gradient norm, to which larger gradients are scaled down; 0 for no limit."
    )
    average_decay: float = _setting(
        0.999,
        "Learning",
        "Decay of the moving average of the weights, which is what the trained model holds; 0 keeps the last weights.",
    )
    precision: Precision = _setting(  # noqa: RUF009 - it returns a dataclass field
        "auto", "Learning", "Precision of the arithmetic; auto is bfloat16 on CUDA and float32 elsewhere."
    )
    freeze_norm: bool = _setting(
        False, "Learning", "Keep the statistics and scales of the trunk's norms fixed, for small batches."
    )
    cache_scenes: int = _setting(
        4000, "Data", "Number of different scenes of each kind and size that the world keeps in the --cache folder."
    )
    feature_cache: float = _setting(
        0.0,
        "Data",
        "GiB of disk for the features of a frozen pretrained trunk, which are kept in the --cache folder so that each "
        "scene passes the trunk once; 0 computes them at every step.",
    )
    channels_last: bool = _setting(True, "Run", "Store images channels-last in memory, which most convolutions prefer.")
    bad_steps: int = _setting(10, "Learning", "Steps to skip for a non-finite gradient before the run stops.")
    flip: float = _setting(0.5, "Data", "Probability of mirroring a sample; left and right are swapped in its words.")
    colour: float = _setting(0.5, "Data", "Probability of changing a sample's brightness and contrast.")
    crop: float = _setting(0.25, "Data", "Probability of cropping the border off a sample.")
    seed: int = _setting(0, "Run", "Seed of everything random.")
    workers: int = _setting(0, "Run", "Processes that prepare batches ahead; 0 prepares them between the steps.")
    log_every: int = _setting(50, "Run", "Steps between lines of the log.")
    checkpoint_every: int = _setting(1000, "Run", "Steps between checkpoints.")
    sample_every: int = _setting(1000, "Run", "Steps between sample pictures; 0 for none.")
    validate_every: int = _setting(0, "Run", "Steps between validations; 0 for none.")
    validation_samples: int = _setting(200, "Run", "Number of samples in a validation.")

    def __post_init__(self) -> None:
        """Check that every setting lies in its range.

        Raises:
            UsageError: A setting is out of range.
        """
        counts = (
            "steps",
            "batch",
            "frames",
            "frame_stride",
            "mask_every",
            "log_every",
            "checkpoint_every",
            "cache_scenes",
        )
        for name in (*counts, "validation_samples"):
            self._require(name, getattr(self, name) >= 1, "at least 1")
        for name in ("warmup", "bad_steps", "seed", "workers", "sample_every", "validate_every"):
            self._require(name, getattr(self, name) >= 0, "0 or more")
        for name in ("weight_decay", "power", "gradient_norm", "trunk_rate", "feature_cache"):
            self._require(name, 0 <= getattr(self, name) < float("inf"), "0 or more")
        for name in ("flip", "colour", "crop"):
            self._require(name, 0 <= getattr(self, name) <= 1, "a probability from 0 to 1")
        if self.feature_cache and (self.trunk_rate or self.flip or self.colour or self.crop):
            raise UsageError(
                "--feature-cache keeps what a frozen trunk makes of pictures that stay the same; give --trunk-rate 0 "
                "--flip 0 --colour 0 --crop 0 with it"
            )
        self._require("learning_rate", 0 < self.learning_rate < float("inf"), "more than 0")
        self._require("average_decay", 0 <= self.average_decay < 1, "0 or more and below 1")
        self._require("frames", self.frames % 2 == 1, "odd, since the target is the middle frame")
        self._require("pseudo_video", not (self.pseudo_video and self.frames == 1), "left out with --frames 1")
        self._require("precision", self.precision in get_args(Precision), f"one of {', '.join(get_args(Precision))}")
        read_shares(self.shares)
        scopes = get_args(DecayScope)
        self._require("decay_scope", self.decay_scope in scopes, f"one of {', '.join(scopes)}")

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise UsageError(f"--{name.replace('_', '-')} is {getattr(self, name)}; it must be {expected}")

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as they are saved in the run folder."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TrainSettings":
        """Return the settings that `as_dict` saved.

        Raises:
            UsageError: A key is unknown to this version, or a setting is out of range.
        """
        known = {entry.name for entry in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise UsageError(f"the settings {', '.join(unknown)} are unknown to this version of refvid")
        return cls(**values)


def read_shares(text: str) -> dict[str, float] | None:
    """Return the shares of kinds of scenes that a text such as "object-photo=0.4,mixed=0.1" gives; None of "".

    Raises:
        UsageError: It is no such text.
    """
    shares = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = part.partition("=")
        try:
            shares[name.strip()] = float(number)
        except ValueError:
            shares = {"": -1.0}
        if not all(0 <= share < float("inf") for share in shares.values()):
            raise UsageError(
                f"--shares has '{part}'; give kinds of scenes and how often each is drawn: object-photo=0.4,mixed=0.1"
            )
    return shares or None


def changed_settings(saved: TrainSettings, asked: dict[str, Any]) -> TrainSettings:
    """Return the saved settings of a run with the changes that were typed when it is resumed.

    Raises:
        UsageError: A setting would change on which the result of every step depends.
    """
    values = saved.as_dict()
    for name, value in asked.items():
        if values[name] != value and name not in CHANGEABLE:
            raise UsageError(
                f"the run was begun with --{name.replace('_', '-')} {values[name]}, not {value}, and a resumed run "
                "keeps that setting; leave the option out, or begin a new run with --out"
            )
    return TrainSettings.from_dict(values | asked)
