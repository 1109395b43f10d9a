"""`refvid doctor`: report what is installed, what is missing, and what to type to get it."""

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version

import typer

from refvid.errors import RefvidError, UnavailableError


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        name: Package, device, encoder or other thing that was looked for.
        state: Its version or state; empty if it is missing.
        remedy: What to type to get it, or what does not work without it.
        needed: Whether refvid does not work without it.
    """

    name: str
    state: str
    remedy: str = ""
    needed: bool = False


def doctor() -> None:
    """Show versions, devices and codecs, and what to type for those missing; exit with code 3 if a required one is."""
    missing = []
    for finding in _examine():
        remedy = f"  ({finding.remedy})" if finding.remedy else ""
        typer.echo(f"{finding.name:<18} {finding.state or 'missing'}{remedy}")
        if finding.needed and not finding.state:
            missing.append(finding.name)
    if missing:
        raise UnavailableError(f"{' and '.join(missing)} missing; the lines above say what to type")


def _examine() -> Iterator[Finding]:
    from refvid import __version__

    yield Finding("refvid", __version__)
    yield Finding("python", f"{platform.python_version()} ({sys.executable})")
    yield from _examine_packages()
    yield from _examine_devices()
    yield from _examine_encoders()
    yield _examine_models()


def _examine_packages() -> Iterator[Finding]:
    from refvid.video import capabilities

    for name in ("torch", "torchvision", "numpy", "pillow", "safetensors", "huggingface-hub"):
        yield _find(name, partial(version, name), f"pip install {name}", needed=True)
    yield _find("av", capabilities.describe_pyav, "pip install 'av>=18,<20'", needed=True)
    yield _find("decord", capabilities.describe_decord, "not needed: PyAV reads everything; pip install decord")
    crf = "only --refine needs it; with a C++ compiler: pip install pydensecrf2"
    if sys.version_info >= (3, 13):
        crf = "only --refine needs it, and it builds on Python 3.11 and 3.12 only"
    yield _find("pydensecrf2", partial(version, "pydensecrf2"), crf)
    train = "only training, data sets and the world need it: pip install 'refvid[train]'"
    for name in ("h5py", "opencv-python-headless", "scipy", "tensorboard"):
        yield _find(name, partial(version, name), train)


def _find(name: str, look: Callable[[], str], remedy: str, *, needed: bool = False) -> Finding:
    try:
        return Finding(name, look())
    except (ImportError, OSError, PackageNotFoundError) as error:  # OSError: a shared library that does not load
        reason = "" if isinstance(error, ImportError) else f"; {error}"
        return Finding(name, "", remedy + reason, needed)


def _examine_devices() -> Iterator[Finding]:
    yield Finding("cpu", f"{os.cpu_count()} cores")
    try:
        import torch
    except (ImportError, OSError):
        return  # the line of the torch package says what to type
    for index in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(index)
        yield Finding(f"cuda:{index}", f"{device.name}, {device.total_memory / 2**30:.0f} GiB")
    if not torch.cuda.is_available():
        hint = ""
        if shutil.which("nvidia-smi"):
            hint = "nvidia-smi is installed: get a torch built for its driver, see https://pytorch.org/get-started"
        yield Finding("cuda", "none", hint)
    if torch.backends.mps.is_available():
        yield Finding("mps", "available")


def _examine_encoders() -> Iterator[Finding]:
    from refvid.video import capabilities

    try:
        missing = capabilities.missing_encoders()
    except (ImportError, OSError):
        return  # the line of the av package says what to type
    for name, use in capabilities.ENCODERS.items():
        yield Finding(f"encoder {name}", "" if name in missing else "available", use)


def _examine_models() -> Finding:
    try:
        from refvid.embedded import embedded_models

        names = embedded_models()
    except (ImportError, OSError, RefvidError) as error:
        return Finding("embedded models", "", str(error), needed=True)
    return Finding("embedded models", ", ".join(names), "" if names else "install refvid again: pip install .", True)
