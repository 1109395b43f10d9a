"""Everything beside the picture travels where the container holds it, and one line says what does not."""

from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition
from av.subtitles.subtitle import AssSubtitle
from PIL import Image

from refvid.video.output_format import OutputFormat
from refvid.video.pcm_track import silent_sample
from refvid.video.probe import probe
from refvid.video.reader import open_reader
from refvid.video.timecode import shifted_timecode
from refvid.video.writer import WriterOptions, open_writer
from tests.clips import make_clip

MILLISECOND = Fraction(1, 1000)
LINES = [(200, 300, "hello"), (600, 300, "bye")]  # start, duration, text
CHAPTERS = [(0, 400, "One"), (400, 1000, "Two")]
FORCED = Disposition.forced | Disposition.hearing_impaired


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of picture with two sound tracks, subtitles, chapters, a font, a cover, a timecode and metadata."""
    folder = tmp_path_factory.mktemp("rich")
    plain = make_clip(folder / "plain.mkv", frames=25, audio="aac")
    with av.open(str(plain)) as source, av.open(
        str(folder / "rich.mkv"), "w", options={"default_mode": "passthrough"}
    ) as output:  # fmt: skip
        picture: Any = output.add_stream_from_template(source.streams.video[0])
        sounds: list[Any] = [output.add_stream_from_template(source.streams.audio[0]) for _ in range(2)]
        words: Any = output.add_mux_stream("subrip")
        words.time_base = MILLISECOND
        output.add_attachment("font.ttf", "font/ttf", b"a font")
        output.add_attachment("cover.png", "image/png", cover())
        picture.disposition, sounds[1].disposition, words.disposition = Disposition.default, Disposition.default, FORCED
        picture.metadata["timecode"] = "01:00:00:00"
        sounds[0].metadata["language"] = "eng"
        sounds[1].metadata.update(language="deu", title="Kommentar")
        words.metadata.update(language="fra", title="Untertitel")
        output.metadata.update(title="Film", artist="Me", MY_KEY="own")
        output.set_chapters(
            [
                {"id": number + 1, "start": start, "end": end, "time_base": MILLISECOND, "metadata": {"title": title}}
                for number, (start, end, title) in enumerate(CHAPTERS)
            ]
        )
        for start, duration, text in LINES:
            output.mux(timed(av.Packet(text.encode()), start, duration, words))
        for packet in source.demux():
            if packet.size and packet.stream.type == "audio":
                twin: Any = av.Packet(bytes(packet))
                twin.pts, twin.dts, twin.time_base, twin.stream = packet.pts, packet.dts, packet.time_base, sounds[1]
                output.mux(twin)
            if packet.size:
                packet.stream = sounds[0] if packet.stream.type == "audio" else picture
                output.mux(packet)
    return folder / "rich.mkv"


def timed(packet: Any, start: int, duration: int, stream: Any) -> Any:
    packet.pts = packet.dts = start
    packet.duration, packet.time_base, packet.stream = duration, MILLISECOND, stream
    return packet


def cover() -> bytes:
    content = BytesIO()
    Image.new("RGB", (16, 16), "red").save(content, "PNG")
    return content.getvalue()


def convert(source: Path, output: Path, times: tuple[Fraction, Fraction] | None = None, **options: Any) -> list[str]:
    info = probe(source)
    first, last = times or (None, None)
    found = np.zeros((1, info.height, info.width), bool)
    with open_reader(source, reader="pyav") as reader, open_writer(
        output, OutputFormat.MATTE, info, ["a"], WriterOptions(**options), first_time=first, last_time=last
    ) as writer:  # fmt: skip
        for frame in reader:
            if first is None or last is None or first <= frame.time < last:
                writer.write(frame, found)
    return writer.notes


def chapters(path: Path) -> list[tuple[int, int, str]]:
    with av.open(str(path)) as container:
        return [
            (
                round(each["start"] * Fraction(each["time_base"] or 0) * 1000),
                round(each["end"] * Fraction(each["time_base"] or 0) * 1000),
                each["metadata"].get("title", ""),
            )
            for each in container.chapters()
        ]


def lines(path: Path) -> list[tuple[int, int, str]]:
    """Start and duration in milliseconds and text of every line of the first subtitles."""
    found = []
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[0]
        for packet in container.demux(stream):
            shown = stream.decode2(packet) if packet.size else None
            for line in shown or ():
                start, duration = (
                    round((each or 0) * packet.time_base * 1000) for each in (packet.pts, packet.duration)
                )
                assert isinstance(line, AssSubtitle)
                found.append((start, duration, line.dialogue.decode()))
    return found


def described(path: Path) -> list[tuple[str, str | None, str | None, int]]:
    """Type, language, title and disposition of each track of sound and subtitles."""
    with av.open(str(path)) as container:
        return [
            (
                stream.type,
                stream.metadata.get("language"),
                stream.metadata.get("title", stream.metadata.get("name")),
                int(stream.disposition),
            )
            for stream in container.streams
            if stream.type in ("audio", "subtitle")
        ]


def timecode(path: Path) -> str | None:
    with av.open(str(path)) as container:
        texts = {key.lower(): text for key, text in container.streams.video[0].metadata.items()}
        return texts.get("timecode")


def test_matroska_keeps_everything(rich: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mkv"
    assert convert(rich, output) == []
    assert chapters(output) == chapters(rich) == CHAPTERS
    assert lines(output) == lines(rich) == LINES
    assert described(output) == described(rich)
    assert [each[3] for each in described(output)] == [0, Disposition.default, FORCED]
    assert timecode(output) == "01:00:00:00"
    with av.open(str(output)) as container:
        assert {key.lower(): text for key, text in container.metadata.items() if key != "ENCODER"} == {
            "title": "Film",
            "artist": "Me",
            "my_key": "own",
        }
        assert [(each.name, bytes(each.data)) for each in container.streams.attachments] == [("font.ttf", b"a font")]
        covers = [each for each in container.streams.video if each.disposition & Disposition.attached_pic]
        assert bytes(next(container.demux(covers))) == cover()


@pytest.mark.parametrize(
    ("suffix", "kind", "left_out"),
    [
        (".mp4", "mov_text", "attached file font.ttf, metadata MY_KEY"),
        (".mov", "mov_text", "attached file font.ttf, cover picture"),
        (".webm", "webvtt", "attached file font.ttf, cover picture"),
    ],
)
def test_other_containers_convert_subtitles_and_say_what_they_leave_out(
    rich: Path, tmp_path: Path, suffix: str, kind: str, left_out: str
) -> None:
    output = tmp_path / f"out{suffix}"
    notes = convert(rich, output)
    assert notes[-2:] == [
        f"the subtitles were converted from subrip to {kind}, because {suffix} files do not hold subrip",
        f"left out, because {suffix} files do not hold it: {left_out}",
    ]
    assert chapters(output) == CHAPTERS
    assert lines(output) == LINES
    languages = ["eng", "ger" if suffix == ".mov" else "deu", "fra"]
    assert [each[1] for each in described(output)] == languages
    assert [each[2] for each in described(output)] == [None, "Kommentar", "Untertitel"]
    assert [each[3] & Disposition.default for each in described(output)][:2] == [0, Disposition.default]
    assert described(output)[2][3] & Disposition.default == 0, "subtitles that nobody asked for stay hidden"
    assert timecode(output) == "01:00:00:00"


def test_gif_says_in_one_line_what_it_leaves_out(rich: Path, tmp_path: Path) -> None:
    assert convert(rich, tmp_path / "out.gif") == [
        "the sound in aac was left out, because .gif files do not hold it",
        "left out, because .gif files do not hold it: subtitles in subrip, attached file font.ttf, cover picture, "
        "timecode, chapters, metadata title, MY_KEY, artist",
    ]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov", ".webm"])
def test_a_range_cuts_chapters_subtitles_and_timecode(rich: Path, tmp_path: Path, suffix: str) -> None:
    output = tmp_path / f"out{suffix}"
    convert(rich, output, (Fraction(360, 1000), Fraction(800, 1000)))
    assert chapters(output) == [(0, 40, "One"), (40, 440, "Two")]
    assert lines(output) == [(0, 140, "hello"), (240, 300, "bye")]
    assert timecode(output) == "01:00:00:09"


def test_without_sound_the_subtitles_stay(rich: Path, tmp_path: Path) -> None:
    convert(rich, tmp_path / "out.mkv", audio=False)
    assert [each[0] for each in described(tmp_path / "out.mkv")] == ["subtitle"]
    assert lines(tmp_path / "out.mkv") == LINES


def test_a_cover_travels_between_mp4_and_matroska(rich: Path, tmp_path: Path) -> None:
    convert(rich, tmp_path / "a.mp4")
    convert(tmp_path / "a.mp4", tmp_path / "b.mp4")
    convert(tmp_path / "b.mp4", tmp_path / "c.mkv")
    for name in ("a.mp4", "b.mp4", "c.mkv"):
        with av.open(str(tmp_path / name)) as container:
            found = [each for each in container.streams.video if each.disposition & Disposition.attached_pic]
            assert bytes(next(container.demux(found))) == cover()


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_metadata_of_any_name(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"in{suffix}"
    texts = {"title": "Film", "com.apple.quicktime.make": "Apple"}
    with av.open(str(make_clip(tmp_path / "plain.mp4", frames=3))) as plain, av.open(
        str(source), "w", options={"movflags": "use_metadata_tags"}
    ) as output:  # fmt: skip
        output.metadata.update(texts)
        copied: Any = output.add_stream_from_template(plain.streams.video[0])
        for packet in plain.demux():
            if packet.size:
                packet.stream = copied
                output.mux(packet)
    assert convert(source, tmp_path / f"out{suffix}") == []
    with av.open(str(tmp_path / f"out{suffix}")) as container:
        assert {key: container.metadata.get(key) for key in texts} == texts


def count_out(timecode: str, frames: int, nominal: int, dropped: int) -> str:
    """Count frame by frame, as SMPTE ST 12-1 describes it."""
    hours, minutes, seconds, frame = (int(timecode[place : place + 2]) for place in (0, 3, 6, 9))
    for _ in range(frames):
        frame += 1
        if frame == nominal:
            frame, seconds = 0, seconds + 1
        if seconds == 60:
            seconds, minutes = 0, minutes + 1
            if minutes % 10:
                frame = dropped
        if minutes == 60:
            minutes, hours = 0, (hours + 1) % 24
    return f"{hours:02}:{minutes:02}:{seconds:02}{timecode[8]}{frame:02}"


@pytest.mark.parametrize("frames", [0, 1, 17, 1798, 1799, 1800, 17_982, 40_001])
@pytest.mark.parametrize(
    ("timecode", "rate", "dropped"),
    [
        ("00:00:00;00", Fraction(30_000, 1001), 2),
        ("00:08:59;20", Fraction(30_000, 1001), 2),
        ("23:59:30;00", Fraction(60_000, 1001), 4),
        ("00:59:59:20", Fraction(25), 0),
        ("10:09:58:02", Fraction(24_000, 1001), 0),
    ],
)
def test_timecodes_are_counted_on(timecode: str, rate: Fraction, dropped: int, frames: int) -> None:
    assert shifted_timecode(timecode, frames, rate) == count_out(timecode, frames, round(rate), dropped)


def test_timecodes_that_cannot_be_read_stay() -> None:
    assert shifted_timecode("noon", 5, Fraction(25)) == "noon"


def with_pcm(path: Path, packets: list[int], codec: str = "pcm_s16le") -> Path:
    """Write 2 s of picture and packets of a loud tone of 0.1 s each, at these times in milliseconds."""
    plain = make_clip(path.with_name("plain.mkv"), frames=50)
    high, low = {
        "pcm_s16le": (b"\x00\x40", b"\x00\xc0"),
        "pcm_s24le": (b"\x00\x00\x40", b"\x00\x00\xc0"),
        "pcm_u8": (b"\xc0", b"\x40"),
    }[codec]
    tone = (high * 10 + low * 10) * 40  # 400 Hz
    with av.open(str(plain)) as source, av.open(str(path), "w") as output:
        picture: Any = output.add_stream_from_template(source.streams.video[0])
        sound: Any = output.add_stream(codec, rate=8000, layout="mono")
        for packet in source.demux():
            if packet.size:
                packet.stream = picture
                output.mux(packet)
        for start in packets:
            output.mux(timed(av.Packet(tone), start, 100, sound))
    return path


def loud(path: Path) -> list[int]:
    """The tenths of a second in which there is a tone in the middle of them."""
    found = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            samples = frame.to_ndarray().reshape(-1)
            levels = samples.astype(float) - (128 if frame.format.name == "u8" else 0)
            moments = float(frame.time or 0) + np.arange(frame.samples) / frame.sample_rate
            heard = moments[np.abs(levels[: frame.samples]) > 0.2 * np.abs(levels).max(initial=1)]
            found += [int(tenth) for tenth in heard * 10 if 0.3 < tenth % 1 < 0.7]
    return sorted(set(found))


HOLE = [0, 100, 200, 900, 1000]


@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_s24le"])
@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov", ".webm"])
def test_sound_behind_a_hole_keeps_its_time(tmp_path: Path, codec: str, suffix: str) -> None:
    source = with_pcm(tmp_path / "in.mkv", HOLE, codec)
    convert(source, tmp_path / f"out{suffix}")
    assert loud(tmp_path / f"out{suffix}") == loud(source) == [0, 1, 2, 9, 10]


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s16le"])
def test_other_samples_in_mov(tmp_path: Path, codec: str) -> None:
    source = with_pcm(tmp_path / "in.mkv", HOLE, codec)
    assert convert(source, tmp_path / "out.mov") == []
    assert loud(tmp_path / "out.mov") == [0, 1, 2, 9, 10]
    assert probe(tmp_path / "out.mov").audio == (codec,)


def test_rounded_times_are_no_holes(tmp_path: Path) -> None:
    source = with_pcm(tmp_path / "in.mkv", [0, 101, 200, 299, 400])
    convert(source, tmp_path / "out.mov")
    with av.open(str(tmp_path / "out.mov")) as container:
        assert sum(packet.size for packet in container.demux(audio=0)) == 5 * 800 * 2


def test_samples_that_come_twice_are_left_out(tmp_path: Path) -> None:
    source = with_pcm(tmp_path / "in.mkv", [0, 100, 150, 900])
    convert(source, tmp_path / "out.mov")
    assert loud(tmp_path / "out.mov") == [0, 1, 2, 9]


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_late_sound_and_sound_of_a_range(tmp_path: Path, suffix: str) -> None:
    source = with_pcm(tmp_path / "in.mkv", [700, 800, 1500])
    convert(source, tmp_path / f"late{suffix}")
    assert loud(tmp_path / f"late{suffix}") == [7, 8, 15]
    convert(source, tmp_path / f"cut{suffix}", (Fraction(4, 5), Fraction(2)))
    assert loud(tmp_path / f"cut{suffix}") == [0, 7]


@pytest.mark.parametrize(
    ("codec", "silence"),
    [
        ("pcm_s16le", b"\0\0"),
        ("pcm_f32be", b"\0\0\0\0"),
        ("pcm_u8", b"\x80"),
        ("pcm_u16be", b"\x80\0"),
        ("pcm_u16le", b"\0\x80"),
        ("pcm_mulaw", b"\xff"),
        ("pcm_s16le_planar", None),
        ("aac", None),
    ],
)
def test_silence(codec: str, silence: bytes | None) -> None:
    assert silent_sample(codec) == silence
