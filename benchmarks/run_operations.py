"""Section 1 of `run.py`: the paper's two operations, as written and as refvid computes them."""

from benchmarks.attention import EMBEDDING, FUSION, RADIUS, compare_cross_frame, compare_cross_modal
from benchmarks.run_measure import Goal, Row, Section, Settings, duration, plural

# Goals as ratios: for CMSA at the paper's size by number of words, and for CFSA at any size.
CROSS_MODAL_GOALS = {7: Goal("over", 40), 20: Goal("over", 250)}
PAPER_GRID, PAPER_CHANNELS = 40, 512
STREAM_GOAL = Goal("over", 4)


def operations(settings: Settings) -> Section:
    """Measure CMSA at several numbers of words, and streamed CFSA."""
    sizes = settings.sizes
    section = Section("operations", "Operations against the literal formulas")
    at_papers_size = (sizes.grid, sizes.channels) == (PAPER_GRID, PAPER_CHANNELS)
    for length in sizes.words:
        section.rows.append(_cross_modal(settings, length, CROSS_MODAL_GOALS.get(length) if at_papers_size else None))
    for grid, channels, visual_channels in sizes.cross_frame:
        found = compare_cross_frame(grid, channels, visual_channels, settings.device, budget=sizes.budget)
        library = f", {duration(found['clip by clip, oneDNN'])} by oneDNN" if "clip by clip, oneDNN" in found else ""
        section.rows.append(
            Row(
                f"CFSA streamed, {grid} x {grid}, {channels}-D",
                found["ratio"],
                "times",
                f"{duration(found['clip by clip'])} clip by clip{library}; {duration(found['streamed'])} streamed, "
                f"error {found['error']:.1e}",
                STREAM_GOAL,
                found,
            )
        )
    section.notes = _notes(settings)
    return section


def _cross_modal(settings: Settings, length: int, goal: Goal | None) -> Row:
    sizes = settings.sizes
    found = compare_cross_modal(length, sizes.grid, sizes.channels, settings.device, budget=sizes.budget)
    library = f", {duration(found['literal, oneDNN'])} by oneDNN" if "literal, oneDNN" in found else ""
    return Row(
        f"CMSA, {plural(length, 'word')}, {sizes.grid} x {sizes.grid}, {sizes.channels}-D",
        found["ratio"],
        "times",
        f"{duration(found['literal'])} as written{library}; {duration(found['factorised'])} as trained, "
        f"{duration(found['inference'])} in inference, error {found['error']:.1e}",
        goal,
        found,
    )


def _notes(settings: Settings) -> list[str]:
    notes = [
        f"CMSA: from a level's features and {EMBEDDING}-D words to the {FUSION} channels that gated fusion takes, all "
        "ways with the same weights and the same result. The value is the formulas as written (PyTorch's own "
        "products) against what `refvid segment` runs. The error is the largest difference over the largest value.",
        f"CFSA: a frame in the middle of a video, tau = {RADIUS}: its clip computed alone against the stream.",
    ]
    if settings.device.type == "cpu":
        notes.append(
            "`refvid segment` takes its products from oneDNN and has the linear maps joined "
            "(refvid/model/fast/folding.py). "
            "'By oneDNN' are the formulas with the same products: the rest of the ratio is the factorisation's, or the "
            "stream's."
        )
    return notes
