"""Packages that only some data sets need: imported where they are used, and missed in a sentence."""

from importlib import import_module
from types import ModuleType

from refvid.errors import UnavailableError

_DISTRIBUTIONS = {"cv2": "opencv-python-headless"}


def need_package(name: str, purpose: str) -> ModuleType:
    """Import a package of the extra "train".

    Args:
        name: As it is imported, such as "h5py" or "scipy.io".
        purpose: What it is needed for; the beginning of the sentence that misses it.

    Raises:
        UnavailableError: It is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        package = _DISTRIBUTIONS.get(name, name.partition(".")[0])
        raise UnavailableError(
            f'{purpose} needs {package}, which is not installed: pip install "refvid[train]"'
        ) from error
