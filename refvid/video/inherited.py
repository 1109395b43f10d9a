"""What an output inherits from its source beside the tracks: metadata, chapters, timecode, names and flags of tracks.

A container that does not hold something drops it without a word. So the header of the finished output is read back, and
what is missing is said.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
from av.container import InputContainer

from refvid.video.frame import VideoInfo
from refvid.video.time_range import TimeRange
from refvid.video.timecode import shifted_timecode

if TYPE_CHECKING:
    from av.container.core import Chapter

# Metadata about the container or the encoding itself rather than the content.
_TECHNICAL = frozenset(
    {"major_brand", "minor_version", "compatible_brands", "encoder", "software", "duration", "timecode"}
)
_TECHNICAL_OF_TRACKS = frozenset(
    {"encoder", "duration", "timecode", "vendor_id", "rotate", "alpha_mode", "stereo_mode", "language", "source_id"}
)
_STATISTICS = ("bps", "number_of_", "_statistics")  # beginnings of the names that mkvmerge gives
# Names that FFmpeg translates for each container.
_KNOWN = frozenset(
    {"album", "album_artist", "artist", "comment", "composer", "copyright", "creation_time", "date", "description"}
    | {
        "disc",
        "genre",
        "grouping",
        "language",
        "lyrics",
        "performer",
        "publisher",
        "show",
        "synopsis",
        "title",
        "track",
    }
)
_USUAL_HANDLERS = frozenset({"videohandler", "soundhandler", "subtitlehandler", "datahandler", "timecodehandler"})
# ISO 639-2's codes -> the ones by which FFmpeg finds the languages of QuickTime, which are numbers in MOV files.
_MOV_LANGUAGES = {
    "cze": "ces", "deu": "ger", "ell": "gre", "fre": "fra", "gle": "iri", "isl": "ice", "nld": "dut", "rum": "ron",
    "slo": "slk", "sqi": "alb", "swe": "sve", "zho": "chi",
}  # fmt: skip
_SAY_DEFAULTS = ("mov", "matroska")  # formats of sources that say which tracks play by default
_COVER = av.stream.Disposition.attached_pic
_QUICK = {"probesize": "32", "analyzeduration": "0"}  # the header alone


@dataclass(frozen=True)
class Inheritance:
    """What an output takes over from the header of its source.

    Attributes:
        texts: Metadata of the whole.
        chapters: Chapters with times of the output.
        timecode: Timecode of the output's first frame, if the source has one.
        picture: Metadata of the picture's track.
        flags: Disposition of the picture's track.
        says_defaults: Whether the source says which tracks play by default.
        has_cover: Whether the source has a cover picture.
    """

    texts: dict[str, str] = field(default_factory=dict)
    chapters: "Sequence[Chapter]" = ()
    timecode: str | None = None
    picture: dict[str, str] = field(default_factory=dict)
    flags: int = 0
    says_defaults: bool = False
    has_cover: bool = False


def inherit(source: InputContainer, picture: Any, info: VideoInfo, times: TimeRange) -> Inheritance:
    """Read what the output takes over.

    Args:
        source: The source.
        picture: Stream of its picture.
        info: Its description.
        times: Range of the source.
    """
    texts = {_usual(key): text for key, text in source.metadata.items() if key.lower() not in _TECHNICAL}
    timecode = _timecode([picture.metadata, source.metadata, *(each.metadata for each in source.streams)])
    if timecode is not None and times.first is not None:
        timecode = shifted_timecode(timecode, round((times.first - info.start_time) * info.frame_rate), info.frame_rate)
    return Inheritance(
        texts=texts,
        chapters=_chapters(source.chapters(), times, times.shift(info)),
        timecode=timecode,
        picture=_texts_of_track(picture.metadata),
        flags=int(picture.disposition),
        says_defaults=any(name in source.format.name for name in _SAY_DEFAULTS),
        has_cover=any(each.disposition & _COVER for each in source.streams.video),
    )


def describe_track(source: Any, copied: Any, container: str) -> None:
    """Give a track of the output the metadata and the flags (default, forced and so on) of its source."""
    copied.disposition = source.disposition
    set_texts(copied, _texts_of_track(source.metadata), container)


def set_texts(stream: Any, texts: dict[str, str], container: str) -> None:
    """Give a track its metadata; in MP4 and MOV, most players show the name of the handler as its title."""
    stream.metadata.update(texts)
    if container in ("mp4", "mov") and "title" in texts:
        stream.metadata["handler_name"] = texts["title"]
    if container == "mov" and (language := _MOV_LANGUAGES.get(texts.get("language", ""))) is not None:
        stream.metadata["language"] = language


def container_options(inherited: Inheritance, container: str) -> dict[str, str]:
    """Return the options of the muxer that let it hold more, by FFmpeg's names."""
    if container == "matroska":
        # By default the muxer marks the first track of each kind if the source marks none; subtitles would then show.
        return {"default_mode": "passthrough" if inherited.says_defaults else "infer_no_subs"}
    if container not in ("mp4", "mov") or not _lost_texts(inherited.texts, container):
        return {}
    # Metadata can have any names then, but there is no place for a cover beside them.
    return {} if inherited.has_cover and container == "mp4" else {"movflags": "faststart+use_metadata_tags"}


