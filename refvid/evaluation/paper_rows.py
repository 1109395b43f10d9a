"""Figures published in papers, row by row, shown beside the results of an evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass

from refvid.metrics.regions import THRESHOLDS

_CMSA = "Ye et al., TPAMI 2021"
_CVPR = "Ye et al., CVPR 2019"
_ACGA = "Wang et al., ICCV 2019"
_ACGA_CODE = "Wang et al., ICCV 2019, README of the released code"
_GAVRILYUK = "Gavrilyuk et al., CVPR 2018, as printed by ACGA"
_REFVOS = "Bellver et al., 2020"
_HINET = "Yang et al., BMVC 2021"

_IMAGES = "CMSA on each frame alone, without cross-frame attention"
_UNIFORM = "Three frames a video, evenly spread (protocol uniform3)"
_REFVOS_FRAMES = "Counts every annotated frame; one without the instance is an empty mask (protocol refvos)"
_IMPOSSIBLE = (
    "P@0.9 is printed as 0.4, which cannot be: P@K never rises with K, and P@0.8 is 0.168. "
    "It is taken for 0.4 percent, 0.004"
)
_CRF = "Masks refined with DenseCRF"
_WHICH_DAVIS = "The source says neither DAVIS-16 nor DAVIS-17, nor how objects are matched; taken for DAVIS-17"


@dataclass(frozen=True)
class PaperRow:
    """A row of a published table.

    Attributes:
        name: Name of the data set, as `--dataset` takes it.
        split: Name of the split.
        system: Name of the system, as its authors spell it.
        source: Publication that reports the figures.
        scores: Published scores as fractions, under the keys of `Evaluation.scores`; unpublished ones are absent.
        note: A sentence, without its full stop, on how the figures were obtained or why they are doubtful; "" for none.
        protocols: Protocols under which the row is comparable; () for all protocols of the data set.
        minor: Whether this is a further variant of a system that already has a row; listed, but not drawn.
    """

    name: str
    split: str
    system: str
    source: str
    scores: dict[str, float]
    note: str = ""
    protocols: tuple[str, ...] = ()
    minor: bool = False


def _percent(figures: str, *further: str) -> dict[str, float]:
    """Parse P@0.5 to P@0.9 in percent, followed by the scores named in `further`; "-" means unpublished."""
    keys = (*(f"p@{threshold}" for threshold in THRESHOLDS), *further)
    return {
        key: round(float(figure) / 100, 6) for key, figure in zip(keys, figures.split(), strict=True) if figure != "-"
    }


def _video(figures: str) -> dict[str, float]:
    return _percent(figures, "overall_iou", "mean_iou", "ap_mean_precision")


def _image_rows(
    name: str, table: str, rows: Sequence[tuple[str, str, str]], protocols: tuple[str, ...] = ()
) -> tuple[PaperRow, ...]:
    """Return the rows of one of CMSA's tables.

    Args:
        name: Name of the data set.
        table: Number of the table in the journal paper.
        rows: (split, figures of the journal paper, figures of the conference paper) for each split.
        protocols: Protocols under which the rows are comparable; () for all.
    """
    made = []
    for split, journal, conference in rows:
        for system, source, figures in (
            ("CMSA (TPAMI)", f"{_CMSA}, table {table}", journal),
            ("CMSA (CVPR)", f"{_CVPR}, as printed in {_CMSA}, table {table}", conference),
        ):
            made.append(PaperRow(name, split, system, source, _percent(figures, "overall_iou"), _CRF, protocols))
    return tuple(made)


# All models were trained on A2D Sentences alone, including those tested on J-HMDB Sentences.
_VIDEO_ROWS = (
    PaperRow("a2d", "test", "CMSA", f"{_CMSA}, table 7", _video("46.7 38.5 27.9 13.6 1.7 59.2 40.5 -"), _IMAGES),
    PaperRow("a2d", "test", "CMSA+CFSA", f"{_CMSA}, table 7", _video("48.7 43.1 35.8 23.1 5.2 61.8 43.2 -")),
    PaperRow("a2d", "test", "ACGA", _ACGA, _video("55.7 45.9 31.9 16.0 2.0 60.1 49.0 27.4")),
    PaperRow("a2d", "test", "ACGA (code)", _ACGA_CODE, _video("56.7 47.6 33.8 16.9 1.9 61.3 49.8 28.5"), minor=True),
    PaperRow("a2d", "test", "RefVOS", _REFVOS, _video("57.8 53.4 45.6 31.1 9.3 67.2 49.7 -"), _REFVOS_FRAMES),
    PaperRow("a2d", "test", "HINet", _HINET, _video("61.1 55.9 48.6 34.2 12.0 67.9 52.9 -")),
    PaperRow(
        "a2d",
        "test",
        "Gavrilyuk RGB",
        _GAVRILYUK,
        _video("47.5 34.7 21.1 8.0 0.2 53.6 42.1 19.8"),
        minor=True,
    ),
    PaperRow("a2d", "test", "Gavrilyuk +flow", _GAVRILYUK, _video("50.0 37.6 23.1 9.4 0.4 55.1 42.6 21.5")),
    PaperRow("jhmdb", "test", "CMSA", f"{_CMSA}, table 8", _video("76.0 60.4 36.4 6.4 0.0 60.6 57.0 -"), _IMAGES),
    PaperRow("jhmdb", "test", "CMSA+CFSA", f"{_CMSA}, table 8", _video("76.4 62.5 38.9 9.0 0.1 62.8 58.1 -")),
    PaperRow("jhmdb", "test", "ACGA", _ACGA, _video("75.6 56.4 28.7 3.4 0.0 57.6 58.4 28.9"), _UNIFORM),
    PaperRow(
        "jhmdb",
        "test",
        "ACGA (code)",
        _ACGA_CODE,
        _video("75.4 58.5 29.4 3.6 0.0 57.8 58.8 29.3"),
        _UNIFORM,
        minor=True,
    ),
    PaperRow("jhmdb", "test", "RefVOS", _REFVOS, _video("73.1 62.0 39.2 8.8 0.0 60.6 56.8 -")),
    PaperRow("jhmdb", "test", "HINet", _HINET, _video("81.9 73.6 54.2 16.8 0.4 65.2 62.7 -"), _IMPOSSIBLE),
    PaperRow("jhmdb", "test", "Gavrilyuk +flow", _GAVRILYUK, _video("69.9 46.0 17.3 1.4 0.0 54.1 54.2 23.3")),
)

_DAVIS_ROWS = tuple(
    PaperRow("davis17", "val", "HINet", _HINET, {"j&f": score}, _WHICH_DAVIS, (phrases, f"{phrases}-hungarian"))
    for phrases, score in (("first-frame", 0.502), ("full-video", 0.479))
)

PAPER_ROWS: tuple[PaperRow, ...] = (
    *_VIDEO_ROWS,
    *_DAVIS_ROWS,
    *_image_rows(
        "refcoco",
        "3",
        (
            ("val", "69.24 62.46 53.34 37.84 11.99 58.92", "66.44 59.70 50.77 35.52 10.96 58.32"),
            ("testA", "73.87 67.76 58.53 40.52 12.04 62.01", "70.02 63.71 54.64 38.04 11.65 60.61"),
            ("testB", "64.55 56.62 47.11 34.41 12.78 56.03", "61.32 53.84 44.69 32.78 12.58 55.09"),
        ),
    ),
    *_image_rows(
        "refcoco+",
        "4",
        (
            ("val", "45.48 38.44 30.08 19.77 5.63 43.87", "44.63 37.86 29.86 20.10 5.33 43.76"),
            ("testA", "51.41 43.19 34.40 23.65 6.08 47.79", "51.19 43.42 34.25 22.41 5.82 47.60"),
            ("testB", "37.57 30.89 23.95 15.32 5.26 38.33", "35.02 28.68 21.74 13.89 4.54 37.89"),
        ),
    ),
    *_image_rows(
        "refcocog",
        "5",
        (("val", "44.71 37.26 29.10 19.02 5.59 42.84", "40.38 32.56 24.77 16.10 4.59 39.98"),),
        ("google",),  # the validation split of UMD holds other images
    ),
    *_image_rows(
        "referit", "6", (("test", "58.25 51.04 42.12 29.96 13.25 63.99", "57.96 50.34 41.04 28.82 13.05 63.80"),)
    ),
)
"""All rows. The systems of a data set stand in the order used by papers; fractions are rounded as printed."""


def rows_beside(name: str, split: str, protocol: str) -> tuple[PaperRow, ...]:
    """Return the published rows that are comparable with an evaluation of the given data set, split and protocol."""
    return tuple(
        row
        for row in PAPER_ROWS
        if (row.name, row.split) == (name, split) and (not row.protocols or protocol in row.protocols)
    )
