"""Reading audio: the same song at the same time from every format, and streamed without seams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from mix2midi.audio import AudioArray, AudioFile, read_audio
from tests.clicks import CLICKS_S, RATE_HZ, click_onsets_s, click_track, encode

# Time zero


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("clicks.mp3", "libmp3lame"),
        ("clicks.m4a", "aac"),
        ("clicks.mp4", "aac"),
        ("clicks.mkv", "aac"),
        ("lossless.m4a", "alac"),
        ("clicks.mka", "libmp3lame"),
        ("clicks.ogg", None),
        ("clicks.flac", None),
        ("clicks.aiff", None),
    ],
)
def test_same_clicks_at_the_same_time_in_every_format(tmp_path: Path, name: str, codec: str | None) -> None:
    samples = click_track()
    wav, other = tmp_path / "clicks.wav", tmp_path / name
    soundfile.write(wav, samples.T, RATE_HZ)
    if codec is None:
        soundfile.write(other, samples.T, RATE_HZ)
    else:
        encode(other, samples, codec)
    np.testing.assert_allclose(click_onsets_s(wav), CLICKS_S, atol=0.0005)
    np.testing.assert_allclose(click_onsets_s(other), click_onsets_s(wav), atol=0.003)


@pytest.mark.parametrize("name", ["clicks.opus", "clicks.webm"])
def test_opus_skips_its_pre_roll(tmp_path: Path, name: str) -> None:
    path = encode(tmp_path / name, click_track(rate_hz=48000), "libopus", rate_hz=48000)
    np.testing.assert_allclose(click_onsets_s(path), CLICKS_S, atol=0.003)


def test_mp3_at_another_rate_is_compensated_too(tmp_path: Path) -> None:
    path = encode(tmp_path / "clicks.mp3", click_track(rate_hz=22050), "libmp3lame", rate_hz=22050)
    np.testing.assert_allclose(click_onsets_s(path), CLICKS_S, atol=0.003)


def test_aac_at_a_low_rate_is_not_taken_for_cut_off(tmp_path: Path) -> None:
    path = encode(tmp_path / "clicks.mka", click_track(rate_hz=8000), "aac", rate_hz=8000)
    np.testing.assert_allclose(click_onsets_s(path), CLICKS_S, atol=0.01)


@pytest.mark.parametrize("pieces", [1, 5])
def test_what_lies_between_the_frames_of_an_mp3_moves_nothing(tmp_path: Path, pieces: int) -> None:
    """As joined files have it: a decoder loses a frame at each, and what follows is not to come earlier."""
    clean = encode(tmp_path / "clean.mp3", click_track(), "libmp3lame", write_xing="0", id3v2_version="0")
    data = clean.read_bytes()
    starts = [0]
    while starts[-1] + 4 < len(data):
        assert data[starts[-1]] == 0xFF and data[starts[-1] + 2] >> 4 == 9, "a frame of 128 kbit/s"
        starts.append(starts[-1] + 144 * 128_000 // RATE_HZ + (data[starts[-1] + 2] >> 1 & 1))
    cuts = [starts[5 + 3 * number] for number in range(pieces)]
    joined = b"TAG".ljust(128, b"\0").join(data[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True))
    (tmp_path / "joined.mp3").write_bytes(joined)
    np.testing.assert_allclose(click_onsets_s(tmp_path / "joined.mp3")[-1], click_onsets_s(clean)[-1], atol=0.003)


def test_mp3_without_lame_tag_keeps_what_every_player_plays(tmp_path: Path) -> None:
    path = encode(tmp_path / "clicks.mp3", click_track(), "libmp3lame", write_xing="0")
    np.testing.assert_allclose(click_onsets_s(path), CLICKS_S + 1105 / RATE_HZ, atol=0.003)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_that_starts_late_in_a_video_stays_late(tmp_path: Path, suffix: str) -> None:
    path = encode(tmp_path / f"late{suffix}", click_track(), "aac", with_video=True, late_s=0.5)
    np.testing.assert_allclose(click_onsets_s(path), CLICKS_S + 0.5, atol=0.003)


# What can be read


@pytest.mark.parametrize(
    ("subtype", "tolerance"),
    [("PCM_U8", 0.01), ("PCM_16", 1e-4), ("PCM_24", 1e-6), ("PCM_32", 1e-6), ("FLOAT", 1e-7), ("DOUBLE", 1e-7)],
)
def test_every_sample_width(tmp_path: Path, subtype: str, tolerance: float) -> None:
    samples = click_track()
    soundfile.write(tmp_path / "clicks.wav", samples.T, RATE_HZ, subtype=subtype)
    np.testing.assert_allclose(read_audio(tmp_path / "clicks.wav"), samples, atol=tolerance)


def test_64_bit_integers(tmp_path: Path) -> None:
    samples = click_track()
    path = tmp_path / "clicks.wav"
    header = b"RIFF\xff\xff\xff\xffWAVEfmt " + (16).to_bytes(4, "little")
    for value, width in ((1, 2), (2, 2), (RATE_HZ, 4), (RATE_HZ * 16, 4), (16, 2), (64, 2)):
        header += value.to_bytes(width, "little")
    data = (samples.T.astype(np.float64) * 2**62).astype("<i8").tobytes()
    path.write_bytes(header + b"data" + len(data).to_bytes(4, "little") + data)
    np.testing.assert_allclose(read_audio(path), samples / 2, atol=1e-6)


@pytest.mark.parametrize("rate_hz", [8000, 22050, 48000, 96000, 192000])
def test_every_sampling_rate(tmp_path: Path, rate_hz: int) -> None:
    soundfile.write(tmp_path / "clicks.wav", click_track(rate_hz=rate_hz, channels=1).T, rate_hz)
    np.testing.assert_allclose(click_onsets_s(tmp_path / "clicks.wav"), CLICKS_S, atol=0.003)


def test_downmix_of_eight_channels_is_their_mean(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, (8, 1000)).astype(np.float32)
    soundfile.write(tmp_path / "eight.wav", samples.T, RATE_HZ, subtype="FLOAT")
    audio = AudioFile(tmp_path / "eight.wav")
    assert (audio.channels, audio.rate_hz) == (8, RATE_HZ)
    np.testing.assert_allclose(read_audio(audio, mono=True)[0], samples.mean(axis=0), atol=1e-6)
    np.testing.assert_array_equal(read_audio(audio, mono=False), samples)


@pytest.mark.parametrize("name", ['it\'s "a" song.wav', "Ü ber größe.flac", "a:b, 100%.m4a", "日本.mp3"])
def test_awkward_names(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if path.suffix in (".wav", ".flac"):
        soundfile.write(path, click_track().T, RATE_HZ)
    else:
        plain = encode(tmp_path / f"plain{path.suffix}", click_track(), "aac" if "m4a" in name else "libmp3lame")
        plain.rename(path)
    np.testing.assert_allclose(click_onsets_s(path), CLICKS_S, atol=0.003)


def test_one_sample_is_a_song(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "one.wav", np.ones((1, 1)) * 0.5, RATE_HZ)
    assert read_audio(tmp_path / "one.wav", RATE_HZ).shape == (1, 1)
    assert read_audio(tmp_path / "one.wav", 8000).shape == (1, 1)


def test_wav_from_a_pipe_states_no_length_and_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "pipe.wav"
    soundfile.write(path, click_track().T, RATE_HZ)
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    assert read_audio(path).shape == (2, 3 * RATE_HZ)


def test_flac_without_stated_length_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "pipe.flac"
    soundfile.write(path, click_track().T, RATE_HZ)
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0  # the 36 bits of the total number of samples, after "fLaC" and the block header
    content[22:26] = bytes(4)
    path.write_bytes(content)
    assert read_audio(path).shape == (2, 3 * RATE_HZ)
    assert AudioFile(path).duration_s == pytest.approx(3.0, abs=0.1)


def test_duration_of_raw_aac_is_counted(tmp_path: Path) -> None:
    path = encode(tmp_path / "clicks.aac", click_track(), "aac")
    assert AudioFile(path).duration_s == pytest.approx(3.0, abs=0.1)


def test_duration_of_what_a_browser_recorded_is_counted(tmp_path: Path) -> None:
    path = encode(tmp_path / "clicks.webm", click_track(rate_hz=48000), "libopus", rate_hz=48000, live="1")
    assert AudioFile(path).duration_s == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_songs_of_a_recorded_radio_programme_are_all_read(tmp_path: Path, subtype: str) -> None:
    """Each is a stream of its own, and libsndfile reads the first. FFmpeg leaves some ms between streams of Vorbis."""
    path = tmp_path / "radio.ogg"
    for duration_s in (5.0, 3.0):
        soundfile.write(tmp_path / "part.ogg", click_track(duration_s, 48000).T, 48000, subtype=subtype)
        with path.open("ab") as file:
            file.write((tmp_path / "part.ogg").read_bytes())
    np.testing.assert_allclose(click_onsets_s(path), [*CLICKS_S, *(CLICKS_S + 5.0)], atol=0.02)
    assert AudioFile(path).duration_s == pytest.approx(8.0, abs=0.02)


def test_cover_picture_does_not_disturb(tmp_path: Path) -> None:
    path = encode(tmp_path / "tagged.mp3", click_track(), "libmp3lame")
    picture = b"\x00image/png\x00\x03\x00" + b"\x89PNG\r\n\x1a\n" + bytes(2000)
    frame = b"APIC" + len(picture).to_bytes(4, "big") + b"\x00\x00" + picture
    size = len(frame)
    synchsafe = bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0))
    path.write_bytes(b"ID3\x03\x00\x00" + synchsafe + frame + path.read_bytes())
    np.testing.assert_allclose(click_onsets_s(path), CLICKS_S, atol=0.003)


# Streaming


@settings(max_examples=40, deadline=None)
@given(
    length=st.integers(1, 200_000),
    from_rate_hz=st.sampled_from([8000, 22050, 44100, 48000, 96000]),
    rate_hz=st.sampled_from([16000, 44100, 48000]),
    block_s=st.floats(0.01, 3.0),
    mono=st.booleans(),
)
def test_blocks_join_to_one_resampled_stream(
    length: int, from_rate_hz: int, rate_hz: int, block_s: float, mono: bool
) -> None:
    samples = np.random.default_rng(length).uniform(-0.5, 0.5, (2, length)).astype(np.float32)
    blocks = list(AudioArray(samples, from_rate_hz).blocks(rate_hz, mono=mono, block_s=block_s))
    joined = np.concatenate(blocks, axis=1)
    assert joined.shape == (1 if mono else 2, max(1, round(length * rate_hz / from_rate_hz)))
    assert {block.shape[1] for block in blocks[:-1]} <= {round(block_s * rate_hz)}
    # Copied: with numpy before 2.4 soxr refuses the transpose of a single sample.
    given = samples.mean(axis=0) if mono else samples.T.copy()
    whole = soxr.resample(given, from_rate_hz, rate_hz).reshape(-1, len(joined)).T
    shared = min(whole.shape[1], joined.shape[1])
    np.testing.assert_allclose(joined[:, :shared], whole[:, :shared], atol=1e-5)


def test_blocks_start_again_from_zero(tmp_path: Path) -> None:
    path = encode(tmp_path / "clicks.m4a", click_track(), "aac")
    audio = AudioFile(path)
    half_read = audio.blocks(RATE_HZ, mono=True, block_s=0.5)
    next(half_read)
    first, second = (np.concatenate(list(audio.blocks(RATE_HZ, mono=True)), axis=1) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_array_is_neither_changed_nor_shared() -> None:
    samples = click_track()
    before = samples.copy()
    for block in AudioArray(samples, RATE_HZ).blocks(RATE_HZ, mono=False):
        block[:] = 1.0
    np.testing.assert_array_equal(samples, before)


def test_vector_is_one_channel() -> None:
    audio = AudioArray(np.zeros(RATE_HZ), RATE_HZ)
    assert (audio.channels, audio.duration_s) == (1, 1.0)