def tracks_of(container: Any) -> list[Any]:
    """Return the streams of a container that are tracks: neither covers nor attached files."""
    return [each for each in container.streams if each.type != "attachment" and not each.disposition & _COVER]


def missing(inherited: Inheritance, tracks: Sequence[dict[str, str]], output: Path, container: str) -> list[str]:
    """Return the names of what did not get into the output, from the header of the finished file.

    Args:
        inherited: What the output should take over.
        tracks: Metadata that were given to each track of the output.
        output: The output.
        container: FFmpeg's name of its format.
    """
    expected = list(inherited.texts)
    with av.open(str(output.absolute()), format=container, options=_QUICK, metadata_errors="replace") as written:
        names = _missing_texts(expected, written.metadata)
        found = []
        if inherited.timecode and _timecode([written.metadata, *(s.metadata for s in written.streams)]) is None:
            found.append("timecode")
        if (lost := len(inherited.chapters) - len(written.chapters())) > 0:
            found.append("chapters" if lost == len(inherited.chapters) else f"{lost} chapters")
        found += [
            f"{name} of track {index}"
            for index, (given, stream) in enumerate(zip(tracks, tracks_of(written), strict=False))
            for name in ("title", "language")
            if name in given and not _is_there(name, given[name], stream.metadata)
        ]
    if names:
        found.append(f"metadata {', '.join(names)}")
    return found


def _is_there(name: str, text: str, metadata: dict[str, str]) -> bool:
    """Return whether a track has a title or a language; MP4 and MOV call the title a name or a handler."""
    keys = ("language",) if name == "language" else ("title", "name", "handler_name")
    return any(metadata.get(key) == text for key in keys)


def _texts_of_track(metadata: dict[str, str]) -> dict[str, str]:
    """Return the metadata of a track that describe its content, under FFmpeg's usual names."""
    texts = {}
    for key, text in metadata.items():
        name = key.lower()
        if name == "handler_name" and text.lower() in _USUAL_HANDLERS:
            continue
        if name not in _TECHNICAL_OF_TRACKS and not name.startswith(_STATISTICS):
            texts["title" if name == "name" else key] = text  # MP4 and MOV call it a name
    language = metadata.get("language")
    return texts if language in (None, "und") else texts | {"language": str(language)}


def _chapters(chapters: "Iterable[Chapter]", times: TimeRange, shift: Fraction) -> "list[Chapter]":
    """Return the chapters that lie in the range, with the output's times, cut off at its ends."""
    kept: list[Chapter] = []
    for chapter in chapters:
        unit = Fraction(chapter["time_base"] or 1)
        start, end = chapter["start"] * unit, chapter["end"] * unit
        if times.first is not None:
            start = max(start, times.first)
        if times.last is not None:
            end = min(end, times.last)
        if start < end or (times.first is None and start == end):
            ticks = [round((moment - shift) / unit) for moment in (start, end)]
            kept.append({**chapter, "start": max(0, ticks[0]), "end": max(0, ticks[1]), "time_base": unit})
    return kept


def _usual(key: str) -> str:
    """Return the name of a metadatum as FFmpeg spells it; Matroska has capitals."""
    return key.lower() if key.lower() in _KNOWN else key


def _timecode(places: Iterable[dict[str, str]]) -> str | None:
    for metadata in places:
        for key, text in metadata.items():
            if key.lower() == "timecode":
                return text
    return None


def _lost_texts(texts: dict[str, str], container: str) -> list[str]:
    """Return the names of the metadata that a container of this format does not hold."""
    if not texts:
        return []
    content = BytesIO()
    with av.open(content, "w", format=container) as trial:
        trial.add_mux_stream("h264", rate=25, width=16, height=16)
        trial.metadata.update(texts)
        trial.start_encoding()
    with suppress(av.FFmpegError), av.open(BytesIO(content.getvalue()), metadata_errors="replace") as written:
        return _missing_texts(texts, written.metadata)
    return list(texts)


def _missing_texts(expected: Iterable[str], metadata: dict[str, str]) -> list[str]:
    present = {key.lower() for key in metadata}
    return [key for key in expected if key.lower() not in present]
