"""What a visitor sees first holds together: links lead somewhere, and what is written twice says the same."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PAGES = sorted(
    page.relative_to(ROOT)
    for folder in (".", ".github", "benchmarks", "benchmarks/results", "docs", "examples", "weights/*")
    for page in ROOT.glob(f"{folder}/*.md")
)
MAX_COLUMNS = 120


def text(page: Path) -> str:
    """Return a page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchor(heading: str) -> str:
    """Return the name that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def test_the_pages_are_found() -> None:
    assert {Path("README.md"), Path("CHANGELOG.md"), Path("benchmarks/README.md")} <= set(PAGES)
    assert len([page for page in PAGES if page.parts[0] == "weights"]) >= 5


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", text(page)):
        path, _, name = target.partition("#")
        linked = (ROOT / page.parent / path).resolve() if path else ROOT / page
        assert linked.exists(), f"{page} links to {target}"
        if name:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert name in map(anchor, headings), f"{page} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_lines_end_at_120_columns(page: Path) -> None:
    """Rows of tables and commands cannot be broken."""
    lines = text(page).splitlines()
    prose = [line for line in lines if not line.startswith(("|", "    ")) and "http" not in line]
    assert [line for line in prose if len(line) > MAX_COLUMNS] == []


def test_the_oldest_dependencies_are_the_lower_bounds() -> None:
    extras = PROJECT["optional-dependencies"].values()
    required = [*PROJECT["dependencies"], *(each for extra in extras for each in extra)]
    bounds = {
        found[1]: found[2] for each in required if (found := re.match(r"([A-Za-z0-9_-]+)>=([0-9.]+)", each)) is not None
    }
    lines = (ROOT / ".github" / "constraints-oldest.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.removesuffix(".*").split("==") for line in lines if not line.startswith("#"))
    assert pinned == bounds


def test_each_python_that_is_promised_is_tested() -> None:
    versions = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    listed = ", ".join(f'"{version}"' for version in versions)
    assert f"python: [{listed}]" in workflow
    assert PROJECT["requires-python"] == f">={versions[0]}"


def test_the_citation_is_of_this_project() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {PROJECT['version']}\n" in citation
    assert f"\nlicense: {PROJECT['license']}\n" in citation
    assert f"\nrepository-code: {PROJECT['urls']['Source']}\n" in citation
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    papers = re.findall(r"^    url: (\S+)$", citation, re.MULTILINE)
    assert len(papers) == 5
    assert [paper for paper in papers if paper not in readme] == []


def test_the_files_for_github_are_yaml() -> None:
    yaml = pytest.importorskip("yaml")
    files = [ROOT / "CITATION.cff", *ROOT.glob(".github/**/*.yml"), ROOT / ".pre-commit-config.yaml"]
    assert len(files) >= 6
    for file in files:
        assert isinstance(yaml.safe_load(file.read_text(encoding="utf-8")), dict), file
    forms = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in ROOT.glob(".github/ISSUE_TEMPLATE/*.yml")]
    asked = {question.get("id") for form in forms for question in form.get("body", [])}
    assert "doctor" in asked


def test_the_types_are_public() -> None:
    assert (ROOT / "refvid" / "py.typed").exists()
    assert "Typing :: Typed" in PROJECT["classifiers"]
