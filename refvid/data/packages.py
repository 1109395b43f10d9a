"""Optional packages that only some data sets need, imported on use and reported in a sentence if missing."""

from importlib import import_module
from types import ModuleType

from refvid.errors import UnavailableError

_DISTRIBUTIONS = {"cv2": "opencv-python-headless"}


def need_package(name: str, purpose: str) -> ModuleType:
    """Import a package of the extra "train".

    Args:
        name: Import name, such as "h5py" or "scipy.io".
        purpose: Purpose of the package, which begins the error message.

    Raises:
        UnavailableError: The package is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        package = _DISTRIBUTIONS.get(name, name.partition(".")[0])
        raise UnavailableError(
            f'{purpose} needs {package}, which is not installed: pip install "refvid[train]"'
        ) from error
