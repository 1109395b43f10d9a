"""The results table: the evaluation's own row first, the papers' rows beneath, and the caption."""

import io
import math
import re

import pytest
from rich.console import Console

from refvid.data.catalogue import SETS
from refvid.data.referring import Rules
from refvid.evaluation.run import Evaluation
from refvid.evaluation.tables import PAPER_ROWS, percent, score_table, table_of
from refvid.metrics.regions import THRESHOLDS
from tests.evaluation.made_up import evaluation_of

SCORES = {
    **dict(zip([f"p@{threshold}" for threshold in THRESHOLDS], (0.8125, 0.7, 0.6, 0.25, 0.0), strict=True)),
    "overall_iou": 0.65432,
    "mean_iou": 0.6,
    "ap_mean_precision": 0.5,
    "ap_coco": float("nan"),
    "samples": 2784.0,
    "empty": 3.0,
}


def printed(evaluation: Evaluation, width: int = 140) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system="standard")
    console.print(table_of(evaluation, width))
    return console.file.getvalue()  # type: ignore[attr-defined]


def cells_of(evaluation: Evaluation, system: str) -> tuple[str, ...]:
    return next(line.cells for line in score_table(evaluation).lines if line.system == system)


def test_scores_are_printed_in_percent_with_one_decimal_and_a_dash_where_there_is_none() -> None:
    assert [percent(score) for score in (0.8125, 0.0, 1.0, None, math.nan)] == ["81.2", "0.0", "100.0", "-", "-"]


def test_own_row_stands_first_and_bold_above_the_papers() -> None:
    table = score_table(evaluation_of([], SCORES))
    assert table.columns[:5] == ("P@0.5", "P@0.6", "P@0.7", "P@0.8", "P@0.9")
    assert table.columns[5:] == ("Overall IoU", "Mean IoU", "AP", "AP (COCO)")
    assert table.lines[0].system == "cmsa-tiny"
    assert table.lines[0].cells == ("81.2", "70.0", "60.0", "25.0", "0.0", "65.4", "60.0", "50.0", "-")
    assert [line.system for line in table.lines[1:]] == [
        "CMSA",
        "CMSA+CFSA",
        "ACGA",
        "ACGA (code)",
        "RefVOS",
        "HINet",
        "Gavrilyuk +flow",
    ]
    bold = next(line for line in printed(evaluation_of([], SCORES)).splitlines() if "cmsa-tiny" in line)
    assert "\x1b[1m" in bold


def test_the_table_fits_a_narrow_terminal() -> None:
    a2d = evaluation_of([], SCORES, name="a2d", dataset="A2D Sentences", protocol="mttr")
    lines = printed(a2d, width=80).splitlines()
    assert any("Gavrilyuk +flow" in line and "21.5" in line for line in lines)
    assert not any("…" in line for line in lines)


@pytest.mark.parametrize("width", [60, 61, 78, 79, 80])
def test_no_figure_is_cut_in_a_small_terminal(width: int) -> None:
    perfect = {**dict.fromkeys(SCORES, 1.0), "samples": 1.0}
    lines = [re.sub("\x1b.*?m", "", line) for line in printed(evaluation_of([], perfect), width).splitlines()]
    assert max(map(len, lines)) <= width
    assert "…" not in "".join(lines)
    (own,) = [line for line in lines if "100.0" in line]
    assert own.split()[-9:] == ["100.0"] * 9


def test_captions_use_the_width_there_is() -> None:
    evaluation = evaluation_of([], SCORES)
    rows = [len(printed(evaluation, width).splitlines()) for width in (80, 200)]
    assert rows[1] < rows[0]
    assert "over 2,784 samples.\n" in re.sub("\x1b.*?m", "", printed(evaluation, 200))


def test_captions_say_what_masks_on_disk_lack() -> None:
    caption = " ".join(score_table(evaluation_of([], SCORES)).caption)
    assert "ranks the masks by their confidence" in caption
    assert "--missing empty" not in caption
    caption = " ".join(score_table(evaluation_of([], SCORES, ranked=False, missing=1)).caption)
    assert "AP (COCO) has no confidences to rank the masks by: all count as equally sure." in caption
    assert "ranks the masks" not in caption
    assert "1 mask without a file: empty (--missing empty)." in caption
    one = score_table(evaluation_of([], {**SCORES, "samples": 1.0})).caption
    assert one[0].endswith("over 1 sample.")


