"""Section 2 of `run.py`: frames per second of each stage and of the whole."""

import importlib.util
import statistics
import time
from collections.abc import Sequence

from benchmarks.profile_stages import Runner
from benchmarks.run_gpu import gpu_rows
from benchmarks.run_measure import PARK, Goal, Row, Section, Settings, duration
from benchmarks.run_network import EXPRESSION, FrameNetwork, full_model, read_frames
from refvid.inference.options import SegmentOptions
from refvid.inference.segmenter import Segmenter
from refvid.inference.video import open_output, segment_video
from refvid.video.frame import Position
from refvid.video.output_format import OutputFormat
from refvid.video.reader import open_reader
from refvid.weights import DEFAULT_MODEL, LoadedModel, load_model

WHOLE_GOAL = Goal("over", 30)  # refvid-tiny, 640x360 H.264 in, overlay out, two cores, one expression
FULL_FRAMES = 2  # on a CPU, where a frame takes seconds
UNIT = "frames/s"
LABELS = {
    "decode": "decode",
    "resize": "resize to the network's input",
    "trunk": "network: trunk",
    "CFSA": "network: CFSA",
    "heads": "network: heads (CMSA, fusion)",
    "network": "network: all",
    "masks": "masks to full size",
    "write": "drawing and encoding",
}


def stages(settings: Settings) -> Section:
    """Measure the stages of the model that ships, those of the full model if requested, and the goals for the GPU."""
    section = Section("stages", f"Stages, {PARK.name}, one expression")
    model = load_model(settings.model, device=str(settings.device))
    section.rows += _stage_rows(settings, model)
    section.rows += [_whole(settings, model), _refined(settings, model)]
    if settings.full and settings.device.type == "cpu":
        section.rows += _full_rows(settings)
    section.rows += gpu_rows(settings)
    section.notes = [
        "Each stage alone on what the stage before it has made, medians or the quickest round; the whole from file to "
        "file by `refvid.segment_video`, the model loaded beforehand, overlay out. Its goal is set for two idle "
        f"cores; here {settings.threads} thread(s) of PyTorch.",
        "CFSA in the middle of a video. Of a rate of 1/a and one of 1/b, one after the other gives 1/(a + b).",
    ]
    return section


def segment_options(frames: int, *, refine: bool = False) -> SegmentOptions:
    """Return the options of a run from file to file over the first frames."""
    return SegmentOptions(end=Position(frame=frames), overwrite=True, refine=refine)


def file_to_file(
    settings: Settings, model: LoadedModel, expressions: Sequence[str], frames: int, *, refine: bool = False
) -> tuple[float, dict[str, float]]:
    """Segment the first frames of the example; return the total seconds and the busy seconds of each stage."""
    output = settings.work / f"{model.name}.mp4"
    began = time.perf_counter()
    report = segment_video(PARK, expressions, output, model=model, options=segment_options(frames, refine=refine))
    return time.perf_counter() - began, report.timings


def _stage_rows(settings: Settings, model: LoadedModel) -> list[Row]:
    taken = _outer_stages(settings, model) | _network_stages(settings, model)
    taken["network"] = taken["trunk"] + taken["CFSA"] + taken["heads"]
    gflop = gflop_a_frame(settings) if settings.device.type == "cpu" else None
    rows = []
    for stage, label in LABELS.items():
        beside = f"{taken[stage] * 1e3:.2f} ms a frame"
        if stage == "network" and gflop is not None:
            beside += f", {gflop:.2f} GFLOP, {gflop / taken[stage]:.0f} GFLOP/s"
        rows.append(Row(f"{model.name}, {label}", 1 / taken[stage], UNIT, beside, None, {"seconds": taken[stage]}))
    return rows


