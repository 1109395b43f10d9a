"""What configs of every system refuse, and the input that they ask for."""

from typing import Any

import pytest

from refvid.model.config import ModelConfig

SMALL = {"backbone": "efficientnet-lite1", "neck_channels": 8, "colour_channels": 4}


def config(**fields: object) -> ModelConfig:
    given: dict[str, Any] = {"name": "made up", "vocabulary": ("dog", "red"), **fields}
    return ModelConfig(**given)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"input_size": 100}, "multiple of 8, the backbone's stride, got 100"),
        ({"input_size": 0}, "got 0"),
        ({"input_size": -8}, "got -8"),
        ({"threshold": 0.0}, "between 0 and 1, got 0"),
        ({"threshold": 1.0}, "between 0 and 1, got 1"),
        ({"input_shape": "round"}, "input_shape must be one of square, area, got 'round'"),
        ({"threshold_of": "two"}, "threshold_of must be one of one, maximum, got 'two'"),
        ({"upsampling": "nearest"}, "upsampling must be one of bilinear, guided, got 'nearest'"),
        ({"upsampling": "guided", "threshold_of": "maximum"}, "needs threshold_of 'one', got 'maximum'"),
        ({"colour_channels": 8}, "colour_channels are for the light and the pretrained backbones"),
        ({"vocabulary": ("dog", "dog")}, "must list each word once"),
        ({**SMALL, "neck_channels": 0}, "needs neck_channels and colour_channels of at least 1, got 0 and 4"),
        ({**SMALL, "colour_channels": 0}, "needs neck_channels and colour_channels of at least 1, got 8 and 0"),
        ({"backbone": "light", "neck_channels": 8}, "for the pretrained backbones; leave them 0 for 'light', got 8"),
        ({"neck_channels": 8}, "leave them 0 for 'resnet101', got 8"),
        ({**SMALL, "input_size": 200}, "multiple of 32, the backbone's stride, got 200"),
        ({"vector_channels": -1}, "must be at least 0, got -1 and 0"),
        ({"taught_words": ("dog",)}, "are for word vectors; give their vector_channels too"),
        ({"class_entries": 3}, "are for word vectors; give their vector_channels too"),
        (
            {"vector_channels": 4, "taught_words": ("red", "cat", "ant", "bee", "cow")},
            "taught_words must be words of the vocabulary, which lacks 'ant', 'bee', 'cat' and 1 more",
        ),
        ({"vector_channels": 4, "taught_words": ("red", "red")}, "taught_words must list each word once"),
    ],
)
def test_what_cannot_be_built_is_refused(fields: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        config(**fields)


def test_what_lies_at_the_edge_is_taken() -> None:
    config(input_size=8, threshold=0.001, upsampling="guided")
    config(input_size=8, threshold=0.999, threshold_of="maximum")
    config(backbone="light", colour_channels=8)
    config(**SMALL, vector_channels=4, class_entries=2, taught_words=("red",))


@pytest.mark.parametrize(
    ("size", "frame", "canvas"),
    [
        (192, (360, 640), (144, 256)),
        (192, (640, 360), (256, 144)),
        (192, (100, 100), (192, 192)),
        (64, (46, 80), (48, 88)),  # 48.5 and 84.4: the nearest multiples of 8
        (64, (1, 10_000), (8, 6400)),  # no side is less than the stride
        (64, (10_000, 1), (6400, 8)),
    ],
)
def test_an_input_of_the_frames_proportions_has_the_area_of_the_square(
    size: int, frame: tuple[int, int], canvas: tuple[int, int]
) -> None:
    assert config(input_size=size, input_shape="area").canvas(*frame) == canvas
    assert config(input_size=size).canvas(*frame) == (size, size)


@pytest.mark.parametrize(("height", "width"), [(360, 640), (100, 333), (1, 10_000), (46, 80), (2000, 30)])
def test_sides_for_a_pretrained_trunk_are_multiples_of_its_stride(height: int, width: int) -> None:
    sides = config(**SMALL, input_size=256, input_shape="area").canvas(height, width)
    assert all(side >= 32 and side % 32 == 0 for side in sides)
    if (height, width) == (360, 640):
        assert sides == (192, 352)


def test_a_saved_config_with_keys_that_are_not_known_or_missing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown keys \['colour'\]; this version knows \["):
        ModelConfig.from_dict({"name": "x", "vocabulary": [], "colour": 1})
    with pytest.raises(ValueError, match=r"missing keys \['vocabulary'\]"):
        ModelConfig.from_dict({"name": "x"})
    with pytest.raises(ValueError, match="gaussian_width"):
        ModelConfig.from_dict({"name": "x", "vocabulary": [], "crf": {"gaussian_width": 1}})


def test_lists_of_a_saved_config_are_tuples_again() -> None:
    read = ModelConfig.from_dict({"name": "x", "vocabulary": ["dog"], "crf": {"iterations": 7}})
    assert read.vocabulary == ("dog",)
    assert (read.crf.iterations, read.crf.longest_side) == (7, 160)


def test_a_field_with_one_choice_says_which() -> None:
    with pytest.raises(ValueError, match="architecture must be 'cmsa', got 'made up'"):
        config(architecture="made up").require("architecture", ("cmsa",))