def test_paper_rows_are_as_published() -> None:
    a2d = evaluation_of([], SCORES, name="a2d", dataset="A2D Sentences", protocol="mttr")
    assert cells_of(a2d, "CMSA+CFSA") == ("48.7", "43.1", "35.8", "23.1", "5.2", "61.8", "43.2", "-", "-")
    assert cells_of(a2d, "ACGA") == ("55.7", "45.9", "31.9", "16.0", "2.0", "60.1", "49.0", "27.4", "-")
    unc = evaluation_of([], SCORES, name="refcoco", split="testA", protocol="unc")
    assert cells_of(unc, "CMSA (TPAMI)")[5] == "62.0"


def test_hinets_impossible_figure_is_mended_and_said_so() -> None:
    table = score_table(evaluation_of([], SCORES))
    line = next(line for line in table.lines if line.system == "HINet")
    assert line.cells[3:5] == ("16.8", "0.4")
    assert "cannot be" in dict(table.marked)[line.mark]


@pytest.mark.parametrize("row", PAPER_ROWS, ids=lambda row: f"{row.name}-{row.split}-{row.system}")
def test_every_paper_row_is_possible_and_belongs_to_a_known_split(row) -> None:  # type: ignore[no-untyped-def]
    info = SETS[row.name]
    assert row.split in info.splits
    assert set(row.protocols) <= set(info.protocols)
    assert all(0 <= score <= 1 for score in row.scores.values())
    precisions = [row.scores[f"p@{threshold}"] for threshold in THRESHOLDS if f"p@{threshold}" in row.scores]
    assert precisions == sorted(precisions, reverse=True)
    if "ap_mean_precision" in row.scores and precisions:
        # Ten thresholds, of which five are known and P@K never rises: the mean lies between these bounds.
        assert sum(precisions[1:] * 2) / 10 <= row.scores["ap_mean_precision"] + 0.006
        assert row.scores["ap_mean_precision"] <= sum(precisions * 2) / 10 + 0.0005


def test_only_comparable_rows_are_listed() -> None:
    umd = evaluation_of([], SCORES, name="refcocog", split="val", protocol="umd")
    assert len(score_table(umd).lines) == 1
    google = evaluation_of([], SCORES, name="refcocog", split="val", protocol="google")
    assert [line.cells[5] for line in score_table(google).lines[1:]] == ["42.8", "40.0"]
    training = evaluation_of([], SCORES, name="a2d", split="train", protocol="mttr")
    assert len(score_table(training).lines) == 1


def test_caption_says_what_the_figures_belong_to() -> None:
    caption = " ".join(score_table(evaluation_of([], SCORES)).caption)
    assert "Protocol uniform3: three frames a video" in caption
    assert "over 2,784 samples" in caption
    assert "IoU higher than K" in caption
    assert "both masks are empty (3 of them) counts as an IoU of 1" in caption
    assert "real data set" in caption
    rules = Rules(inclusive=True, empty="skip")
    other = " ".join(score_table(evaluation_of([], SCORES, rules=rules)).caption)
    assert "IoU at least K" in other
    assert "is left out" in other


def test_contour_sets_have_their_own_columns_and_the_row_of_their_phrases() -> None:
    scores = {"j": 0.61, "j_recall": 0.7, "j_decay": -0.021, "f": 0.66, "f_recall": 0.8, "f_decay": 0.1, "j&f": 0.635}
    for protocol, hinet in (("first-frame", "50.2"), ("full-video", "47.9")):
        evaluation = evaluation_of(
            [], scores, name="davis17", split="val", protocol=protocol, rules=Rules(measure="contour")
        )
        table = score_table(evaluation)
        assert table.columns == ("J", "J recall", "J decay", "F", "F recall", "F decay", "J&F")
        assert table.lines[0].cells == ("61.0", "70.0", "-2.1", "66.0", "80.0", "10.0", "63.5")
        assert [line.cells for line in table.lines[1:]] == [("-", "-", "-", "-", "-", "-", hinet)]


def test_masks_on_disk_and_strange_names_are_printed_as_they_are() -> None:
    assert "masks of a peer" in printed(evaluation_of([], SCORES, model="masks of a peer", folder="masks"))
    assert "[bold]owner/model" in printed(evaluation_of([], SCORES, model="[bold]owner/model"))


def test_a_split_without_truth_gives_dashes() -> None:
    table = score_table(evaluation_of([], {}, name="refytvos", split="valid", rules=Rules(measure="contour")))
    assert table.lines[0].cells == ("-",) * 7
