"""DenseCRF refinement of masks (CMSA paper, section 4.1.1), in worker processes beside the stream.

pydensecrf holds the global interpreter lock while it works, so threads would gain nothing. The workers are processes
started by `spawn`: forking a process whose threads hold locks can deadlock, and a fresh process that imports neither
PyTorch nor a video library is small.
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
    """Return the DenseCRF's marginal probabilities of the object, float32 [E, h, w].

    Each map is a CRF of its own with two labels, object and background. With two labels, the marginal `q` of the object
    says everything: mean field iterates `q = sigmoid(l + K q - K (1 - q))`, where `l` are the log-odds of the
    probabilities and `K` is the sum of the two weighted kernels. Most of the time goes into building the kernels'
    lattices, which depend on the picture alone, and `K` is linear. So one `DenseCRF2D` filters all maps at once, as if
    each were a label of its own, together with a map of ones, whose `K 1` turns `K q - K (1 - q)` into `2 K q - K 1`.

    Args:
        pixels: Picture, RGB uint8 [h, w, 3].
        probabilities: Probabilities of each expression, float32 [E, h, w].
        parameters: Widths and weights of the two kernels, and number of iterations.
    """
    import pydensecrf.densecrf as dcrf  # an optional extra
    from pydensecrf.eigen import matrixXf

    (height, width), labels = pixels.shape[:2], len(probabilities) + 1
    field = dcrf.DenseCRF2D(width, height, labels)
    add_kernels(field, pixels, parameters)
    zeros = np.zeros((labels, height * width), np.float32)
    marginals, filtered, scratch = matrixXf(zeros), matrixXf(zeros), matrixXf(zeros)
    given, found = np.asarray(marginals), np.asarray(filtered)  # views of pydensecrf's matrices, not copies
    foreground = np.clip(probabilities.reshape(labels - 1, -1), 1e-5, 1 - 1e-5)  # keeps the log-odds finite
    unary = np.log(foreground) - np.log1p(-foreground)
    for _ in range(parameters.iterations):
        given[:-1], given[-1] = foreground, 1
        # One step without unary energies leaves K times `given` in `found`; its softmax over the maps, in `given`, is
        # overwritten at the next iteration. The log-odds are added below, to each map by itself.
        field.stepInference(marginals, filtered, scratch)
        foreground = 1 / (1 + np.exp(found[-1] - 2 * found[:-1] - unary))
    return foreground.reshape(probabilities.shape).astype(np.float32)


def add_kernels(field: Any, pixels: NDArray[np.uint8], parameters: CrfSettings) -> None:
    """Add the paper's two kernels to a `DenseCRF2D`: one of position, one of position and colour.

    Args:
        field: The `DenseCRF2D`.
        pixels: Its picture, RGB uint8 [h, w, 3].
        parameters: Widths and weights of the kernels.
    """
    field.addPairwiseGaussian(sxy=parameters.gaussian_sxy, compat=parameters.gaussian_compat)
    field.addPairwiseBilateral(
        sxy=parameters.bilateral_sxy,
        srgb=parameters.bilateral_srgb,
        rgbim=np.ascontiguousarray(pixels),
        compat=parameters.bilateral_compat,
    )


def _ignore_interrupts() -> None:
    """Ignore Ctrl-C in a worker; the parent process handles it and shuts the workers down."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Refiner:
    """A pool of processes that refine masks, for use in a `with` block.

    Args:
        parameters: Settings of the DenseCRF.
        workers: Number of processes; None for one per usable core.

    Raises:
        UnavailableError: pydensecrf is not installed.
    """

    def __init__(self, parameters: CrfSettings, workers: int | None = None) -> None:
        if importlib.util.find_spec("pydensecrf") is None:
            raise UnavailableError(
                'refinement needs pydensecrf, which is not installed: run pip install "refvid[crf]" (it needs a C++ '
                "compiler), or use --no-refine"
            )
        self.parameters = parameters
        self.workers = workers or max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1)
        self._pool = ProcessPoolExecutor(
            self.workers, mp_context=multiprocessing.get_context("spawn"), initializer=_ignore_interrupts
        )

    def submit(self, pixels: NDArray[np.uint8], probabilities: Probabilities) -> Callable[[], Probabilities]:
        """Queue one picture; return a function that waits for its refined probabilities.

        Raises:
            RefvidError: A worker was killed; the returned function raises it too.
        """
        # The pool starts its workers inside `submit`, and they inherit this thread's signal mask.
        with _interrupts_blocked(), _dead_workers_explained():
            future: Future[Probabilities] = self._pool.submit(refine_masks, pixels, probabilities, self.parameters)

        def result() -> Probabilities:
            with _dead_workers_explained():
                return future.result()

        return result

    def __enter__(self) -> "Refiner":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _dead_workers_explained() -> Iterator[None]:
    """Turn the error of a pool whose worker was killed into a message for the user."""
    try:
        yield
    except BrokenProcessPool as error:
        raise RefvidError(
            "a refinement worker was killed: either memory ran out, or a script calls refvid outside of "
            "`if __name__ == '__main__':`, which worker processes need; otherwise use --no-refine"
        ) from error


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Block Ctrl-C in this thread; processes started in the block inherit that and print no traceback for it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
