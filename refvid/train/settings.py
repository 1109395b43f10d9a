"""The numbers of a training run, saved as JSON in its folder; the command line takes its defaults from here.

This module is imported for `refvid train --help` and therefore knows nothing of torch.
"""

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from refvid.errors import UsageError
from refvid.model.config import Precision

DecayScope = Literal["trunk", "kernels", "all"]

# What may change when a run is resumed: nothing that a step's result depends on, but for its length.
CHANGEABLE = frozenset({"steps", "workers", "log_every", "checkpoint_every", "sample_every", "validate_every"})


@dataclass(frozen=True)
class TrainSettings:
    """How to train.

    Weight decay: the paper's 5e-4 is an L2 term beside a loss that its released code sums over all pixels; beside a
    mean it weighs a hundred thousand times more, and the released code spares biases, norms and gates. So it is applied
    here to the kernels of the trunk alone (they stand before norms, which undo any shrinking), `decay_scope` "trunk".

    Attributes:
        steps: Updates in all; the learning rate reaches zero at the last.
        batch: Samples a step, over all processes.
        frames: Frames of a clip, odd; 1 trains on still pictures, 11 is the paper's clip.
        frame_stride: Frames of the video from one frame of the clip to the next.
        protocol: Which frames and sentences of a data set on disk count; "" is the one it has first, or all frames of a
            set that is for testing alone.
        pseudo_video: Make clips of pictures, by a window that moves over them.
        learning_rate: Highest rate of Adam.
        trunk_rate: Rate of the trunk as a share of `learning_rate`; 0 freezes it.
        weight_decay: Coefficient of the L2 term.
        decay_scope: "trunk": kernels of the trunk; "kernels": every matrix and kernel; "all": every parameter.
        mask_every: Steps from one that learns masks to the next; those between learn only which words are true of
            what and whose positions belong together, where the data tell, and leave out the attention over words, the
            larger part of a step.
        neighbour_gradients: Whether the trunk learns from the frames around the target of a clip too; without, they
            cost no backward pass.
        power: Of the polynomial decay (1 - step / steps) ** power.
        warmup: Steps over which the rate rises from nothing.
        gradient_norm: Longest gradient, longer ones are shortened to it; 0 for no limit.
        average_decay: Of the moving average of the parameters, which is what is kept in the end; 0 keeps the last ones.
        precision: Numbers to compute with; "auto" is bfloat16 on CUDA and float32 elsewhere.
        freeze_norm: Leave the running statistics and scales of the trunk's norms as they are (for small batches).
        channels_last: Lay pictures out channels last, which most convolutions prefer.
        bad_steps: Steps with a gradient that is not finite to leave out before the run stops.
        flip: Probability of mirroring a sample.
        colour: Probability of changing a sample's brightness and contrast.
        crop: Probability of cutting a sample's border off.
        seed: Of everything random.
        workers: Processes that prepare batches ahead; 0 prepares them in between.
        log_every: Steps between lines of the log.
        checkpoint_every: Steps between checkpoints.
        sample_every: Steps between sample pictures; 0 for none.
        validate_every: Steps between validations; 0 for none.
        validation_samples: Clips of a validation.
    """

    steps: int = 100_000
    batch: int = 8
    frames: int = 3
    frame_stride: int = 1
    protocol: str = ""
    pseudo_video: bool = False
    learning_rate: float = 2.5e-4
    trunk_rate: float = 1.0
    weight_decay: float = 5e-4
    decay_scope: DecayScope = "trunk"
    mask_every: int = 1
    neighbour_gradients: bool = True
    power: float = 0.9
    warmup: int = 500
    gradient_norm: float = 1.0
    average_decay: float = 0.999
    precision: Precision = "auto"
    freeze_norm: bool = False
    channels_last: bool = True
    bad_steps: int = 10
    flip: float = 0.5
    colour: float = 0.5
    crop: float = 0.25
    seed: int = 0
    workers: int = 0
    log_every: int = 50
    checkpoint_every: int = 1000
    sample_every: int = 1000
    validate_every: int = 0
    validation_samples: int = 200

    def __post_init__(self) -> None:
        """Checks every number.

        Raises:
            UsageError: One is out of its range.
        """
        counts = ("steps", "batch", "frames", "frame_stride", "mask_every", "log_every", "checkpoint_every")
        for name in (*counts, "validation_samples"):
            self._require(name, getattr(self, name) >= 1, "at least 1")
        for name in ("warmup", "bad_steps", "seed", "workers", "sample_every", "validate_every"):
            self._require(name, getattr(self, name) >= 0, "0 or more")
        for name in ("weight_decay", "power", "gradient_norm", "trunk_rate"):
            self._require(name, 0 <= getattr(self, name) < float("inf"), "0 or more")
        for name in ("flip", "colour", "crop"):
            self._require(name, 0 <= getattr(self, name) <= 1, "a probability from 0 to 1")
        self._require("learning_rate", 0 < self.learning_rate < float("inf"), "more than 0")
        self._require("average_decay", 0 <= self.average_decay < 1, "0 or more and below 1")
        self._require("frames", self.frames % 2 == 1, "odd, since the target is the frame in the middle")
        self._require("pseudo_video", not (self.pseudo_video and self.frames == 1), "left out with --frames 1")
        self._require("precision", self.precision in get_args(Precision), f"one of {', '.join(get_args(Precision))}")
        scopes = get_args(DecayScope)
        self._require("decay_scope", self.decay_scope in scopes, f"one of {', '.join(scopes)}")

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise UsageError(f"--{name.replace('_', '-')} is {getattr(self, name)}; it must be {expected}")

    def as_dict(self) -> dict[str, Any]:
        """Returns what is saved in the run folder."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TrainSettings":
        """Reads what `as_dict` returned.

        Raises:
            UsageError: A key is unknown to this version, or a number is out of its range.
        """
        known = {entry.name for entry in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise UsageError(f"the settings {', '.join(unknown)} are unknown to this version of refvid")
        return cls(**values)


def changed_settings(saved: TrainSettings, asked: dict[str, Any]) -> TrainSettings:
    """Returns the saved settings of a run with those that were asked for when it is resumed.

    Raises:
        UsageError: One that every step depends on would change.
    """
    values = saved.as_dict()
    for name, value in asked.items():
        if values[name] != value and name not in CHANGEABLE:
            raise UsageError(
                f"the run was begun with --{name.replace('_', '-')} {values[name]}, not {value}; a resumed run keeps "
                "it: leave the option out, or begin another run with --out"
            )
    return TrainSettings.from_dict(values | asked)
