"""Section 5 of `run.py`: SAM 2 and Grounding DINO beside refvid's tiny model, on the same frames."""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.run_measure import Row, Section, Settings, in_turns, plural
from benchmarks.run_network import EXPRESSION, Pixels, read_frames
from benchmarks.run_stages import gflop_a_frame
from refvid.inference.segmenter import Segmenter
from refvid.weights import load_model

# "[CLS] man in yellow shirt . [SEP]" in BERT's vocabulary; the choice of words does not affect the cost.
TOKENS = (101, 2158, 1999, 3756, 3797, 1012, 102)
BOX = (0.3, 0.2, 0.6, 0.9)  # left, top, right, bottom; the prompt on SAM 2's first frame
MISSING = "transformers is not installed, so there is nothing to compare with: pip install 'refvid[bert]'"
NOTES = (
    "All in float32, from a frame in memory to its answer, one frame each in turns; each resizes to its usual input. "
    "refvid gives a mask by the expression; SAM 2 carries a mask on from a box that somebody drew on the first frame; "
    "Grounding DINO gives boxes by the expression, frame by frame, and no masks.",
    "SAM 2 and Grounding DINO are built from the configs of their tiny models in code, with random weights: that times "
    "them and segments nothing. To segment they need their weights from the Hub (facebook/sam2.1-hiera-tiny, "
    "IDEA-Research/grounding-dino-tiny; as many bytes as four times the parameters), Grounding DINO also its "
    "tokenizer; and to find by words and give masks both of them, one after the other. Products and convolutions are "
    "counted as GFLOP, sampling is not.",
)


@dataclass(frozen=True)
class Peer:
    """A model that processes frames.

    Attributes:
        answer: Function that processes the next frame and returns the result.
        size: Description of its input size.
    """

    name: str
    answer: Callable[[], object]
    size: str
    parameters: int
    seen: int  # frames processed before it is timed
    by_onednn: bool = False


def peers(settings: Settings) -> Section:
    """Time the three in turns."""
    section = Section("peers", "Peers, random weights")
    try:
        import transformers
    except ImportError:
        section.notes = [MISSING]
        return section
    transformers.logging.set_verbosity_error()
    torch.manual_seed(0)
    frames = read_frames()
    found = [make(settings, cycle(frames)) for make in (_refvid, _sam, _grounding_dino)]
    with torch.inference_mode():
        gflop = {peer.name: _show(peer) for peer in found}
        if settings.device.type == "cpu":
            gflop[found[0].name] = gflop_a_frame(settings)
        works = {peer.name: peer.answer for peer in found}
        times = in_turns(works, settings.sizes.peer_rounds, settings.device, cold=list(works))
    taken = {name: statistics.median(each) for name, each in times.items()}
    section.rows = [_row(peer, taken[peer.name], taken[found[0].name], gflop[peer.name]) for peer in found]
    section.notes = [*NOTES, f"SAM 2 had seen {plural(found[1].seen, 'frame')} before; its memory is full after 7."]
    return section


def _show(peer: Peer) -> float | None:
    """Process the frames that precede the timed ones, and return the GFLOP of the last.

    Return None if there is none, and for refvid on a CPU, whose oneDNN products PyTorch does not count.
    """
    if not peer.seen:
        return None
    for _ in range(peer.seen - 1):
        peer.answer()
    if peer.by_onednn:
        peer.answer()
        return None
    with FlopCounterMode(display=False) as counter:
        peer.answer()
    return counter.get_total_flops() / 1e9


def _row(peer: Peer, took: float, base: float, gflop: float | None) -> Row:
    counted = f", {gflop:.{1 if gflop < 10 else 0}f} GFLOP" if gflop else ""
    ratio = f", {took / base:.0f} times refvid's time" if took != base else ""
    beside = f"{took * 1e3:.0f} ms a frame{ratio}; {peer.size}; {peer.parameters / 1e6:.1f} M parameters{counted}"
    details = {"seconds": took, "times_refvid": took / base, "parameters": peer.parameters, "gflop": gflop}
    return Row(peer.name, 1 / took, "frames/s", beside, None, details)


