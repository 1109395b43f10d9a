"""The learning rate of each step."""

from refvid.train.settings import TrainSettings


def learning_rate(step: int, settings: TrainSettings) -> float:
    """Return the learning rate of a step, from 0: polynomial decay (section 4.1.1) with a linear warm-up.

    The rate depends on the arguments alone, so that a resumed run needs no saved state for it.
    """
    risen = min(1.0, (step + 1) / settings.warmup) if settings.warmup else 1.0
    left = max(0.0, 1 - step / settings.steps)
    return float(settings.learning_rate * risen * left**settings.power)
