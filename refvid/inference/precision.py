"""The precision that a network computes in, chosen by name."""

import torch

from refvid.errors import UnavailableError
from refvid.model.config import Precision


def pick_precision(name: Precision, device: torch.device) -> torch.dtype:
    """Return the dtype of the network's arithmetic; `auto` is bfloat16 on CUDA devices that support it, else float32.

    Raises:
        UnavailableError: The device does not support this precision.
    """
    if name == "auto":
        half = device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if half else torch.float32
    if name == "float16" and device.type == "cpu":
        raise UnavailableError("float16 needs a GPU; on a CPU use --precision float32 or bfloat16")
    if name == "bfloat16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise UnavailableError("this CUDA device does not support bfloat16; use --precision float16 or float32")
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[name]
