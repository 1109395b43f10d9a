"""What the mutants are, how they are sampled, and that the allow list knows no others."""

import ast
from pathlib import Path

import pytest

from benchmarks import mutants
from benchmarks.mutants import ROOT, allowed, choose, judge, table, watchers_of
from benchmarks.mutants_make import Mutant, mutants_of

SOURCE = '''"""A file."""

SIZE: int | None = 3


class Box:
    def area(self, sides: "list[int]", flat: bool = False) -> float:
        """Return it."""
        if not sides:
            raise ValueError(f"got {len(sides) + 1}")
        return 0.5 * min(sides[-1], max(sides)) if flat and sides[0] < 2 else divmod(sides[0], 4)[1]
'''
CHANGES = """
3 -> 4
False -> True
not sides -> not not sides
not sides -> sides
flat and sides[0] < 2 -> not (flat and sides[0] < 2)
flat and sides[0] < 2 -> flat or sides[0] < 2
sides[0] < 2 -> sides[0] <= 2
0 -> 1
2 -> 3
0.5 * min(sides[-1], max(sides)) -> 0.5 / min(sides[-1], max(sides))
0.5 * min(sides[-1], max(sides)) -> 0.5
0.5 -> 0.75
min(sides[-1], max(sides)) -> max(sides[-1], max(sides))
-1 -> 0
-1 -> -2
max(sides) -> min(sides)
1 -> 2
divmod(sides[0], 4) -> divmod(4, sides[0])
0 -> 1
4 -> 5
"""


@pytest.fixture
def found(tmp_path: Path) -> list[Mutant]:
    (tmp_path / "file.py").write_text(SOURCE)
    return list(mutants_of(tmp_path, "file.py"))


def test_a_file_has_these_mutants(found: list[Mutant]) -> None:
    assert sorted(f"{one.before} -> {one.after}" for one in found) == sorted(CHANGES.strip().splitlines())
    assert {one.scope for one in found} == {"", "Box.area"}
    assert [one.before for one in found if not one.scope] == ["3", "False"]


def test_each_differs_from_the_file_in_its_own_expression(found: list[Mutant]) -> None:
    changed = {one.applied_to(SOURCE.encode()) for one in found}
    assert len(changed) == len(found)
    for source in changed:
        assert ast.dump(ast.parse(source)) != ast.dump(ast.parse(SOURCE))


def test_a_sample_is_spread_over_the_files() -> None:
    many = [
        Mutant(path, line, "", "1", "2", (0, 1), "") for path, count in (("a", 50), ("b", 2)) for line in range(count)
    ]
    sample = choose(many, 8, seed=1)
    assert [one.path for one in sample].count("b") == 2
    assert sample == choose(many, 8, seed=1)
    assert len(choose(many, 0, seed=1)) == 52


def test_every_file_has_tests_that_watch_over_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    files = [path for name in mutants.PACKAGES for path in Path("refvid", name).rglob("*.py") if path.stat().st_size]
    assert all(watchers_of(path.as_posix()) for path in files if path.name != "__init__.py")


def test_the_allow_list_knows_only_what_can_be_made() -> None:
    for key, reason in allowed().items():
        assert reason.endswith("."), key
    files = {entry["file"] for entry in mutants.entries()}
    known = {one.key for path in files for one in mutants_of(ROOT, path)}
    assert set(allowed()) <= known, "the line has changed: look again whether the mutant computes the same"


def test_a_verdict_is_by_the_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: list[Mutant]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mutants, "watchers_of", lambda path: ("test_file.py",))
    seen = []

    def passes(mutant: Mutant, *_: object) -> str:
        seen.append(Path("file.py").read_bytes())
        return "a test" if mutant.before == "3" else ""

    monkeypatch.setattr(mutants, "passes", passes)
    verdicts = [judge(one, {"test": 0.1}, slowest=1.0) for one in found[:2]]
    assert seen == [one.applied_to(SOURCE.encode()) for one in found[:2]]
    assert Path("file.py").read_text() == SOURCE
    assert [verdict.fate for verdict in verdicts] == ["killed", "survived"]
    told = table(verdicts)
    assert "| all | 2 | 1 | 0 | 1 |" in told
    assert '[[mutant]]\nfile = "file.py"' in told
