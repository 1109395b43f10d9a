"""The matrix between YUV and RGB: the one that the footage names, else the one that players assume.

Most footage of cameras names its matrix, but much of what editors, screen recorders and old tools write does not.
FFmpeg's converter then takes BT.601, whatever the size. Players do not: they go by the size of the picture. The pixels
of a picture survive either way, because they are read and written with the same matrix; but a colour that is drawn, as
the background of a cut-out, is right only if refvid assumes what the player assumes.
"""

from collections.abc import Mapping
from typing import Literal

from refvid.video.frame import VideoInfo

ColourMatrix = Literal["auto", "bt601", "bt709", "bt2020"]

UNSPECIFIED = 2
RGB_PIXELS = ("rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "pal8")
_NO_MATRIX = (*RGB_PIXELS, "gray", "ya", "mono")  # beginnings of the names of pixel formats

# H.273's code numbers of the matrices that can be asked for; code 6 is BT.601 with the primaries of NTSC.
_CODES: Mapping[str, int] = {"bt601": 6, "bt709": 1, "bt2020": 9}
_SPOKEN: Mapping[int, str] = {6: "BT.601", 1: "BT.709", 9: "BT.2020"}
# H.273's matrix codes -> swscale's; all others are converted as BT.601, as swscale does.
_SWSCALE_MATRICES: Mapping[int, int] = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
_SWSCALE_BT601 = 5
# H.273's primaries -> matrix; PQ and HLG, two transfer characteristics, come with BT.2020 only.
_MATRIX_OF_PRIMARIES: Mapping[int, int] = {1: 1, 5: 6, 6: 6, 9: 9}
_HDR_TRANSFERS = frozenset({16, 18})
# A picture larger than either is HD, as mpv and VLC count it: 576 lines are the most that SD has.
_SD_WIDTH, _SD_HEIGHT = 1279, 576


def matrix_code(name: ColourMatrix) -> int | None:
    """Return H.273's code number of a matrix that the user names; None for "auto"."""
    return _CODES.get(name)


def is_untagged(info: VideoInfo) -> bool:
    """Return whether a video needs a matrix and does not name one."""
    return info.kind == "video" and info.colour.matrix == UNSPECIFIED and not info.pixel_format.startswith(_NO_MATRIX)


def shown_matrix(info: VideoInfo) -> int:
    """Return H.273's code number of the matrix that players show a video with.

    It is the tagged one. Without a tag it follows from the primaries or the transfer characteristics, where at least
    these are tagged, and else from the size: BT.601 for SD, BT.709 for HD and UHD.
    """
    tags = info.colour
    if tags.matrix != UNSPECIFIED:
        return tags.matrix
    if tags.transfer in _HDR_TRANSFERS:
        return _CODES["bt2020"]
    if (implied := _MATRIX_OF_PRIMARIES.get(tags.primaries)) is not None:
        return implied
    # The stored picture counts: a clip filmed upright is as large as one that was not.
    width, height = (info.height, info.width) if info.rotation in (90, 270) else (info.width, info.height)
    return _CODES["bt709" if width > _SD_WIDTH or height > _SD_HEIGHT else "bt601"]


def swscale_matrix(code: int) -> int:
    """Return swscale's number of a matrix, given H.273's."""
    return _SWSCALE_MATRICES.get(code, _SWSCALE_BT601)


def is_bt601(info: VideoInfo) -> bool:
    """Return whether a video is shown with BT.601, which FFmpeg's converter takes where nothing is said."""
    return swscale_matrix(shown_matrix(info)) == _SWSCALE_BT601


def assumption(info: VideoInfo) -> str:
    """Return the sentence that says how an untagged video is taken."""
    return (
        f"{info.path} names no colour matrix; it is taken for {_SPOKEN[shown_matrix(info)]}, as players take "
        f"{info.width}x{info.height} (--colour-matrix sets it)"
    )
