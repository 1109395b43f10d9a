"""Every field of every config that can be trained by name, written out once more.

The sizes of the full networks are those of their papers; of the tiny and small ones, those that the shipped weights
have. A
number that is changed in `refvid/model` must be changed here too, knowingly.
"""

from typing import Any

import pytest
import torch

from refvid.model.registry import CONFIGS, build_network, read_config

CRF = {
    "iterations": 5,
    "gaussian_sxy": 1.5,
    "gaussian_compat": 3.0,
    "bilateral_sxy": 10.0,
    "bilateral_srgb": 3.0,
    "bilateral_compat": 10.0,
    "longest_side": 160,
}
IMAGENET = {"pixel_mean": (0.485, 0.456, 0.406), "pixel_std": (0.229, 0.224, 0.225)}
COMMON = {
    "vocabulary": (),
    "max_words": 20,
    **IMAGENET,
    "threshold": 0.5,
    "threshold_of": "one",
    "upsampling": "bilinear",
    "refine": False,
    "crf": CRF,
    "training": {},
    "neck_channels": 0,
    "vector_channels": 0,
    "class_entries": 0,
    "taught_words": (),
}
FULL = {
    **COMMON,
    "backbone": "resnet101",
    "backbone_channels": (64, 256, 512, 1024, 2048),
    "colour_channels": 0,
    "input_size": 320,
    "input_shape": "square",
}
TINY = {
    **COMMON,
    "backbone": "light",
    "backbone_channels": (24, 48, 96, 128, 160),
    "colour_channels": 32,
    "input_size": 192,
    "input_shape": "area",
    "embedding_channels": 64,
}
SMALL = {
    **COMMON,
    "backbone": "efficientnet-lite0",
    "backbone_channels": (64, 256, 512, 1024, 2048),
    "neck_channels": 128,
    "colour_channels": 32,
    "input_size": 256,
    "input_shape": "area",
    "pixel_mean": (0.498, 0.498, 0.498),
    "pixel_std": (0.502, 0.502, 0.502),
    "embedding_channels": 96,
    "vector_channels": 64,
}
CMSA_TINY = {
    **TINY,
    "architecture": "cmsa",
    "attention_channels": 64,
    "fusion_channels": 64,
    "language": "words",
    "attention": "cross-modal",
    "pooling": "word-attention",
    "fusion": "gmlf",
    "frame_radius": 5,
    "cross_frame": True,
    "cross_frame_levels": (5,),
}
CMSA_SMALL = {**CMSA_TINY, **SMALL, "fusion_channels": 96}
ACGA_TINY = {
    **TINY,
    "architecture": "acga",
    "threshold_of": "maximum",
    "window_before": 1,
    "window_after": 1,
    "window_stride": 5,
    "decoder_channels": (64, 32),
    "response_channels": (96, 48, 24),
    "enlargement": 2,
}
REFVOS = {
    "architecture": "refvos",
    "bert_layers": 12,
    "bert_heads": 12,
    "bert_inner_channels": 3072,
    "bert_positions": 512,
    "bert_taught_layers": 10,
}
FIELDS: dict[str, dict[str, Any]] = {
    "refvid-tiny": {
        **CMSA_TINY,
        "architecture": "refvid",
        "detail_channels": 24,
        "actor_channels": 12,
        "bilateral_channels": 12,
        "word_evidence": True,
        "class_opinion": False,
        "cross_frame_code": "space-time",
        "upsampling": "guided",
    },
    "refvid-small": {
        **CMSA_SMALL,
        "architecture": "refvid",
        "detail_channels": 48,
        "actor_channels": 16,
        "bilateral_channels": 16,
        "word_evidence": True,
        "class_opinion": True,
        "cross_frame_code": "space-time",
        "upsampling": "guided",
    },
    "cmsa-tiny": CMSA_TINY,
    "cmsa-small": CMSA_SMALL,
    "cmsa-deeplab101": {
        **CMSA_TINY,
        **FULL,
        "embedding_channels": 1000,
        "attention_channels": 512,
        "fusion_channels": 500,
        "cross_frame_levels": (3, 4, 5),
        "refine": True,
    },
    "acga-tiny": ACGA_TINY,
    "acga-small": {**ACGA_TINY, **SMALL, "threshold_of": "maximum"},
    "acga-s3d": {
        **FULL,
        "architecture": "acga",
        "backbone": "s3d",
        "input_size": 512,
        "embedding_channels": 300,
        "pixel_mean": (0.43216, 0.394666, 0.37645),
        "pixel_std": (0.22803, 0.22145, 0.216989),
        "threshold_of": "maximum",
        "window_before": 8,
        "window_after": 7,
        "window_stride": 1,
        "decoder_channels": (256, 128),
        "response_channels": (256, 128, 64),
        "enlargement": 4,
    },
    "refvos-tiny": {
        **TINY,
        **REFVOS,
        "language": "sentence",
        "aspp_channels": 64,
        "aspp_rates": (3, 6, 9),
        "dropout": 0.1,
        "detail_channels": 24,
    },
    "refvos-small": {
        **SMALL,
        **REFVOS,
        "language": "sentence",
        "aspp_channels": 96,
        "aspp_rates": (2, 4, 6),
        "dropout": 0.1,
        "detail_channels": 48,
    },
    "refvos-deeplab101": {
        **FULL,
        **REFVOS,
        "input_size": 480,
        "input_shape": "area",
        "embedding_channels": 768,
        "language": "bert",
        "aspp_channels": 256,
        "aspp_rates": (12, 24, 36),
        "dropout": 0.5,
        "detail_channels": 0,
    },
    "hinet-tiny": {
        **TINY,
        "architecture": "hinet",
        "fine_channels": 24,
        "interaction_channels": 64,
        "decoder_channels": 48,
        "motion_channels": 16,
        "flow": "dis",
    },
    "hinet-small": {
        **SMALL,
        "architecture": "hinet",
        "fine_channels": 48,
        "interaction_channels": 64,
        "decoder_channels": 48,
        "motion_channels": 16,
        "flow": "dis",
    },
    "hinet-resnet101": {
        **FULL,
        "architecture": "hinet",
        "embedding_channels": 512,
        "fine_channels": 0,
        "interaction_channels": 512,
        "decoder_channels": 256,
        "motion_channels": 64,
        "flow": "dis",
    },
}


