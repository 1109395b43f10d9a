"""The learning rate of each step."""

from refvid.train.settings import TrainSettings


def learning_rate(step: int, settings: TrainSettings) -> float:
    """Returns the rate of a step, from 0: a linear rise, then polynomial decay (section 4.1.1) over the whole run.

    It depends on nothing but its arguments, so that a resumed run needs no state of it.
    """
    risen = min(1.0, (step + 1) / settings.warmup) if settings.warmup else 1.0
    left = max(0.0, 1 - step / settings.steps)
    return float(settings.learning_rate * risen * left**settings.power)
