"""Peak memory of a segmented video against its length.

    python benchmarks/memory.py [--frames 500 10000] [--size 320x180] [--reader pyav] [--model refvid-tiny]

Makes a clip of each length, segments it in a process of its own, and prints the peaks: what the process held of main
memory and, with `--device cuda`, what PyTorch had allocated on the GPU. The model `small` is the random miniature of
`small_model`, so that 10,000 frames take a minute; reading, streaming and writing are the same code.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

SMALL = "small"


def write_clip(path: Path, frames: int, width: int, height: int) -> None:
    """Write a clip with a moving square, H.264, 25 frames a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        for index in range(frames):
            pixels = np.full((height, width, 3), 90, np.uint8)
            left = index * 3 % (width - 40)
            pixels[40:100, left : left + 40] = (220, 200, 40)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def small_model(folder: Path) -> Path:
    """Write refvid-tiny in miniature, with every module and random weights, and return its folder."""
    import torch

    from refvid.model.refvid.config import refvid_tiny_config
    from refvid.model.registry import build_network
    from refvid.weights import save_checkpoint

    torch.manual_seed(8)
    widths = {"embedding_channels": 8, "attention_channels": 8, "fusion_channels": 8}
    config = refvid_tiny_config(("dog", "man")).replace(
        name=SMALL, backbone_channels=(4, 4, 8, 8, 8), input_size=64, frame_radius=2, **widths
    )
    save_checkpoint(build_network(config), config, folder)
    return folder


def measure(
    video: Path,
    expressions: Sequence[str] = ("man",),
    *,
    model: str,
    device: str = "cpu",
    reader: str = "auto",
    frames: int | None = None,
    threads: int | None = None,
) -> dict[str, Any]:
    """Segment a video, or its first frames, to an overlay in a separate process.

    Returns:
        "resident", the peak of main memory in bytes; "allocated", the peak of GPU memory or None; "frames",
        "frames_per_second" and "reader".

    Raises:
        RuntimeError: The process failed; the message includes its output.
    """
    command = [sys.executable, str(Path(__file__).resolve()), "--worker", str(video), *expressions,
               "--model", model, "--device", device, "--reader", reader]  # fmt: skip
    command += [] if frames is None else ["--frames", str(frames)]
    command += [] if threads is None else ["--threads", str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"segmenting {video.name} failed: {done.stderr.strip()[-500:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def work(options: argparse.Namespace) -> None:
    """Segment one video and print what `measure` returns."""
    import torch

    from refvid.inference.options import SegmentOptions
    from refvid.inference.report import peak_resident
    from refvid.inference.video import segment_video
    from refvid.video.frame import Position

    if options.threads:
        torch.set_num_threads(options.threads)
    video, *expressions = options.worker
    end = Position(frame=options.frames[0]) if options.frames else None
    settings = SegmentOptions(end=end, refine=False, reader=options.reader)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out.mp4"
        report = segment_video(
            Path(video), expressions, output, model=options.model, device=options.device, options=settings
        )
    found = {
        "resident": peak_resident(),
        "allocated": torch.cuda.max_memory_allocated() if report.device.startswith("cuda") else None,
        "frames": report.frames,
        "frames_per_second": report.frames_per_second,
        "reader": report.reader,
    }
    print(json.dumps(found))


def lengths(
    counts: Sequence[int],
    *,
    size: tuple[int, int] = (192, 108),
    model: str = SMALL,
    device: str = "cpu",
    reader: str = "auto",
    threads: int | None = None,
) -> list[dict[str, Any]]:
    """Return the results of `measure` for clips of the given numbers of frames and of width x height pixels."""
    with tempfile.TemporaryDirectory() as folder:
        place = str(small_model(Path(folder) / SMALL)) if model == SMALL else model
        found = []
        for frames in counts:
            clip = Path(folder) / f"{frames}.mp4"
            write_clip(clip, frames, *size)
            found.append(measure(clip, model=place, device=device, reader=reader, threads=threads))
    return found


def main() -> None:
    """Print one row per length."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, nargs="+")
    parser.add_argument("--size", default="320x180")
    parser.add_argument("--reader", default="auto")
    parser.add_argument("--model", default="refvid-tiny")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, help="PyTorch's threads on the CPU")
    parser.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options)
        return
    width, height = (int(side) for side in options.size.split("x"))
    print("| frames | peak MiB | on the GPU MiB | frames a second | reader |\n|---|---|---|---|---|")
    for frames in options.frames or (500, 10_000):
        found = lengths(
            [frames], size=(width, height), model=options.model, device=options.device, reader=options.reader,
            threads=options.threads)[0]  # fmt: skip
        gpu = "" if found["allocated"] is None else f"{found['allocated'] / 2**20:.0f}"
        speed = f"{found['frames_per_second']:.1f}"
        print(f"| {frames} | {found['resident'] / 2**20:.0f} | {gpu} | {speed} | {found['reader']} |", flush=True)


if __name__ == "__main__":
    main()
