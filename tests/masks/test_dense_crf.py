"""DenseCRF with shared lattices against pydensecrf asked for one expression at a time."""

import importlib.util
import os
import signal
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pydensecrf.densecrf as dcrf
import pytest
from numpy.typing import NDArray

from refvid.errors import RefvidError, UnavailableError
from refvid.masks.dense_crf import Refiner, refine_masks
from refvid.model.config import CrfSettings
from tests.clips import frame_pixels

PARAMETERS = CrfSettings(5, 1.5, 3.0, 10.0, 3.0, 10.0)
PICTURE = frame_pixels(3, (60, 34))


def maps(count: int, most: float = 1.0) -> NDArray[np.float32]:
    """Smooth random maps [count, 34, 60] with values from 0 to `most`."""
    rows, columns = np.mgrid[:34, :60]
    waves = np.stack([np.sin(rows / (5 + index)) + np.cos((columns + 9 * index) / 7) for index in range(count)])
    noise = np.random.default_rng(1).normal(0, 0.3, waves.shape)
    return np.asarray(most / (1 + np.exp(-2 * waves - noise)), np.float32)


def one_at_a_time(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Two labels and `inference`, as pydensecrf is meant to be used."""
    height, width = PICTURE.shape[:2]
    found = []
    for probability in probabilities:
        foreground = np.clip(probability, 1e-5, 1 - 1e-5)
        field = dcrf.DenseCRF2D(width, height, 2)
        field.setUnaryEnergy(-np.log(np.stack([1 - foreground, foreground])).reshape(2, -1).astype(np.float32))
        field.addPairwiseGaussian(sxy=PARAMETERS.gaussian_sxy, compat=PARAMETERS.gaussian_compat)
        field.addPairwiseBilateral(
            sxy=PARAMETERS.bilateral_sxy,
            srgb=PARAMETERS.bilateral_srgb,
            rgbim=PICTURE,
            compat=PARAMETERS.bilateral_compat,
        )
        found.append(np.array(field.inference(PARAMETERS.iterations))[1].reshape(height, width))
    return np.stack(found)


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_maps_that_share_lattices_come_out_as_alone(count: int) -> None:
    given = maps(count)
    refined = refine_masks(PICTURE, given, PARAMETERS)
    assert refined.dtype == np.float32
    assert refined.shape == given.shape
    np.testing.assert_allclose(refined, one_at_a_time(given), atol=1e-4)
    assert ((refined > 0.5) != (given > 0.5)).any()


def plain_pydensecrf(probability: NDArray[np.float32], **changes: float) -> NDArray[np.float32]:
    """pydensecrf with the numbers of this project written out, some of them changed."""
    numbers = {"near": 1.5, "near_weight": 3.0, "far": 10.0, "colour": 3.0, "far_weight": 10.0, "rounds": 5, **changes}
    height, width = PICTURE.shape[:2]
    field = dcrf.DenseCRF2D(width, height, 2)
    field.setUnaryEnergy(-np.log(np.stack([1 - probability, probability])).reshape(2, -1).astype(np.float32))
    field.addPairwiseGaussian(sxy=numbers["near"], compat=numbers["near_weight"])
    field.addPairwiseBilateral(sxy=numbers["far"], srgb=numbers["colour"], rgbim=PICTURE, compat=numbers["far_weight"])
    return np.array(field.inference(int(numbers["rounds"])))[1].reshape(height, width)


def test_masks_are_refined_with_the_default_numbers() -> None:
    probability = maps(1)[0].clip(1e-3, 1 - 1e-3)
    refined = refine_masks(PICTURE, probability[None], CrfSettings())[0]
    np.testing.assert_allclose(refined, plain_pydensecrf(probability), atol=1e-4)


@pytest.mark.parametrize(
    ("field", "meant", "value"),
    [
        ("gaussian_sxy", "near", 3.0),
        ("gaussian_compat", "near_weight", 1.0),
        ("bilateral_sxy", "far", 20.0),
        ("bilateral_srgb", "colour", 13.0),
        ("bilateral_compat", "far_weight", 4.0),
        ("iterations", "rounds", 2),
    ],
)
def test_each_number_reaches_its_kernel(field: str, meant: str, value: float) -> None:
    probability = maps(1)[0].clip(1e-3, 1 - 1e-3)
    changed: dict[str, Any] = {field: value}
    refined = refine_masks(PICTURE, probability[None], replace(CrfSettings(), **changed))[0]
    np.testing.assert_allclose(refined, plain_pydensecrf(probability, **{meant: value}), atol=1e-4)
    assert np.abs(refined - plain_pydensecrf(probability)).max() > 0.01, "a change that can be seen"


def test_certainties_are_taken_for_one_in_a_hundred_thousand() -> None:
    given = np.zeros((1, 34, 60), np.float32)
    given[:, 10:20, 15:40] = 1
    nearly = np.clip(given, 1e-5, 1 - 1e-5)
    weak = CrfSettings(iterations=1, gaussian_compat=0.01, bilateral_compat=0.01)
    refined = refine_masks(PICTURE, given, weak)[0]
    np.testing.assert_allclose(refined, nearly[0], rtol=0.1)
    np.testing.assert_allclose(1 - refined.astype(np.float64), 1 - nearly[0].astype(np.float64), rtol=0.1)


@pytest.mark.parametrize("seed", range(3))
def test_a_map_without_a_majority_for_the_object_only_shrinks(seed: int) -> None:
    """Therefore such a map need not be refined: no pixel of it could come above one half."""
    rng = np.random.default_rng(seed)
    given = (0.4999 * rng.random((2, 34, 60))).astype(np.float32)
    picture = rng.integers(0, 256, (34, 60, 3), np.uint8) if seed else PICTURE
    refined = refine_masks(picture, given, PARAMETERS)
    assert (refined <= np.clip(given, 1e-5, 1) + 1e-6).all()
    assert refined.mean() < given.mean() / 2


def test_a_pool_gives_each_picture_its_own() -> None:
    given = maps(3)
    with Refiner(PARAMETERS, workers=2) as refiner:
        results = [refiner.submit(PICTURE, given[index:]) for index in range(3)]
        for index, result in enumerate(results):
            np.testing.assert_array_equal(result(), refine_masks(PICTURE, given[index:], PARAMETERS))


def test_a_killed_worker_is_a_sentence() -> None:
    given = maps(1)

    def go_on() -> None:
        """Either handing over or waiting may be what notices it."""
        for _ in range(1000):
            refiner.submit(PICTURE, given)()

    with Refiner(PARAMETERS, workers=1) as refiner:
        refiner.submit(PICTURE, given)()
        for process in list(refiner._pool._processes.values()):
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(RefvidError, match=r"refinement worker .*--no-refine"):
            go_on()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="tells no affinity")
@pytest.mark.parametrize(("allowed", "workers"), [({3}, 1), ({0, 2, 5}, 3)])
def test_as_many_workers_as_the_process_may_use_cores(
    monkeypatch: pytest.MonkeyPatch, allowed: set[int], workers: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: allowed)
    assert Refiner(PARAMETERS).workers == workers
    assert Refiner(PARAMETERS, 2).workers == 2


def test_without_pydensecrf_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UnavailableError, match=r"refvid\[crf\]"):
        Refiner(PARAMETERS)


def test_workers_load_neither_pytorch_nor_a_decoder() -> None:
    program = (
        "import sys, numpy; from refvid.masks.dense_crf import refine_masks; "
        "from refvid.model.config import CrfSettings; "
        "refine_masks(numpy.zeros((4, 5, 3), 'u1'), numpy.ones((1, 4, 5), 'f4'), CrfSettings(1, 1, 1, 1, 1, 1)); "
        "print({'torch', 'av', 'decord', 'cv2'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
