"""DenseCRF refinement of masks (section 4.1.1), in worker processes beside the stream.

pydensecrf holds Python's lock while it works, so threads gain nothing; the workers are processes, started afresh
(`spawn`), which import neither PyTorch nor a video library.
"""

import importlib.util
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from refvid.errors import RefvidError, UnavailableError

Probabilities = NDArray[np.float32]  # [E, h, w]


@dataclass(frozen=True)
class CrfParameters:
    """DenseCRF: one Gaussian and one bilateral kernel, widths in pixels and in colour steps of 0 to 255."""

    iterations: int
    gaussian_sxy: float
    gaussian_compat: float
    bilateral_sxy: float
    bilateral_srgb: float
    bilateral_compat: float


def refine_masks(pixels: NDArray[np.uint8], probabilities: Probabilities, parameters: CrfParameters) -> Probabilities:
    """Return the DenseCRF's marginal probabilities of the object.

    Args:
        pixels: RGB uint8 [h, w, 3].
        probabilities: One map an expression, float32 [E, h, w].
        parameters: Widths and weights of the two kernels.
    """
    import pydensecrf.densecrf as dcrf  # an extra: only those who refine need it

    height, width = pixels.shape[:2]
    refined = np.empty_like(probabilities)
    for index, probability in enumerate(probabilities):
        foreground = np.clip(probability, 1e-5, 1 - 1e-5)
        unary = -np.log(np.stack([1 - foreground, foreground])).reshape(2, -1)
        field = dcrf.DenseCRF2D(width, height, 2)
        field.setUnaryEnergy(np.ascontiguousarray(unary, dtype=np.float32))
        field.addPairwiseGaussian(sxy=parameters.gaussian_sxy, compat=parameters.gaussian_compat)
        field.addPairwiseBilateral(
            sxy=parameters.bilateral_sxy,
            srgb=parameters.bilateral_srgb,
            rgbim=np.ascontiguousarray(pixels),
            compat=parameters.bilateral_compat,
        )
        refined[index] = np.array(field.inference(parameters.iterations))[1].reshape(height, width)
    return refined


def _ignore_interrupts() -> None:
    """Leave Ctrl-C to the parent, which shuts the workers down."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Refiner:
    """A pool of processes that refine masks; use it in a `with` block.

    Raises:
        UnavailableError: pydensecrf is not installed.
    """

    def __init__(self, parameters: CrfParameters, workers: int | None = None) -> None:
        if importlib.util.find_spec("pydensecrf") is None:
            raise UnavailableError(
                'refinement needs pydensecrf, which is not installed: pip install "refvid[crf]" (it needs a C++ '
                "compiler), or go on with --no-refine"
            )
        self.parameters = parameters
        self.workers = workers or max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1)
        self._pool = ProcessPoolExecutor(
            self.workers, mp_context=multiprocessing.get_context("spawn"), initializer=_ignore_interrupts
        )

    def submit(self, pixels: NDArray[np.uint8], probabilities: Probabilities) -> Callable[[], Probabilities]:
        """Queue one frame; the returned function waits for its refined probabilities."""
        with _interrupts_blocked():  # the pool starts its workers here
            future: Future[Probabilities] = self._pool.submit(refine_masks, pixels, probabilities, self.parameters)

        def result() -> Probabilities:
            try:
                return future.result()
            except BrokenProcessPool as error:
                raise RefvidError(
                    "a refinement worker was killed, most likely for want of memory; go on with --no-refine"
                ) from error

        return result

    def __enter__(self) -> "Refiner":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Keep Ctrl-C from this thread for the block: processes started in it inherit that, and say nothing of it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
