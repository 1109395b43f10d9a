"""Manifests as spreadsheets and other programs write them."""

from pathlib import Path

import pytest

from refvid.batch.manifest import ManifestRow, read_manifest
from refvid.errors import RefvidError

PLAIN = "input,expression\na.mp4,the dog\n"


def _read(folder: Path, data: bytes | str) -> list[ManifestRow]:
    manifest = folder / "jobs.csv"
    manifest.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_manifest(manifest)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_delimiters_encodings_and_line_ends(tmp_path: Path, delimiter: str, encoding: str, ending: str) -> None:
    text = PLAIN.replace(",", delimiter).replace("\n", ending)
    row = ManifestRow(tmp_path / "a.mp4", Path("a.mp4"), "the dog", "")
    assert _read(tmp_path, text.encode(encoding)) == [row]


@pytest.mark.parametrize(
    "text",
    [
        "Input,EXPRESSION\na.mp4,the dog\n",
        '"Input" ; "Expression"\na.mp4;the dog\n',
        "sep=;\r\ninput;expression\r\na.mp4;the dog\r\n",
        'input,expression\na.mp4,"the\r\ndog"\n',
        '"input\n","expression\n"\na.mp4,the dog\n',
        "input,expression\n\na.mp4,the dog\n,,\n,\n",
        "\ninput,expression\na.mp4,the dog\n",
        "number;expression;remark;input\n1;the dog;a, b, c;a.mp4\n",
        "input,expression\na.mp4,the dog,,\n",
        "input,expression\na.mp4 , the dog ",
    ],
)
def test_layouts(tmp_path: Path, text: str) -> None:
    assert [(row.input, row.expression) for row in _read(tmp_path, text)] == [(tmp_path / "a.mp4", "the dog")]


def test_code_page_is_taken_if_its_inputs_exist(tmp_path: Path) -> None:
    data = "input;expression\nüß.mp4;dog\n".encode("cp1252")
    with pytest.raises(RefvidError, match=r"is not UTF-8, and read as .* does not exist; in a spreadsheet, save it as"):
        _read(tmp_path, data)
    (tmp_path / "üß.mp4").touch()
    assert _read(tmp_path, data)[0].input == tmp_path / "üß.mp4"


def test_backslashes_of_windows(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.mp4").touch()
    assert _read(tmp_path, "input,expression\nsub\\a.mp4,dog\n")[0].input == tmp_path / "sub" / "a.mp4"


def test_url_stays_as_it_is(tmp_path: Path) -> None:
    assert _read(tmp_path, "input,expression\nhttps://host/a.mp4,dog\n")[0].input == "https://host/a.mp4"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            "input,expression\na.mp4,dog, brown\n",
            "line 2: there are more cells than columns; put an expression with ','",
        ),
        ("a.mp4,dog\n", "has no column expression and input; it needs .* as its first line"),
        ("input,expression,Input\na.mp4,dog,b.mp4\n", "has two columns input"),
        ("input,expression\na.mp4\n", "line 2: the input or the expression is empty"),
        (b"PK\x03\x04\x14\x00", "is a spreadsheet, not a CSV file; in a spreadsheet, save it as 'CSV UTF-8'"),
        (b"\xff\xfe\x00\xd8", "cannot be read as CSV"),
    ],
)
def test_messages(tmp_path: Path, data: bytes | str, message: str) -> None:
    with pytest.raises(RefvidError, match=message):
        _read(tmp_path, data)