def _outer_stages(settings: Settings, model: LoadedModel) -> dict[str, float]:
    """Return the seconds per frame of each stage around the network, in the quickest round."""
    sizes, segmenter = settings.sizes, Segmenter(model, refine=False)
    options, output = segment_options(sizes.frames), settings.work / "stages.mp4"
    times: dict[str, list[float]] = {}
    for _ in range(sizes.rounds):
        with open_reader(PARK, end=options.stop) as reader:
            began = time.perf_counter()
            frames = [(frame, frame.pixels) for frame in reader]
            times.setdefault("decode", []).append(time.perf_counter() - began)
            began = time.perf_counter()
            for _ in segmenter.prepare(frames):
                pass
            times.setdefault("resize", []).append(time.perf_counter() - began)
            segmented = list(segmenter.run(frames, [EXPRESSION]))
            began = time.perf_counter()
            with open_output(reader, [EXPRESSION], output, OutputFormat.OVERLAY, options) as writer:
                for each in segmented:
                    writer.write(each.item, each.masks)
            times.setdefault("write", []).append(time.perf_counter() - began)
    return {stage: min(rounds) / sizes.frames for stage, rounds in times.items()}


def _refined(settings: Settings, model: LoadedModel) -> Row:
    """Measure the whole with refinement as the difference between two lengths.

    Its processes take seconds to start, which cancels out.
    """
    label, (few, many) = f"{model.name}, file to file, refined (DenseCRF)", settings.sizes.refined_frames
    if importlib.util.find_spec("pydensecrf") is None:
        return Row(label, None, UNIT, "not measured: pydensecrf is not installed (pip install 'refvid[crf]')")
    short, long = (file_to_file(settings, model, [EXPRESSION], frames, refine=True)[0] for frames in (few, many))
    took = (long - short) / (many - few)
    beside = f"{many} frames in {long:.1f} s, {few} in {short:.1f} s: {took * 1e3:.1f} ms for each more"
    return Row(label, 1 / took, UNIT, beside, None, {"seconds": took})


def _network_stages(settings: Settings, model: LoadedModel, *, fill: bool = True) -> dict[str, float]:
    """Return the median seconds per frame of the network's stages and of the masks."""
    network = FrameNetwork(model, read_frames(), [EXPRESSION], fill=fill)
    each = [network.stage_seconds() for _ in range(settings.sizes.rounds * settings.sizes.network_frames)]
    return {stage: statistics.median(frame[stage] for frame in each) for stage in each[0]}


def gflop_a_frame(settings: Settings) -> float:
    """Return the GFLOP of one frame through the network, counting a multiplication and an addition as two."""
    runner = Runner(settings.model, folded=True, size=(640, 360), watched=False)
    runner.warm_up()
    return runner.count()["whole frame"]


def _whole(settings: Settings, model: LoadedModel) -> Row:
    sizes = settings.sizes
    file_to_file(settings, model, [EXPRESSION], min(12, sizes.frames))
    runs = [file_to_file(settings, model, [EXPRESSION], sizes.frames) for _ in range(sizes.rounds)]
    took = statistics.median(seconds for seconds, _ in runs)
    rates = ", ".join(f"{sizes.frames / seconds:.1f}" for seconds, _ in runs)
    return Row(
        f"{model.name}, file to file",
        sizes.frames / took,
        UNIT,
        f"{sizes.frames} frames, rounds {rates}",
        WHOLE_GOAL if model.name == DEFAULT_MODEL else None,
        {"seconds": [seconds for seconds, _ in runs], "busy": [busy for _, busy in runs]},
    )


def _full_rows(settings: Settings) -> list[Row]:
    """Measure the full-size network on a CPU with a couple of frames, so that CFSA has a window of two."""
    model = full_model(settings.device)
    network = FrameNetwork(model, read_frames(FULL_FRAMES), [EXPRESSION], fill=False)
    first = [network.stage_seconds() for _ in range(FULL_FRAMES)]
    network.flush()
    network.masks(network.segment())  # once, to fill the caches that last from frame to frame
    last = network.stage_seconds()
    taken = {"trunk": last["trunk"], "heads": last.get("heads"), "masks": last.get("masks")}
    rows = [
        Row(f"{model.name}, {LABELS[stage]}", 1 / took, UNIT, f"{duration(took)} a frame", None, {"seconds": took})
        for stage, took in taken.items()
        if took is not None
    ]
    took, busy = file_to_file(settings, model, [EXPRESSION], FULL_FRAMES)
    beside = f"{FULL_FRAMES} frames at 320 x 320, random weights; CFSA with a window of {FULL_FRAMES}"
    details = {"seconds": took, "busy": busy, "cross_frame_seconds": first[-1]["CFSA"]}
    rows.append(Row(f"{model.name}, file to file", FULL_FRAMES / took, UNIT, beside, None, details))
    return rows
