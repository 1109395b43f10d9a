"""The report page: complete, safely escaped, with the right figures, pictures and words."""

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from refvid.data.referring import Rules, Target
from refvid.errors import OutputExistsError, RefvidError, UsageError
from refvid.evaluation.report.breakdown import bootstrap_interval, by_length, by_object, by_size, outcomes, scorer_of
from refvid.evaluation.report.charts import Bar, Series, Slice, bars, curves, histogram, parts
from refvid.evaluation.report.page import check_report, summary_of, write_report
from refvid.evaluation.report.pictures import FOUND_COLOUR, TRUTH_COLOUR, Picture, draw_samples, outline, pick, tint
from refvid.evaluation.report.word_kinds import actor_of, kinds_of
from refvid.evaluation.run import Evaluation
from refvid.evaluation.scoring import SampleRow, summarise
from refvid.evaluation.sources import FrameMasks
from tests.evaluation.made_up import HEIGHT, WIDTH, GreyVideo, ShiftedMasks, evaluation_of, row_of, set_of

SHIFTS = {f"clip{number:02}": number for number in range(20)}  # columns that a mask is off; IoU 1 down to 1/39
TEXTS = [
    "man in red walking on the left",
    "the small dog",
    "<script>alert(1)</script> & a car",
    "ball",
    'the "second" bird from the right that is flying over the whole field',
]


@pytest.fixture
def videos() -> list[GreyVideo]:
    return [GreyVideo(name, TEXTS[shift % len(TEXTS)]) for name, shift in SHIFTS.items()]


@pytest.fixture
def rows(videos: list[GreyVideo]) -> list[SampleRow]:
    return [row_of(video.name, video.text, SHIFTS[video.name]) for video in videos]


@pytest.fixture
def evaluation(rows: list[SampleRow]) -> Evaluation:
    notes = ("2 rows <were> skipped",)
    return evaluation_of(rows, summarise(rows, Rules()), notes=notes, counts={"videos": 20, "samples": 20})


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))


@pytest.fixture
def page(evaluation: Evaluation, videos: list[GreyVideo], tmp_path: Path) -> Page:
    path = write_report(
        evaluation, set_of(videos), ShiftedMasks(SHIFTS), tmp_path / "report", command="refvid eval --root '<here>'"
    )
    assert path == tmp_path / "report" / "index.html"
    assert [entry.name for entry in path.parent.iterdir()] == ["index.html"]
    return Page(path.read_text(encoding="utf-8"))


