"""Pickles of lists, dictionaries, texts and numbers: nothing that a file asks for is imported or called.

A pickle is a program, and one from the internet may run anything. The files of RefCOCO need no more than the built-in
containers, whose instructions call nothing; NumPy's numbers, which some copies hold, are built here by hand.
"""

import pickle
import re
from pathlib import Path
from typing import BinaryIO

import numpy as np

from refvid.errors import RefvidError

_NUMBER = re.compile(r"[<>=|](?:[iu][1248]|f[248]|b1)")


def load_plain_pickle(path: Path) -> object:
    """Read a pickle, also one that Python 2 wrote, whose texts are taken as Latin-1.

    Returns:
        Lists, tuples, dictionaries, texts, bytes and numbers; NumPy's numbers become Python's.

    Raises:
        RefvidError: The file cannot be read, is no pickle, or asks for a class or a function: says for which.
    """
    try:
        with path.open("rb") as file:
            return _PlainUnpickler(file, path).load()
    except RefvidError:
        raise
    except Exception as error:  # whatever a broken pickle's instructions stumble over; pickle names no base
        raise RefvidError(
            f"{path} cannot be read as a pickle ({type(error).__name__}: {error}); download it again"
        ) from error


class _PlainUnpickler(pickle.Unpickler):
    """Gives the two names that NumPy's numbers are pickled by a meaning of its own, and no other name any."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        super().__init__(file, encoding="latin1")
        self._path = path

    def find_class(self, module_name: str, global_name: str) -> object:
        try:
            return _MEANINGS[module_name, global_name]
        except KeyError:
            raise RefvidError(
                f"{self._path} asks for {module_name}.{global_name}, but only lists, dictionaries, texts and numbers "
                "are taken from a pickle: nothing of it was run; download it from its publisher"
            ) from None


class _Kind:
    """Stands for a NumPy dtype: a name such as "i8" and, set afterwards, the order of its bytes."""

    __slots__ = ("name", "order")

    def __init__(self, name: str) -> None:
        self.name = name
        self.order = "="

    def __setstate__(self, state: tuple[object, ...]) -> None:
        self.order = str(state[1])


class _MakeKind:
    """Called in the place of `numpy.dtype`. Without slots, since a pickle may set attributes of what it is given."""

    __slots__ = ()

    def __call__(self, name: str, *_flags: object) -> _Kind:
        return _Kind(name)


class _MakeNumber:
    """Called in the place of `numpy.core.multiarray.scalar`."""

    __slots__ = ()

    def __call__(self, kind: _Kind, data: str | bytes) -> bool | int | float:
        spelled = kind.order + kind.name
        if not _NUMBER.fullmatch(spelled):
            raise ValueError(f"{spelled} is no kind of number")
        raw = data.encode("latin1") if isinstance(data, str) else data  # bytes of Python 2 arrive as text
        (number,) = np.frombuffer(raw, np.dtype(spelled)).tolist()
        assert isinstance(number, bool | int | float)
        return number


_MEANINGS: dict[tuple[str, str], object] = {
    ("numpy", "dtype"): _MakeKind(),
    ("numpy.core.multiarray", "scalar"): _MakeNumber(),
    ("numpy._core.multiarray", "scalar"): _MakeNumber(),  # its name from NumPy 2 on
}
