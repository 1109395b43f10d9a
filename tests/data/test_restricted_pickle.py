"""Pickles are read without importing or calling anything that they request."""

import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from refvid.data.restricted_pickle import load_plain_pickle
from refvid.errors import RefvidError
from tests.data.python2_pickle import Raw, python2_pickle

PLAIN = [{"split": "val", "ids": (1, -2, 2**40), "score": 0.5, "text": "caf\xe9 'quoted'\n", "no": None, "yes": True}]
NUMBER_2 = b"c%s\nscalar\n(cnumpy\ndtype\n(S'%s'\nI0\nI1\ntR(I3\nS'%s'\nNNNI-1\nI-1\nI0\ntb%stR"  # as NumPy 1 wrote it


def _load(folder: Path, content: bytes) -> object:
    path = folder / "refs(unc).p"
    path.write_bytes(content)
    return load_plain_pickle(path)


def _number(kind: bytes, order: bytes, data: bytes, module: bytes = b"numpy.core.multiarray") -> Raw:
    return Raw(NUMBER_2 % (module, kind, order, b"S" + repr(data)[1:].encode() + b"\n"))


def test_pickles_of_python_2_are_read(tmp_path: Path) -> None:
    content = python2_pickle(PLAIN)
    assert b"caf\\xe9" in content  # bytes of Latin-1, which the default encoding refuses
    with pytest.raises(UnicodeDecodeError):
        pickle.loads(content)
    assert _load(tmp_path, content) == PLAIN


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_python_3_are_read(tmp_path: Path, protocol: int) -> None:
    assert _load(tmp_path, pickle.dumps(PLAIN, protocol)) == PLAIN


def test_numbers_of_numpy_become_pythons(tmp_path: Path) -> None:
    little, big = np.array(-71_234, "<i8").tobytes(), np.array(-71_234, ">i8").tobytes()
    values = [
        _number(b"i8", b"<", little),
        _number(b"i8", b">", big),
        _number(b"f8", b"<", np.array(0.375, "<f8").tobytes()),
        _number(b"b1", b"|", b"\x01"),
        _number(b"i8", b"<", little, b"numpy._core.multiarray"),
    ]
    loaded = _load(tmp_path, python2_pickle(values))
    assert loaded == [-71_234, -71_234, 0.375, True, -71_234]
    assert isinstance(loaded, list)
    assert [type(value) for value in loaded] == [int, int, float, bool, int]
    today = _load(tmp_path, pickle.dumps({"ann_id": np.int64(9), "area": np.float32(2.5)}))
    assert today == {"ann_id": 9, "area": 2.5}


class _Malicious:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_commands_are_not_run(tmp_path: Path, protocol: int) -> None:
    ran = tmp_path / "ran"
    content = pickle.dumps([{"split": _Malicious(f"touch '{ran}'")}], protocol)
    with pytest.raises(
        RefvidError, match=r"refs\(unc\)\.p requests (posix|nt)\.system, .* nothing of it was run"
    ) as caught:
        _load(tmp_path, content)
    assert caught.value.exit_code == 1
    assert not ran.exists()
    pickle.loads(content)  # proves that the file is a dangerous one
    assert ran.exists()


@pytest.mark.parametrize(
    "program",
    [
        b"c__builtin__\neval\n(S'1'\ntR.",
        b"cbuiltins\ngetattr\n(cnumpy\ndtype\nS'type'\ntR.",
        b"(S'1'\ni__builtin__\neval\n.",  # an old-style instance
        b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.",
        b"cnumpy\nload\n.",
        b"cnumpy.core.multiarray\n_reconstruct\n.",
        b"ccollections\nOrderedDict\n(tR.",
    ],
)
def test_other_names_are_refused(tmp_path: Path, program: bytes) -> None:
    with pytest.raises(RefvidError, match=r"requests (__builtin__|builtins|numpy|numpy\.core|collections)[.\w]+, but"):
        _load(tmp_path, program)


def test_what_stands_for_numpy_cannot_be_misused(tmp_path: Path) -> None:
    objects = _number(b"O8", b"|", b"12345678")
    attribute = b"cnumpy\ndtype\n(N}S'__call__'\nS'mine'\nstb."  # sets an attribute of the allowed name
    for content in (python2_pickle(objects), python2_pickle(_number(b"i8", b"<", b"123")), attribute):
        with pytest.raises(RefvidError, match=r"cannot be read as a pickle \(\w+Error: "):
            _load(tmp_path, content)
    whole = _number(b"i8", b"<", np.array(5, "<i8").tobytes())
    assert _load(tmp_path, python2_pickle(whole)) == 5


def test_broken_files_are_sentences(tmp_path: Path) -> None:
    for content in (b"", b"not a pickle", python2_pickle(PLAIN)[:-20], b"P1\n."):
        with pytest.raises(RefvidError, match=r"refs\(unc\)\.p cannot be read as a pickle"):
            _load(tmp_path, content)
    with pytest.raises(RefvidError, match="cannot be read as a pickle"):
        load_plain_pickle(tmp_path / "missing.p")


def test_python2_pickle_is_what_pythons_own_reader_takes() -> None:
    assert pickle.load(io.BytesIO(python2_pickle(PLAIN)), encoding="latin1") == PLAIN