def test_page_asks_for_nothing_and_runs_nothing(page: Page) -> None:
    assert not {"script", "iframe", "object"} & {tag for tag, _ in page.tags}
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "data"):
            assert (attributes.get(name) or "data:").startswith("data:"), (tag, attributes)
        assert not [name for name in attributes if name.startswith("on")]
    assert "url(" not in page.text
    assert "@import" not in page.text
    policy = next(meta for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert str(policy["content"]).startswith("default-src 'none'")


def test_everything_from_outside_is_escaped(page: Page) -> None:
    assert "<script>alert(1)</script> & a car" in page.text
    assert "2 rows <were> skipped" in page.text
    assert "refvid eval --root '<here>'" in page.text


def test_page_has_table_facts_charts_and_samples(page: Page) -> None:
    for words in ("P@0.9", "HINet", "cannot be", "uniform3", "1 min 23 s", "refvid 1.2.3", "cmsa-tiny", "cpu, float32"):
        assert words in page.text
    charts = page.all("svg")
    assert len(charts) == 7
    identifiers = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    for chart in charts:
        assert set(str(chart["aria-labelledby"]).split()) <= set(identifiers)
    pictures = page.all("img")
    assert len(pictures) == 3 * 4 * 2
    assert all(picture["alt"] for picture in pictures)
    assert page.text.index("Best") < page.text.index("Middling") < page.text.index("Worst")


def pixels_of(picture: Picture) -> np.ndarray:
    data = base64.b64decode(picture.address.removeprefix("data:image/webp;base64,"))
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def test_pictures_show_truth_beside_prediction(videos: list[GreyVideo], rows: list[SampleRow]) -> None:
    sample = draw_samples([rows[8]], set_of(videos), ShiftedMasks(SHIFTS))[0]
    assert sample.truth is not None
    truth, found = pixels_of(sample.truth), pixels_of(sample.found)
    assert truth.shape == found.shape == (HEIGHT, WIDTH, 3)
    blue = (found[..., 2] - found[..., 0]) > 60  # the tint; the footage is grey
    assert blue[18, 34]
    assert not blue[18, 5]
    assert not ((truth[..., 2] - truth[..., 0]) > 40).any()
    orange = (truth[..., 0] - truth[..., 2]) > 40
    assert orange[18, 9:12].any()
    assert not orange[18, 20]
    assert not orange[2, 20]


def test_a_matched_object_is_shown_with_the_mask_that_it_was_given() -> None:
    class Two(GreyVideo):
        @property
        def targets(self) -> tuple[Target, ...]:
            return (Target("00004", 3, (1, 0)),)

        def truth(self, target: Target) -> np.ndarray | None:
            truth = super().truth(target)
            assert truth is not None
            return np.repeat(truth, 2, axis=0)

    class Swapped(ShiftedMasks):
        def masks_at(self, video, target):  # type: ignore[no-untyped-def]
            near = super().masks_at(video, target).masks
            return FrameMasks(np.concatenate([np.roll(near, 25, axis=2), near]), np.ones(2))

    row = row_of("clip02", "x", 2, j=0.8, f=0.8)
    matchings: list[tuple[Literal["own", "hungarian"], int]] = [("hungarian", 14), ("own", 45)]
    for matching, column in matchings:
        split = replace(set_of([Two("clip02", "x")]), rules=Rules(measure="contour", matching=matching))
        found = pixels_of(draw_samples([row], split, Swapped(SHIFTS))[0].found)
        assert found[18, column, 2] - found[18, column, 0] > 60


def test_outline_and_tint_touch_only_their_pixels() -> None:
    pixels = np.full((30, 50, 3), 100, np.uint8)
    mask = np.zeros((30, 50), bool)
    mask[10:20, 5:35] = True
    tinted = tint(pixels, mask, FOUND_COLOUR)
    assert (tinted[~mask] == 100).all()
    assert tinted[12, 12].tolist() == [74, 139, 178]
    assert tinted[10, 12].tolist() == list(FOUND_COLOUR)
    lined = outline(pixels, mask, TRUTH_COLOUR)
    assert (lined == TRUTH_COLOUR).all(axis=-1).sum() == (12 * 32) - (8 * 28)
    assert lined[15, 20].tolist() == [100] * 3
    assert lined[0, 0].tolist() == [100] * 3
    assert (pixels == 100).all()


def test_large_frames_are_made_small_and_keep_their_shape() -> None:
    class Large(GreyVideo):
        def read(self, indices):  # type: ignore[no-untyped-def]
            return np.zeros((1, 720, 1280, 3), np.uint8), np.ones(1, bool)

        def truth(self, target):  # type: ignore[no-untyped-def]
            return np.ones((1, 720, 1280), bool)

    class Everything(ShiftedMasks):
        def masks_at(self, video, target):  # type: ignore[no-untyped-def]
            found = super().masks_at(video, target)
            return type(found)(np.ones((1, 720, 1280), bool), found.confidences)

    video = Large("clip00", "all of it")
    sample = draw_samples([row_of("clip00", "all of it", 0)], set_of([video]), Everything(SHIFTS))[0]
    assert (sample.found.width, sample.found.height) == (480, 270)


def test_samples_are_the_best_the_middling_and_the_worst(rows: list[SampleRow]) -> None:
    picked = pick(rows, scorer_of(Rules()))
    assert {row.video for row in picked["best"]} == {f"clip{number:02}" for number in range(4)}
    assert {row.video for row in picked["worst"]} == {f"clip{number:02}" for number in range(16, 20)}
    # Evenly about the median IoU, which lies between the ninth and the tenth column.
    assert {row.video for row in picked["middling"]} == {"clip08", "clip09", "clip10", "clip11"}
    assert pick(list(rows), scorer_of(Rules())) == picked


def test_samples_are_of_different_videos_where_there_are_enough() -> None:
    rows = [row_of(f"clip{number // 5}", "a", number % 2) for number in range(30)]
    for chosen in pick(rows, scorer_of(Rules())).values():
        assert len({row.video for row in chosen}) == 4
    few = [row_of("one", "a", shift, key=str(shift)) for shift in range(6)]
    picked = pick(few, scorer_of(Rules()))
    assert [len(picked[kind]) for kind in ("best", "worst")] == [4, 2]
    assert "middling" not in picked
    assert pick([row_of("one", "a", 0, truth_area=0)], scorer_of(Rules())) == {}


def test_an_empty_mask_is_said_to_be_empty(videos: list[GreyVideo], rows: list[SampleRow]) -> None:
    beyond = ShiftedMasks({**SHIFTS, "clip01": WIDTH})
    drawn = draw_samples(rows[:2], set_of(videos), beyond)
    assert [sample.nothing for sample in drawn] == [False, True]


def test_without_public_truth_there_are_predictions_alone(tmp_path: Path) -> None:
    videos = [GreyVideo(name, "a dog", public=False) for name in SHIFTS]
    evaluation = evaluation_of([], {}, name="refytvos", split="valid", rules=Rules(measure="contour"))
    path = write_report(evaluation, set_of(videos, public=False), ShiftedMasks(SHIFTS), tmp_path)
    page = Page(path.read_text(encoding="utf-8"))
    assert "not public" in page.text
    assert len(page.all("img")) == 12
    assert "what was meant" not in page.text
    assert not page.all("svg")


def test_contour_sets_show_each_object(videos: list[GreyVideo], rows: list[SampleRow], tmp_path: Path) -> None:
    rules = Rules(measure="contour")
    measured = [
        row_of(row.video, row.text, SHIFTS[row.video], j=row.iou, f=1 - number / 40) for number, row in enumerate(rows)
    ]
    scores = summarise(measured, rules)
    evaluation = evaluation_of(measured, scores, name="davis17", split="val", protocol="full-video", rules=rules)
    path = write_report(evaluation, set_of(videos), ShiftedMasks(SHIFTS), tmp_path)
    page = Page(path.read_text(encoding="utf-8"))
    assert "J&F of each object" in page.text
    assert "clip07 · 1" in page.text
    assert "47.9" in page.text  # HINet's
    assert "J 1.00 · F 1.00" in page.text
    assert "How the IoU is spread" not in page.text


def test_objects_are_means_over_frames_expressions_and_runs() -> None:
    rows = [
        row_of("a", "x", 0, j=1.0, f=0.5),
        row_of("a", "y", 0, j=0.0, f=0.5, run="2", key="7"),
        row_of("b", "x", 0, j=0.8, f=1.0, instance=None),
    ]
    made = by_object(rows, scorer_of(Rules(measure="contour")))
    assert [(bar.label, bar.value, bar.count) for bar in made] == [("b · 0", 0.9, 1), ("a · 1", 0.5, 2)]


def test_an_older_report_is_replaced_but_nothing_else(
    evaluation: Evaluation, videos: list[GreyVideo], tmp_path: Path
) -> None:
    source, split = ShiftedMasks(SHIFTS), set_of(videos)
    first = write_report(evaluation, split, source, tmp_path / "report").read_text(encoding="utf-8")
    (tmp_path / "report" / "index.html").write_text(first.replace("HINet", "gone"), encoding="utf-8")
    assert write_report(evaluation, split, source, tmp_path / "report").read_text(encoding="utf-8") == first
    (tmp_path / "index.html").write_text("<h1>Mine</h1>")
    with pytest.raises(OutputExistsError, match=r"is not a report of refvid, so it is not replaced"):
        write_report(evaluation, split, source, tmp_path)
    with pytest.raises(UsageError, match="goes into a folder"):
        check_report(tmp_path / "index.html")
    with pytest.raises(UsageError, match=r"index\.html is a file"):
        check_report(tmp_path / "index.html" / "report" / "today")
    check_report(tmp_path / "new" / "report")
    assert not (tmp_path / "new").exists()
    assert (tmp_path / "index.html").read_text() == "<h1>Mine</h1>"


def test_a_folder_that_may_not_be_written_to_is_said_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(RefvidError, match=f"no permission to write to {tmp_path}"):
        check_report(tmp_path / "report")


def test_a_failure_leaves_nothing_behind(
    evaluation: Evaluation, videos: list[GreyVideo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(ShiftedMasks):
        def masks_at(self, video, target):  # type: ignore[no-untyped-def]
            raise RefvidError("the mask is gone")

    with pytest.raises(RefvidError, match="the mask is gone"):
        write_report(evaluation, set_of(videos), Broken(SHIFTS), tmp_path / "report")
    assert not (tmp_path / "report").exists()

    def full(self: Path, text: str, encoding: str) -> None:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(RefvidError, match=r"cannot write .*index\.html: no space left"):
        write_report(evaluation, set_of(videos), ShiftedMasks(SHIFTS), tmp_path / "report")
    assert list((tmp_path / "report").iterdir()) == []


def test_summary_names_the_result_and_the_most_common_failure(evaluation: Evaluation) -> None:
    summary = summary_of(evaluation).replace("\N{NO-BREAK SPACE}", " ")
    right = sum(row.iou > 0.5 for row in evaluation.rows)
    assert f"20 samples from 20 videos, {100 * right / 20:.1f} % are more than half right" in summary
    assert "a part of the object is missed" in summary


def test_outcomes_tell_failures_apart() -> None:
    def sample(truth: int, found: int, both: int) -> SampleRow:
        union = truth + found - both
        iou = both / union if union else 1.0
        return row_of("a", "x", 0, truth_area=truth, predicted_area=found, intersection=both, union=union, iou=iou)

    cases = {
        "found": sample(100, 110, 90),
        "only a part of it": sample(100, 40, 40),
        "leaked beyond it": sample(100, 300, 100),
        "something else marked": sample(100, 100, 3),
        "nothing found": sample(100, 0, 0),
        "rightly nothing": sample(0, 0, 0),
        "marked though absent": sample(0, 50, 0),
    }
    for name, row in cases.items():
        assert {part.label: part.count for part in outcomes([row]) if part.count} == {name: 1}
    # All of a small object and much around it: an IoU below 0.1, and yet not something else.
    assert next(part.label for part in outcomes([sample(10, 500, 10)]) if part.count) == "leaked beyond it"


@pytest.mark.parametrize(
    ("text", "kinds", "actor"),
    [
        ("man in red walking on the left", {"colour or pattern", "action", "position or relation"}, "adult or youth"),
        ("The Small Dog", {"size"}, "animal"),
        ("a girl's striped T-shirt", {"colour or pattern", "clothing"}, None),
        ("ball rolls", {"action"}, "ball"),
        ("car parked on top of a building", {"action", "position or relation"}, "vehicle"),
        ("something", set(), None),
        ("toddler", set(), "baby or child"),
        ("", set(), None),
    ],
)
def test_words_say_what_an_expression_is_about(text: str, kinds: set[str], actor: str | None) -> None:
    assert kinds_of(text) == kinds
    assert actor_of(text) == actor


def test_groups_hold_their_samples() -> None:
    score = scorer_of(Rules())
    rows = [row_of(f"v{n}", " ".join("x" * n), 0) for n in (1, 2, 3, 7, 11, 30)]
    lengths = {bar.label: bar.count for bar in by_length(rows, score)}
    assert lengths == {"1 – 2 words": 2, "3 – 4 words": 1, "7 – 8 words": 1, "11 or more words": 2}
    areas = (0, 1, 1023, 1024, 160**2)
    sizes = {bar.label: bar.count for bar in by_size([row_of("v", "x", 0, truth_area=a) for a in areas], score)}
    assert sizes == {"not in the frame": 1, "under 32² pixels": 2, "32² – 64² pixels": 1, "from 160² pixels": 1}


def test_empty_samples_count_as_the_protocol_says() -> None:
    both_empty = row_of("a", "x", 0, union=0, intersection=0, iou=1.0, truth_area=0, predicted_area=0)
    assert [scorer_of(Rules(empty=rule))(both_empty) for rule in ("one", "zero", "skip")] == [1.0, 0.0, None]
    assert scorer_of(Rules(empty="skip"))(row_of("a", "x", 10)) == pytest.approx(1 / 3)


def test_intervals_hold_the_mean_and_know_that_samples_of_a_video_are_alike() -> None:
    generator = np.random.default_rng(3)
    of_video = generator.random(40)
    values = np.repeat(of_video, 25)
    names = np.repeat([f"v{n}" for n in range(40)], 25).tolist()
    low, high = bootstrap_interval(names, values) or (1.0, 0.0)
    assert low < values.mean() < high
    # The standard error of a mean of 40 videos, not of 1,000 samples.
    assert high - low == pytest.approx(2 * 1.96 * of_video.std() / np.sqrt(40), rel=0.15)
    assert bootstrap_interval(names, values) == (low, high)
    assert bootstrap_interval(names[:100], values[:100]) is None


def test_charts_are_sound_drawings_with_their_figures() -> None:
    drawn = [
        histogram("a", "IoU <b>", [0.0, 0.04, 0.5, 1.0], 0.385),
        curves(
            "b",
            "P",
            "K",
            [Series("ours", ((0.5, 0.6), (0.95, 0.0)), strong=True), Series("x & y", ((0.5, 0.4), (0.9, 0.1)))],
        ),
        bars("c", "by", "IoU", [Bar("long <label> that does not fit in", 0.4, 12, (0.3, 0.5)), Bar("none", 0.0, 1)]),
        parts("d", "all", [Slice("found", 3, 1), Slice("not", 0, 2), Slice("else", 1, 3)]),
    ]
    for chart in drawn:
        root = ElementTree.fromstring(str(chart.svg))
        assert root.attrib["role"] == "img"
        assert [child.tag for child in root][:2] == ["title", "desc"]
        _, _, width, height = (float(part) for part in root.attrib["viewBox"].split())
        for element in root.iter():
            for name, most in (
                ("x", width),
                ("x1", width),
                ("x2", width),
                ("cx", width),
                ("y", height),
                ("y1", height),
            ):
                assert -0.5 <= float(element.attrib.get(name, 0)) <= most + 0.5
        assert all(len(row) == len(chart.head) for row in chart.rows)
    assert [row[1] for row in drawn[0].rows if row[1] != "0"] == ["2", "1", "1"]
    assert drawn[1].rows == (("ours", "60.0 %", "-", "0.0 %"), ("x & y", "40.0 %", "10.0 %", "-"))
    assert drawn[2].rows[0][1:] == ("12", "40.0 %", "30.0 – 50.0 %")
    assert drawn[3].rows == (("found", "3", "75.0 %"), ("not", "0", "0.0 %"), ("else", "1", "25.0 %"))


def test_bars_are_as_long_as_their_values() -> None:
    chart = bars("c", "by", "IoU", [Bar("half", 0.5, 1), Bar("quarter", 0.25, 1)])
    rectangles = [element for element in ElementTree.fromstring(str(chart.svg)) if element.tag == "rect"]
    long, short = (float(rectangle.attrib["width"]) for rectangle in rectangles)
    assert long == pytest.approx(2 * short, abs=0.2)
