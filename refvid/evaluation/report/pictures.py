"""Pictures of evaluated samples: the ground truth beside the prediction."""

import base64
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from refvid.data.referring import ReferringSet, ReferringVideo, Target
from refvid.evaluation.report.breakdown import Scorer
from refvid.evaluation.scoring import SampleRow
from refvid.evaluation.sources import MaskSource
from refvid.video.frame import Pixels

TRUTH_COLOUR = (255, 150, 20)  # orange and sky blue, distinguishable with every common colour blindness
FOUND_COLOUR = (48, 178, 255)
EACH = 4  # pictures per gallery

_MAX_WIDTH_SHARE = 480  # pixels: two side by side fill the page, and a page stays below about 1 MB
_TINT = 0.5
_RIM = 0.55  # darkness of the outline's outer rim, so that it shows on footage of its own colour
_QUALITY = 80

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Picture:
    """A picture embedded in a page.

    Attributes:
        address: Data URI.
        width: Width in pixels.
        height: Height in pixels.
        words: Alternative text.
    """

    address: str
    width: int
    height: int
    words: str


@dataclass(frozen=True)
class ReportSample:
    """A sample as shown in the report.

    Attributes:
        text: Text of the expression.
        video: Name of the video.
        frame: Name of the frame.
        row: Scores of the sample; None without ground truth.
        truth: The frame with the ground truth outlined; None without ground truth.
        found: The frame with the predicted mask.
        nothing: Whether the predicted mask is empty.
    """

    text: str
    video: str
    frame: str
    row: SampleRow | None
    truth: Picture | None
    found: Picture
    nothing: bool


def pick(rows: Sequence[SampleRow], score: Scorer) -> dict[str, list[SampleRow]]:
    """Pick the best, the middling and the worst samples, preferably from different videos.

    Samples without an object in the frame are left out, since they have little to show. Ties are broken at random, but
    identically in every run.
    """
    order = np.random.default_rng(0).permutation(len(rows))
    scored = [
        (value, rows[place]) for place in order if rows[place].truth_area and (value := score(rows[place])) is not None
    ]
    if not scored:
        return {}
    median = float(np.median([value for value, _ in scored]))
    by: dict[str, Callable[[tuple[float, SampleRow]], float]] = {
        "best": lambda one: -one[0],
        "middling": lambda one: abs(one[0] - median),
        "worst": lambda one: one[0],
    }
    picked: dict[str, list[SampleRow]] = {"best": [], "worst": [], "middling": []}
    taken: set[int] = set()
    for kind, chosen in picked.items():
        candidates = [row for _, row in sorted(scored, key=by[kind]) if id(row) not in taken]
        chosen.extend(_of_different_videos(candidates))
        taken.update(id(row) for row in chosen)
    return {kind: picked[kind] for kind in by if picked[kind]}


def _of_different_videos(rows: Sequence[SampleRow]) -> list[SampleRow]:
    first: dict[str, SampleRow] = {}
    for row in rows:
        first.setdefault(row.video, row)
        if len(first) == EACH:
            break
    chosen = list(first.values())
    others = (row for row in rows if all(row is not one for one in chosen))
    return [*chosen, *(row for row, _ in zip(others, range(EACH - len(chosen)), strict=False))]


def draw_samples(rows: Iterable[SampleRow], referring_set: ReferringSet, source: MaskSource) -> list[ReportSample]:
    """Draw samples together with their ground truth.

    Args:
        rows: Scores of the samples to draw.
        referring_set: The split that the samples belong to.
        source: Source of the evaluated masks.

    Raises:
        RefvidError: The footage, the ground truth or a stored mask cannot be read.
    """
    videos = {video.name: video for video in referring_set.videos}
    samples = []
    for row in rows:
        video = videos[row.video]
        target = next(target for target in video.targets if target.name == row.frame)
        which = next(index for index, one in enumerate(video.expressions) if (one.key, one.run) == (row.key, row.run))
        matched = referring_set.rules.matching == "hungarian"
        samples.append(_draw(video, target, target.counting.index(which), source, row, matched))
    return samples


