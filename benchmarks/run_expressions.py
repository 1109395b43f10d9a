"""Section 4 of `run.py`: time and memory by number of expressions, number of words, and input size of the network."""

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence

from benchmarks.memory import measure
from benchmarks.run_measure import PARK, Goal, Row, Section, Settings, in_turns, medians, plural
from benchmarks.run_network import FrameNetwork, read_frames, with_longest_side
from benchmarks.run_stages import UNIT, file_to_file
from refvid.inference.segmenter import Segmenter
from refvid.weights import LoadedModel, load_model

MOST = 8
EXPRESSIONS = (
    "man in yellow shirt", "woman in blue jeans", "the dog", "red car", "person on the left", "black bag",
    "the child", "white ball",
)  # fmt: skip
COUNT_GOAL = Goal("under", 2)  # time of 8 expressions relative to one


def expressions(settings: Settings) -> Section:
    """Measure the network, and the whole from file to file, for several numbers of expressions, words and sizes."""
    section = Section("expressions", "Expressions, words, and the size of the input")
    model = load_model(settings.model, device=str(settings.device))
    section.rows += _network_rows(settings, model)
    section.rows += _whole_rows(settings, model)
    section.rows += _memory_rows(settings)
    section.rows += _word_rows(settings, model)
    section.rows += _size_rows(settings, model)
    section.notes = [
        "Ratios to the first row of each kind, in turns in one run. Network: a frame in the middle of a video through "
        f"trunk, CFSA and heads. File to file: {PARK.name} in, overlay of all expressions with its legend out. Memory: "
        "the peak of a process of its own.",
    ]
    return section


def _times(
    settings: Settings, networks: Mapping[int, FrameNetwork]
) -> tuple[dict[int, float], dict[int, dict[str, float]]]:
    """Return the median seconds of a frame through each network and of its stages, measured alternately."""
    sizes = settings.sizes
    works = {str(key): network.network_step for key, network in networks.items()}
    whole = medians(in_turns(works, sizes.rounds * sizes.network_frames, settings.device))
    apart: dict[int, list[dict[str, float]]] = defaultdict(list)
    for _ in range(sizes.network_frames):
        for key, network in networks.items():
            apart[key].append(network.stage_seconds())
    stages = {key: {name: statistics.median(each[name] for each in found) for name in found[0]}
              for key, found in apart.items()}  # fmt: skip
    return {key: whole[str(key)] for key in networks}, stages


def _rows(
    kind: str, labels: Mapping[int, str], taken: Mapping[int, float], stages: Mapping[int, dict[str, float]]
) -> list[Row]:
    """Return a row for each setting, relative to the first."""
    first = taken[next(iter(labels))]
    rows = []
    for key, label in labels.items():
        parts = ", ".join(f"{name} {1e3 * took:.1f}" for name, took in stages[key].items())
        beside = f"{1e3 * taken[key]:.1f} ms a frame, {1 / taken[key]:.1f} {UNIT} (ms: {parts})"
        goal = COUNT_GOAL if kind.startswith("expressions") and key == MOST else None
        details = {"seconds": taken[key], "stages": stages[key]}
        rows.append(Row(f"{kind}: {label}", taken[key] / first, "times", beside, goal, details))
    return rows


def _network_rows(settings: Settings, model: LoadedModel) -> list[Row]:
    frames = read_frames()
    networks = {count: FrameNetwork(model, frames, EXPRESSIONS[:count]) for count in settings.sizes.counts}
    labels = {count: plural(count, "expression") for count in networks}
    return _rows("expressions, network", labels, *_times(settings, networks))


def _whole_rows(settings: Settings, model: LoadedModel) -> list[Row]:
    sizes = settings.sizes
    taken: dict[int, list[float]] = defaultdict(list)
    stages: dict[int, dict[str, float]] = {}
    for turn in range(sizes.rounds + 1):
        for count in sizes.counts:
            took, busy = file_to_file(settings, model, EXPRESSIONS[:count], sizes.frames if turn else 12)
            if turn:  # the first is short and warms up
                taken[count].append(took / sizes.frames)
                stages[count] = {name: each / sizes.frames for name, each in busy.items() if each and name != "load"}
    labels = {count: plural(count, "expression") for count in sizes.counts}
    return _rows("expressions, file to file", labels, {c: statistics.median(each) for c, each in taken.items()}, stages)


def _memory_rows(settings: Settings) -> list[Row]:
    """Measure the lowest and the highest number of expressions."""
    counts: Sequence[int] = sorted({settings.sizes.counts[0], settings.sizes.counts[-1]})
    on_gpu = settings.device.type == "cuda"
    rows: list[Row] = []
    for count in counts:
        found = measure(PARK, EXPRESSIONS[:count], model=settings.model, device=str(settings.device),
                        frames=settings.sizes.frames, threads=settings.threads)  # fmt: skip
        gpu = f"; {found['allocated'] / 2**20:.0f} MiB on the GPU" if on_gpu else ""
        beside = f"{found['frames']} frames from file to file{gpu}"
        label = f"expressions, memory: {plural(count, 'expression')}"
        rows.append(Row(label, found["resident"] / 2**20, "MiB", beside, None, found))
    return rows


def _word_rows(settings: Settings, model: LoadedModel) -> list[Row]:
    """Measure expressions of several lengths, made of the first words of the model's vocabulary."""
    vocabulary, frames = model.config.vocabulary, read_frames()
    counts = [count for count in settings.sizes.word_counts if count <= min(len(vocabulary), model.config.max_words)]
    networks = {count: FrameNetwork(model, frames, [" ".join(vocabulary[:count])]) for count in counts}
    labels = {count: plural(count, "word") for count in counts}
    return _rows("words, network", labels, *_times(settings, networks))


def _size_rows(settings: Settings, model: LoadedModel) -> list[Row]:
    """Measure inputs of several sizes, the model's own first."""
    frames = read_frames()
    height, width = frames[0].shape[:2]
    resized = {side: with_longest_side(model, side, height, width) for side in settings.sizes.longest_sides}
    networks = {0: FrameNetwork(model, frames, EXPRESSIONS[:1])}
    networks |= {side: FrameNetwork(other, frames, EXPRESSIONS[:1]) for side, other in resized.items()}
    canvases = {side: Segmenter(resized.get(side, model)).letterbox(frames[0]).canvas for side in networks}
    labels = {side: f"{canvas[1]} x {canvas[0]}" for side, canvas in canvases.items()}
    labels[0] += ", the model's own"
    return _rows("input, network", labels, *_times(settings, networks))
