"""The goals of the full-size network, which need a GPU; nothing here runs without one."""

import statistics
import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.memory import write_clip
from benchmarks.run_measure import NO_GPU, Goal, Row, Settings, seconds
from benchmarks.run_network import EXPRESSION, FrameNetwork, full_model, read_frames
from refvid.inference.options import SegmentOptions
from refvid.inference.video import segment_video
from refvid.weights import LoadedModel

SIDE = 320  # side of the video and of the network's input in pixels
WHOLE_GOAL = Goal("over", 200)
NETWORK_GOAL = Goal("at most", 2)
CLIP_FRAMES, NETWORK_FRAMES = 600, 50
MATRIX_SIDE, MATRIX_ROUNDS = 8192, 30
WHOLE = f"cmsa-deeplab101, file to file, {SIDE} x {SIDE}, bfloat16, on a GPU"
NETWORK = "cmsa-deeplab101, network against its FLOPs at the rate of a matrix product, bfloat16, on a GPU"


def gpu_rows(settings: Settings) -> list[Row]:
    """Return the rows of the full-size network on the GPU, or rows that say why they were not measured."""
    missing = None
    if settings.device.type != "cuda" or not torch.cuda.is_available():
        missing = NO_GPU
    elif not settings.full:
        missing = "not measured: --full was not given"
    if missing:
        return [Row(WHOLE, None, "frames/s", missing, WHOLE_GOAL), Row(NETWORK, None, "times", missing, NETWORK_GOAL)]
    model = full_model(settings.device, SIDE)
    return [whole_row(settings, model), network_row(settings, model)]


def matrix_rate(device: torch.device, side: int, rounds: int = MATRIX_ROUNDS) -> float:
    """Return the FLOP per second of a square bfloat16 matrix product."""
    left, right = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        left @ right
    times = [seconds(lambda: left @ right, device) for _ in range(rounds)]
    return 2 * side**3 / statistics.median(times)


def whole_row(settings: Settings, model: LoadedModel) -> Row:
    """Return the frames per second of a model from file to file."""
    clip = settings.work / "square.mp4"
    write_clip(clip, CLIP_FRAMES, SIDE, SIDE)
    options = SegmentOptions(precision="bfloat16", refine=False, overwrite=True)
    rates = []
    for _ in range(settings.sizes.rounds + 1):  # the first warms up
        began = time.perf_counter()
        report = segment_video(clip, [EXPRESSION], settings.work / "square.out.mp4", model=model, options=options)
        rates.append(report.frames / (time.perf_counter() - began))
    beside = f"{CLIP_FRAMES} frames of H.264, overlay out, random weights, unrefined"
    return Row(WHOLE, statistics.median(rates[1:]), "frames/s", beside, WHOLE_GOAL, {"rates": rates})


def network_row(settings: Settings, model: LoadedModel) -> Row:
    """Return the ratio of a network's time per frame to that of its FLOPs at the rate of a matrix product."""
    rate = matrix_rate(settings.device, MATRIX_SIDE)
    network = FrameNetwork(model, read_frames(), [EXPRESSION], precision="bfloat16")
    with FlopCounterMode(display=False) as counter:
        network.network_step()
    flop = counter.get_total_flops()
    for _ in range(5):
        network.network_step()
    took = statistics.median(seconds(network.network_step, settings.device) for _ in range(NETWORK_FRAMES))
    bound = flop / rate
    details = {"seconds": took, "flop": flop, "matrix_flop_a_second": rate, "bound_seconds": bound}
    beside = (
        f"{took * 1e3:.2f} ms a frame; {flop / 1e9:.0f} GFLOP at the measured {rate / 1e12:.0f} TFLOP/s: "
        f"{bound * 1e3:.2f} ms"
    )
    return Row(NETWORK, took / bound, "times", beside, NETWORK_GOAL, details)