def draw_unjudged(referring_set: ReferringSet, source: MaskSource) -> list[ReportSample]:
    """Draw samples of a split without public ground truth: one expression each of videos spread evenly over the split.

    Raises:
        RefvidError: The footage or a stored mask cannot be read.
    """
    videos = referring_set.videos
    count = min(3 * EACH, len(videos))
    spread = [videos[place * len(videos) // count] for place in range(count)]
    return [_draw(video, video.targets[len(video.targets) // 2], 0, source, None) for video in spread]


def _draw(
    video: ReferringVideo,
    target: Target,
    place: int,
    source: MaskSource,
    row: SampleRow | None,
    matched: bool = False,
) -> ReportSample:
    frame = video.read([target.index])[0][0]
    masks = source.masks_at(video, target).masks
    every_truth = video.truth(target)
    true = None if every_truth is None else every_truth[place]
    found = masks[place]
    if matched and true is not None and row is not None:
        found = _given(masks, true, video.void(target), row)
    text = video.expressions[target.counting[place]].text
    where = f"frame {target.name} of {video.name}"
    shown = Image.fromarray(frame)
    size = shown.size
    if shown.width > _MAX_WIDTH_SHARE:
        size = (_MAX_WIDTH_SHARE, max(round(shown.height * _MAX_WIDTH_SHARE / shown.width), 1))
    small = np.asarray(shown.resize(size, Image.Resampling.LANCZOS))
    truth = None if true is None else _shrink(true, size)
    left = None if truth is None else _picture(outline(small, truth, TRUTH_COLOUR), f"What was meant, {where}")
    right = tint(small, _shrink(found, size), FOUND_COLOUR)
    if truth is not None:
        right = outline(right, truth, TRUTH_COLOUR)
    picture = _picture(right, f"What was found, {where}")
    return ReportSample(text, video.name, target.name, row, left, picture, not found.any())


def _given(masks: Mask, truth: Mask, void: Mask | None, row: SampleRow) -> Mask:
    """Return the mask [H, W] that was matched to an object, identified by the pixel counts in its row."""
    counts = np.ones(truth.shape, np.bool_) if void is None else ~void
    areas = np.count_nonzero(masks & counts, axis=(1, 2))
    shared = np.count_nonzero(masks & truth & counts, axis=(1, 2))
    return np.asarray(masks[np.argmin(abs(areas - row.predicted_area) + abs(shared - row.intersection))])


def tint(pixels: Pixels, mask: Mask, colour: tuple[int, int, int]) -> Pixels:
    """Blend a colour into the pixels of uint8 [H, W, 3] that are set in bool [H, W].

    Pixels on the edge of the mask take the pure colour; otherwise the tint would be invisible on footage of that
    colour.
    """
    mixed = ((1 - _TINT) * pixels + _TINT * np.array(colour)).round().astype(np.uint8)
    image = Image.fromarray(mask.astype(np.uint8) * np.uint8(255))
    edge = mask & (np.asarray(image.filter(ImageFilter.MinFilter(3))) == 0)
    return np.where(edge[..., None], np.array(colour, np.uint8), np.where(mask[..., None], mixed, pixels))


def outline(pixels: Pixels, mask: Mask, colour: tuple[int, int, int]) -> Pixels:
    """Draw a two-pixel line with a dark outer rim around a mask.

    Args:
        pixels: Frame, uint8 [H, W, 3].
        mask: bool [H, W].
        colour: RGB colour of the line.
    """
    image = Image.fromarray(mask.astype(np.uint8) * np.uint8(255))
    inner, near, far = (
        np.asarray(image.filter(ImageFilter.MinFilter(3))) > 0,
        np.asarray(image.filter(ImageFilter.MaxFilter(3))) > 0,
        np.asarray(image.filter(ImageFilter.MaxFilter(5))) > 0,
    )
    drawn = np.where((far & ~near)[..., None], ((1 - _RIM) * pixels).astype(np.uint8), pixels)
    return np.where((near & ~inner)[..., None], np.array(colour, np.uint8), drawn)


def _shrink(mask: Mask, size: tuple[int, int]) -> Mask:
    """Resize a mask bool [H, W] to (width, height); a pixel is set if at least half of the area it covers was set."""
    image = Image.fromarray(mask.astype(np.uint8) * np.uint8(255))
    return np.asarray(image.resize(size, Image.Resampling.BOX)) >= 128


def _picture(pixels: Pixels, words: str) -> Picture:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", quality=_QUALITY)
    address = "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii")
    return Picture(address, pixels.shape[1], pixels.shape[0], words)