@pytest.mark.parametrize("name", CONFIGS)
def test_every_field_of_a_config_is_as_written_here(name: str) -> None:
    config = CONFIGS[name](())
    assert config.as_dict() == {"name": name, **FIELDS[name]}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_saved_config_is_read_as_the_same(name: str) -> None:
    config = CONFIGS[name](())
    assert read_config(config.as_dict()) == config


# Of a vocabulary of two words, or of four word pieces; whatever is built with another width changes them.
PARAMETERS = {
    "refvid-tiny": 2_126_814,
    "refvid-small": 6_354_155,
    "cmsa-tiny": 2_041_158,
    "cmsa-small": 6_134_806,
    "cmsa-deeplab101": 66_690_392,
    "acga-tiny": 2_815_367,
    "acga-small": 6_684_663,
    "acga-s3d": 28_393_135,
    "refvos-tiny": 2_212_411,
    "refvos-small": 6_512_907,
    "refvos-deeplab101": 144_343_362,
    "hinet-tiny": 2_045_241,
    "hinet-small": 6_240_217,
    "hinet-resnet101": 54_296_833,
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_network_has_as_many_parameters_as_written_here(name: str) -> None:
    pieces = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
    config = CONFIGS[name](pieces if name == "refvos-deeplab101" else ("dog", "red"))
    with torch.device("meta"):
        network = build_network(config)
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS[name]
