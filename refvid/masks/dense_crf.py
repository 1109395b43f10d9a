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
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refvid.errors import RefvidError, UnavailableError
from refvid.model.config import CrfSettings

Probabilities = NDArray[np.float32]  # [E, h, w]


def refine_masks(pixels: NDArray[np.uint8], probabilities: Probabilities, parameters: CrfSettings) -> Probabilities:
    """Return the DenseCRF's marginal probabilities of the object.

    Of two labels one decides: with `l` the log-odds of the probabilities, `q` the marginals and `K` the sum of the two
    weighted kernels, an iteration of mean field is `q = sigmoid(l + K q - K (1 - q))`. `K` is linear, so that all maps
    share what takes the longest, the lattices of the picture: each is a label, and one more, of ones, gives `K 1`.

    Args:
        pixels: RGB uint8 [h, w, 3].
        probabilities: One map an expression, float32 [E, h, w].
        parameters: Widths and weights of the two kernels.
    """
    import pydensecrf.densecrf as dcrf  # an extra: only those who refine need it
    from pydensecrf.eigen import matrixXf

    (height, width), labels = pixels.shape[:2], len(probabilities) + 1
    field = dcrf.DenseCRF2D(width, height, labels)
    add_kernels(field, pixels, parameters)
    zeros = np.zeros((labels, height * width), np.float32)
    marginals, filtered, scratch = matrixXf(zeros), matrixXf(zeros), matrixXf(zeros)
    given, found = np.asarray(marginals), np.asarray(filtered)  # their memory, not copies
    foreground = np.clip(probabilities.reshape(labels - 1, -1), 1e-5, 1 - 1e-5)
    unary = np.log(foreground) - np.log1p(-foreground)
    for _ in range(parameters.iterations):
        given[:-1], given[-1] = foreground, 1
        field.stepInference(marginals, filtered, scratch)  # without unary energies: `found` becomes K times `given`
        foreground = 1 / (1 + np.exp(found[-1] - 2 * found[:-1] - unary))
    return foreground.reshape(probabilities.shape).astype(np.float32)


def add_kernels(field: Any, pixels: NDArray[np.uint8], parameters: CrfSettings) -> None:
    """Give a `DenseCRF2D` of a picture [h, w, 3] the paper's two kernels."""
    field.addPairwiseGaussian(sxy=parameters.gaussian_sxy, compat=parameters.gaussian_compat)
    field.addPairwiseBilateral(
        sxy=parameters.bilateral_sxy,
        srgb=parameters.bilateral_srgb,
        rgbim=np.ascontiguousarray(pixels),
        compat=parameters.bilateral_compat,
    )


def _ignore_interrupts() -> None:
    """Leave Ctrl-C to the parent, which shuts the workers down."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Refiner:
    """A pool of processes that refine masks; use it in a `with` block.

    Raises:
        UnavailableError: pydensecrf is not installed.
    """

    def __init__(self, parameters: CrfSettings, workers: int | None = None) -> None:
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
        """Queue one picture; the returned function waits for its refined probabilities.

        Raises:
            RefvidError: Now or then, a worker was killed.
        """
        with _interrupts_blocked(), _told_of_the_killed():  # the pool starts its workers here
            future: Future[Probabilities] = self._pool.submit(refine_masks, pixels, probabilities, self.parameters)

        def result() -> Probabilities:
            with _told_of_the_killed():
                return future.result()

        return result

    def __enter__(self) -> "Refiner":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _told_of_the_killed() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as error:
        raise RefvidError(
            "a refinement worker ended: for want of memory, or because a script that calls refvid does so outside of "
            "`if __name__ == '__main__':`, which worker processes need; or go on with --no-refine"
        ) from error


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