def _refvid(settings: Settings, frames: Iterator[Pixels]) -> Peer:
    """Return refvid's model in mid-stream: each frame that goes in yields the masks of an earlier one."""
    model = load_model(settings.model, device=str(settings.device))
    segmenter = Segmenter(model, refine=False, precision="float32")
    masks = segmenter.stream(frames, [EXPRESSION])
    height, width = segmenter.letterbox(read_frames(1)[0]).canvas
    seen = 2 * model.network.frame_radius + 2
    size = f"{width} x {height}, masks"
    return Peer(model.name, lambda: next(masks), size, _count(model.network), seen, settings.device.type == "cpu")


def _sam(settings: Settings, frames: Iterator[Pixels]) -> Peer:
    """Return SAM 2's video model, Hiera-tiny, which propagates a mask from the box on the first frame."""
    from transformers import Sam2VideoInferenceSession, Sam2VideoModel

    side, device = settings.sizes.sam_side, settings.device
    model = Sam2VideoModel(_sam_config(side)).eval().to(device)
    session = Sam2VideoInferenceSession(
        video_height=1, video_width=1, inference_device=device, inference_state_device=device,
        video_storage_device=device, dtype=torch.float32)  # fmt: skip
    corners = side * torch.tensor(BOX).view(1, 1, 2, 2)
    inputs = {"point_coords": corners, "point_labels": torch.tensor([[[2, 3]]], dtype=torch.int32)}
    session.add_point_inputs(session.obj_id_to_idx(1), 0, inputs)
    session.obj_with_new_inputs = [1]

    def answer() -> Tensor:
        pixels = next(frames)
        picture = _normalised(pixels, (side, side), device)[0]
        logits = model(inference_session=session, frame=picture).pred_masks
        return (F.interpolate(logits, pixels.shape[:2], mode="bilinear") > 0).cpu()

    return Peer("SAM 2.1 tiny", answer, f"{side} x {side}, a mask", _count(model), settings.sizes.sam_memory)


def _sam_config(side: int) -> Any:
    """Return the config of SAM 2.1 tiny for a side of 1024; of the same network for another one."""
    from transformers import Sam2HieraDetConfig, Sam2VideoConfig, Sam2VideoPromptEncoderConfig, Sam2VisionConfig

    return Sam2VideoConfig(
        image_size=side,
        vision_config=Sam2VisionConfig(
            backbone_config=Sam2HieraDetConfig(image_size=[side, side]),
            backbone_feature_sizes=[[side // stride] * 2 for stride in (4, 8, 16)],
        ),
        prompt_encoder_config=Sam2VideoPromptEncoderConfig(image_size=side),
        memory_attention_rope_feat_sizes=[side // 16] * 2,
    )


def _grounding_dino(settings: Settings, frames: Iterator[Pixels]) -> Peer:
    """Return Grounding DINO tiny, with Swin-tiny and BERT-base, which finds boxes by the expression."""
    from transformers import GroundingDinoConfig, GroundingDinoForObjectDetection

    device, (shorter, longest) = settings.device, settings.sizes.dino_sides
    model = GroundingDinoForObjectDetection(GroundingDinoConfig()).eval().to(device)
    tokens = torch.tensor([TOKENS], device=device)

    height, width = read_frames(1)[0].shape[:2]
    scale = min(shorter / min(height, width), longest / max(height, width))
    size = round(height * scale), round(width * scale)

    def answer() -> Tensor:
        picture = _normalised(next(frames), size, device)
        found = model(pixel_values=picture, input_ids=tokens, attention_mask=torch.ones_like(tokens))
        boxes: Tensor = found.pred_boxes
        return boxes.cpu()

    return Peer(
        "Grounding DINO tiny",
        answer,
        f"{size[1]} x {size[0]}, boxes",
        _count(model),
        min(1, settings.sizes.peer_rounds - 1),
    )


def _normalised(pixels: Pixels, size: tuple[int, int], device: torch.device) -> Tensor:
    """Return a frame resized and normalised by ImageNet's mean and deviation, float32 [1, 3, h, w]."""
    mean, deviation = (torch.tensor(values, device=device)[:, None, None]
                       for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))  # fmt: skip
    frame = torch.from_numpy(np.ascontiguousarray(pixels)).to(device).permute(2, 0, 1)[None]
    return (F.interpolate(frame, size, mode="bilinear", antialias=True).float() / 255 - mean) / deviation


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
