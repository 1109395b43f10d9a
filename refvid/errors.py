"""The errors that users see, each with its exit code.

A message is a sentence that says what was given, what was expected, and what to do. The command line prints it on one
line and exits with `exit_code`; callers of the Python interface catch `RefvidError`.
"""


class RefvidError(Exception):
    """Base class of all errors that a user can cause or fix."""

    exit_code = 1


class VideoError(RefvidError):
    """Error for a video, image or folder of frames that cannot be read or written."""


class WeightsError(RefvidError):
    """Error for a checkpoint that is damaged or does not match its config.json."""


class UsageError(RefvidError):
    """Error for options that contradict each other or name something that does not exist."""

    exit_code = 2


class UnavailableError(RefvidError):
    """Error for a device, codec, package or set of weights that is not available on this machine."""

    exit_code = 3


class OutOfMemoryError(RefvidError):
    """Error for work that does not fit into the memory of the device."""

    exit_code = 4


class NothingFoundError(RefvidError):
    """Error for `--fail-if-empty` when no frame contains the object."""

    exit_code = 5


class OutputExistsError(RefvidError):
    """Error for an output that already exists when `--overwrite` is not given."""

    exit_code = 6


class BatchError(RefvidError):
    """Error for a batch in which some inputs failed."""

    exit_code = 7
