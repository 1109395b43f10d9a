"""Sound travels packet for packet, is cut with the picture, and is transcoded only where it must be."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.container import InputContainer

from refvid.video.output_format import OutputFormat
from refvid.video.probe import open_container, probe
from refvid.video.reader import open_reader
from refvid.video.writer import WriterOptions, open_writer
from tests.clips import make_clip
from tests.video.test_video_writer import Clip, copy, latest, sound, times


def tone_power(path: Path, start: float, end: float) -> float:
    """Root mean square of the decoded sound between two times in seconds."""
    samples = []
    with av.open(str(path)) as container:
        for decoded in container.decode(audio=0):
            moments = float(decoded.time or 0) + np.arange(decoded.samples) / decoded.sample_rate
            values = decoded.to_ndarray().reshape(-1, decoded.samples if decoded.format.is_planar else 1)[0]
            if values.dtype == np.int16:
                values = values / 32768
            samples.append(values[(moments >= start) & (moments < end)])
    return float(np.sqrt(np.mean(np.concatenate(samples) ** 2)))


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("name", ["sound.mp4", "offset.mp4", "variable_sound.mp4"])
def test_packets_are_copied_untouched(clip: Clip, tmp_path: Path, name: str, suffix: str) -> None:
    output = tmp_path / f"out{suffix}"
    _, frames, notes = copy(clip(name), output)
    before, after = sound(clip(name)), sound(output)
    assert [content for _, content in after] == [content for _, content in before]
    tolerance = Fraction(1, 2000) if suffix == ".mkv" else Fraction(1, 12_800)
    assert latest([moment for moment, _ in after], [moment for moment, _ in before]) <= tolerance
    assert latest(times(output), [shown.time for shown in frames]) <= Fraction(1, 2000)
    assert notes == []


def test_opus_stays_in_webm(clip: Clip, tmp_path: Path) -> None:
    copy(clip("vp9.webm"), tmp_path / "a.webm")
    assert sound(tmp_path / "a.webm") == sound(clip("vp9.webm"))


def test_no_audio_drops_it(clip: Clip, tmp_path: Path) -> None:
    copy(clip("sound.mp4"), tmp_path / "a.mp4", audio=False)
    assert probe(tmp_path / "a.mp4").audio == ()


def test_transparent_videos_have_sound_too(clip: Clip, tmp_path: Path) -> None:
    copy(clip("sound.mp4"), tmp_path / "a.mov", "alpha")
    assert sound(tmp_path / "a.mov") == sound(clip("sound.mp4"))


@pytest.mark.parametrize(
    ("name", "suffix", "codec", "note"),
    [
        (
            "sound.mp4",
            ".webm",
            "opus",
            "the sound was transcoded from aac to opus, because .webm files do not hold aac",
        ),
        ("vp9.webm", ".mov", "aac", "because .mov files do not hold this kind of opus"),
    ],
)
def test_sound_that_the_container_refuses_is_transcoded(
    clip: Clip, tmp_path: Path, name: str, suffix: str, codec: str, note: str
) -> None:
    output = tmp_path / f"a{suffix}"
    _, frames, notes = copy(clip(name), output)
    assert len(notes) == 1
    assert note in notes[0]
    assert probe(output).audio == (codec,)
    assert latest(times(output), [shown.time for shown in frames]) <= Fraction(1, 2000)
    assert tone_power(output, 0.1, 1.0) == pytest.approx(tone_power(clip(name), 0.1, 1.0), rel=0.1)


def test_transcoded_sound_keeps_its_offset(clip: Clip, tmp_path: Path) -> None:
    copy(clip("offset.mp4"), tmp_path / "a.webm")
    with av.open(str(tmp_path / "a.webm")) as container:
        assert float(next(container.decode(audio=0)).time or 0) == pytest.approx(5, abs=0.03)


def test_gif_says_that_it_has_no_sound(clip: Clip, tmp_path: Path) -> None:
    _, _, notes = copy(clip("sound.mp4"), tmp_path / "a.gif")
    assert notes == ["the sound in aac was left out, because .gif files do not hold it"]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_a_range_cuts_sound_and_starts_at_zero(tmp_path: Path, suffix: str) -> None:
    source = make_clip(tmp_path / "in.mp4", frames=100, audio="aac", start=2)
    info, first, last = probe(source), Fraction(3), Fraction(9, 2)
    output = tmp_path / f"out{suffix}"
    found = np.ones((1, info.height, info.width), bool)
    with open_writer(
        output, OutputFormat.MATTE, info, ["a"], WriterOptions(), first_time=first, last_time=last
    ) as writer:
        for shown in open_reader(source, reader="pyav"):
            if first <= shown.time < last:
                writer.write(shown, found)
    assert latest(times(output), [Fraction(index, 25) for index in range(37 + 1)]) <= Fraction(1, 2000)
    packets = sound(output)
    assert -0.05 < packets[0][0] <= 0.001
    assert 1.4 < packets[-1][0] < 1.52  # an encoder fills its last packet up
    if suffix != ".webm":
        copied = {content for _, content in sound(source)}
        assert all(content in copied for _, content in packets)


def test_sound_longer_or_shorter_than_the_picture_is_kept_whole(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", frames=50, audio="aac")
    info = probe(source)
    found = np.ones((1, info.height, info.width), bool)
    with open_writer(tmp_path / "short.mp4", OutputFormat.MATTE, info, ["a"], WriterOptions()) as writer:
        for shown in open_reader(source, reader="pyav"):
            if shown.index < 10:
                writer.write(shown, found)
    assert sound(tmp_path / "short.mp4") == sound(source)
    assert len(times(tmp_path / "short.mp4")) == 10


def test_all_streams_travel_with_their_languages(tmp_path: Path) -> None:
    source = tmp_path / "two.mkv"
    single = make_clip(tmp_path / "one.mkv", audio="aac")
    with av.open(str(single)) as original, av.open(str(source), "w") as container:
        streams: list[Any] = [container.add_stream_from_template(original.streams.video[0])]
        streams += [container.add_stream_from_template(original.streams.audio[0]) for _ in range(2)]
        streams[1].metadata["language"], streams[2].metadata["language"] = "deu", "eng"
        for packet in list(original.demux()):
            if packet.dts is None:
                continue
            if packet.stream.type == "audio":
                twin = av.Packet(bytes(packet))
                twin.pts, twin.dts, twin.time_base, twin.stream = packet.pts, packet.dts, packet.time_base, streams[2]
                container.mux(twin)
            packet.stream = streams[1] if packet.stream.type == "audio" else streams[0]
            container.mux(packet)
    copy(source, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert [stream.metadata["language"] for stream in container.streams.audio] == ["deu", "eng"]
    for stream in (0, 1):
        assert [content for _, content in sound(tmp_path / "out.mp4", stream)] == [
            content for _, content in sound(source, stream)
        ]


class WatchedContainer:
    """An input container that notes when, in seconds, each packet begins that is read from it."""

    def __init__(self, container: InputContainer, read: list[Fraction]) -> None:
        self._container, self._read = container, read

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def demux(self, *streams: Any) -> Iterator[Any]:
        for packet in self._container.demux(*streams):
            if packet.pts is not None:
                self._read.append(packet.pts * packet.time_base)
            yield packet


def test_sound_is_read_no_further_than_the_picture(clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_clip(tmp_path / "long.mp4", frames=200, audio="aac")
    read: list[Fraction] = []

    @contextmanager
    def watched(path: Path) -> Iterator[WatchedContainer]:
        with open_container(path) as container:
            yield WatchedContainer(container, read)

    monkeypatch.setattr("refvid.video.side_tracks.open_container", watched)
    info = probe(source)
    found = np.ones((1, info.height, info.width), bool)
    with open_writer(tmp_path / "a.mp4", OutputFormat.MATTE, info, ["a"], WriterOptions()) as writer:
        for shown in open_reader(source, reader="pyav"):
            writer.write(shown, found)
            assert read[-1] <= shown.time + Fraction(3, 5)
    assert read[-1] > Fraction(79, 10)
