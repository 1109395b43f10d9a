"""A safe reader for pickles of lists, dictionaries, strings and numbers; no code from a file is imported or called.

A pickle is a program, and one from the internet may run anything. RefCOCO's files need only the built-in containers,
whose opcodes call nothing; NumPy scalars, which some copies contain, are built here by hand.
"""

import pickle
import re
from pathlib import Path
from typing import BinaryIO

import numpy as np

from refvid.errors import RefvidError

_NUMBER = re.compile(r"[<>=|](?:[iu][1248]|f[248]|b1)")


def load_plain_pickle(path: Path) -> object:
    """Read a pickle; strings written by Python 2 are decoded as Latin-1.

    Returns:
        Lists, tuples, dictionaries, strings, bytes and numbers; NumPy scalars become Python numbers.

    Raises:
        RefvidError: The file cannot be read, is not a pickle, or requests a class or a function, which is named.
    """
    try:
        with path.open("rb") as file:
            return _PlainUnpickler(file, path).load()
    except RefvidError:
        raise
    except Exception as error:  # a corrupt pickle can raise anything
        raise RefvidError(
            f"{path} cannot be read as a pickle ({type(error).__name__}: {error}); download it again"
        ) from error


class _PlainUnpickler(pickle.Unpickler):
    """An unpickler that replaces the two globals used by NumPy scalars with its own, and refuses all other globals."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        super().__init__(file, encoding="latin1")
        self._path = path

    def find_class(self, module_name: str, global_name: str) -> object:
        try:
            return _MEANINGS[module_name, global_name]
        except KeyError:
            raise RefvidError(
                f"{self._path} requests {module_name}.{global_name}, but only lists, dictionaries, strings and numbers "
                "are accepted from a pickle, so nothing of it was run; download it from its publisher"
            ) from None


class _Kind:
    """A stand-in for a NumPy dtype: a name such as "i8" and, set afterwards, its byte order."""

    __slots__ = ("name", "order")

    def __init__(self, name: str) -> None:
        self.name = name
        self.order = "="

    def __setstate__(self, state: tuple[object, ...]) -> None:
        self.order = str(state[1])


class _MakeKind:
    """A stand-in for `numpy.dtype`. It has no slots, because a pickle may set attributes on it."""

    __slots__ = ()

    def __call__(self, name: str, *_flags: object) -> _Kind:
        return _Kind(name)


class _MakeNumber:
    """A stand-in for `numpy.core.multiarray.scalar`."""

    __slots__ = ()

    def __call__(self, kind: _Kind, data: str | bytes) -> bool | int | float:
        spelled = kind.order + kind.name
        if not _NUMBER.fullmatch(spelled):
            raise ValueError(f"{spelled} is not a numeric dtype")
        raw = data.encode("latin1") if isinstance(data, str) else data  # Python 2 bytes arrive as str
        (number,) = np.frombuffer(raw, np.dtype(spelled)).tolist()
        assert isinstance(number, bool | int | float)
        return number


_MEANINGS: dict[tuple[str, str], object] = {
    ("numpy", "dtype"): _MakeKind(),
    ("numpy.core.multiarray", "scalar"): _MakeNumber(),
    ("numpy._core.multiarray", "scalar"): _MakeNumber(),  # its name since NumPy 2
}
