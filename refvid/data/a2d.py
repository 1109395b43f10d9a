"""A2D Sentences as it is downloaded, and every world folder in its layout."""

from pathlib import Path

from refvid.data.a2d_survey import survey_split
from refvid.data.referring import ReferringSet, Rules
from refvid.data.sets import check_choice

RULES = {
    "mttr": Rules(),  # IoU > K; two empty masks are equal
    "refvos": Rules(inclusive=True, empty="zero"),  # IoU >= K; nothing found where nothing is scores 0
}


def open_a2d(root: Path, split: str, protocol: str) -> ReferringSet:
    """Open a split of A2D Sentences (Gavrilyuk et al., CVPR 2018); no mask and no video is read yet.

    Each part is looked for in the root, in `Release/` and in `text_annotations/`; videos are clips in `clips320H` or
    `CLIPS320`, or else folders of frames in `pngs320H`. "mttr" needs to know which instances each annotated frame
    has, and opens all the h5 files of the split for that: about 3,800 of the original's test split.

    Args:
        root: The folder that holds the data set.
        split: "train" or "test", by the ninth column of videoset.csv.
        protocol: "mttr" counts a sentence in the frames that its instance is in; "refvos" in all annotated frames of
            the video, where an absent instance is an empty mask.

    Raises:
        RefvidError: Parts of the data set are missing, or nothing is left of the split.
        UnavailableError: h5py is not installed.
        UsageError: The split or the protocol is not one of the data set's.
    """
    info = check_choice("a2d", split, protocol)
    survey = survey_split(root, split, protocol)
    return ReferringSet(info.title, split, protocol, RULES[protocol], tuple(survey.videos), notes=survey.notes())
