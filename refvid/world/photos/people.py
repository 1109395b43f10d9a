"""The sex of people in photos, for the words "man" and "woman".

For the Clothing Co-Parsing photos, it was noted by hand where clothes do not tell it; the set is recognised by its list
of labels, and a photo by its number. For other photos, clothes and long hair decide, and often it remains unknown.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_MEN = """
    0004 0028 0035 0039 0043 0046 0048 0051 0055 0060 0061 0065 0071 0115 0123 0138 0141 0149 0155 0182 0189 0191 0207
    0208 0217 0218 0231 0233 0240 0241 0245 0249 0252 0254 0261 0274 0292 0295 0296 0307 0311 0314 0317 0320 0347 0348
    0356 0362 0364 0391 0395 0399 0410 0415 0417 0427 0433 0434 0437 0446 0449 0455 0458 0459 0462 0465 0467 0469 0492
    0503 0505 0510 0523 0525 0529 0542 0551 0561 0566 0574 0582 0595 0596 0620 0654 0657 0678 0686 0698 0699 0702 0713
    0714 0735 0737 0739 0744 0775 0777 0778 0788 0789 0791 0794 0796 0802 0810 0815 0816 0818 0820 0822 0824 0831 0843
    0844 0861 0862 0864 0866 0868 0873 0878 0882 0902 0906 0915 0925 0944 0945 0947 0950 0952 0954 0956 0973 0981 0987
    0989
"""
_WOMEN = """
    0013 0015 0019 0037 0050 0054 0058 0059 0069 0073 0086 0105 0111 0122 0124 0125 0128 0135 0144 0150 0156 0161 0176
    0192 0196 0210 0213 0221 0243 0244 0277 0280 0281 0289 0294 0308 0321 0324 0328 0330 0332 0337 0338 0365 0366 0374
    0377 0398 0400 0401 0408 0409 0418 0432 0453 0457 0460 0474 0478 0497 0500 0508 0516 0520 0522 0530 0535 0539 0556
    0558 0559 0560 0569 0570 0579 0581 0589 0592 0603 0604 0609 0612 0629 0649 0650 0658 0662 0665 0670 0675 0682 0697
    0707 0710 0717 0721 0724 0727 0731 0745 0746 0747 0752 0758 0760 0764 0767 0770 0773 0781 0785 0790 0797 0799 0801
    0808 0814 0827 0834 0845 0850 0852 0857 0881 0885 0892 0895 0905 0913 0916 0917 0918 0928 0943 0951 0959 0975 0996
    0999
"""
# Photos in which the sex cannot be seen, although clothes would suggest one.
_UNKNOWN = "0291 0342 0367 0470 0475 0599 0743 0771 0838 0907 0926"

_ONLY_WOMEN_WEAR = frozenset({
    "bra", "dress", "heels", "panties", "pumps", "romper", "skirt", "stockings", "swimwear", "tights", "wedges",
})  # fmt: skip
# The number of labels of the set, and some of them by their positions, which no other set has.
_SET_LABELS = 59
_SET_MARKS = {0: "null", 6: "bodysuit", 12: "clogs", 35: "romper", 58: "wedges"}
_LONG_HAIR = 0.01  # minimum share of hair below the chin among the person's pixels
_CHIN = 0.16  # height of the head from the top to the chin, as a share of the stature


def known_sex(name: str, label_names: Sequence[str]) -> str | None:
    """Return the sex noted for a Clothing Co-Parsing photo, "man", "woman" or "unknown"; None if not noted."""
    if len(label_names) != _SET_LABELS or any(label_names[index] != label for index, label in _SET_MARKS.items()):
        return None
    for sex, photos in (("man", _MEN), ("woman", _WOMEN), ("unknown", _UNKNOWN)):
        if name in photos.split():
            return sex
    return None


def guess_sex(labels: npt.NDArray[np.uint8], label_names: Sequence[str]) -> str | None:
    """Return "woman" if clothes or long hair suggest it, and None otherwise, because no label suggests a man."""
    counts = np.bincount(labels.ravel(), minlength=len(label_names))
    person = int(counts[1:].sum())
    if any(counts[index] >= 0.002 * person for index, label in enumerate(label_names) if label in _ONLY_WOMEN_WEAR):
        return "woman"
    if "hair" not in label_names or not person:
        return None
    rows = np.flatnonzero((labels > 0).any(1))
    chin = int(rows[0] + _CHIN * (rows[-1] + 1 - rows[0]))
    low = int((labels[chin:] == label_names.index("hair")).sum())
    return "woman" if low >= _LONG_HAIR * person else None
