"""A2D Sentences as downloaded, and world folders in its layout."""

from pathlib import Path

from refvid.data.a2d_survey import survey_split
from refvid.data.catalogue import check_choice
from refvid.data.referring import ReferringSet, Rules

RULES = {
    "mttr": Rules(),  # IoU > K; two empty masks have an IoU of 1
    "refvos": Rules(inclusive=True, empty="zero"),  # IoU >= K; two empty masks have an IoU of 0
}


def open_a2d(root: Path, split: str, protocol: str) -> ReferringSet:
    """Open a split of A2D Sentences (Gavrilyuk et al., CVPR 2018) without reading any mask or video.

    Each part is searched for in the root, in `Release/` and in `text_annotations/`; videos are clips in `clips320H` or
    `CLIPS320`, or folders of frames in `pngs320H`. "mttr" needs to know the instances in each annotated frame, so it
    opens all h5 files of the split: about 3,800 in the original test split.

    Args:
        root: Folder that holds the data set.
        split: "train" or "test", according to the ninth column of videoset.csv.
        protocol: "mttr" evaluates a sentence in the annotated frames that contain its instance, "refvos" in all
            annotated frames of the video, where the mask of an absent instance is empty.

    Raises:
        RefvidError: Parts of the data set are missing, or nothing is left of the split.
        UnavailableError: h5py is not installed.
        UsageError: The data set has no such split or protocol.
    """
    info = check_choice("a2d", split, protocol)
    survey = survey_split(root, split, protocol)
    return ReferringSet(info.title, split, protocol, RULES[protocol], tuple(survey.videos), notes=survey.notes())
