"""Everything that can go wrong in front of a user, each with its exit code.

A message is a sentence: what was given, what was expected, what to do. The command line prints it on one line
and exits with `exit_code`; a caller of the Python interface catches `RefvidError`.
"""


class RefvidError(Exception):
    """Base of all errors that a user can cause or mend."""

    exit_code = 1


class VideoError(RefvidError):
    """A video, image or folder of frames cannot be read or written."""


class WeightsError(RefvidError):
    """A checkpoint is not what its config.json says it is."""


class UsageError(RefvidError):
    """The options contradict each other or name something that does not exist."""

    exit_code = 2


class UnavailableError(RefvidError):
    """A device, codec, package or set of weights is not to be had on this machine."""

    exit_code = 3


class OutOfMemoryError(RefvidError):
    """The device's memory does not hold the work."""

    exit_code = 4


class NothingFoundError(RefvidError):
    """`--fail-if-empty` was given and no frame holds the object."""

    exit_code = 5


class OutputExistsError(RefvidError):
    """The output is there already and `--overwrite` was not given."""

    exit_code = 6


class BatchError(RefvidError):
    """Some inputs of a batch failed."""

    exit_code = 7
