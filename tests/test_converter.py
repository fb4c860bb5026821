"""One song through the pipeline: what is written, and what is refused."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import mix2midi
from mix2midi.audio import AudioFile
from mix2midi.errors import AudioError, DeviceError, OptionError, OutputError
from mix2midi.notes import DrumNote
from mix2midi.pipeline import Converter, MidiOptions, Outputs, Picture, convert, transcribe
from mix2midi.pipeline.converter import _remarks_on_time
from mix2midi.postprocess import arrange, read_midi_notes
from mix2midi.transcription import HeatMap, Picking, Transcriber, pick_notes
from mix2midi.transcription.peaks import CURVES, VIEWS
from mix2midi.transcription.weights import load_weights, save_weights
from tests.songs import RATE_HZ, QuietSeparator, files_in, hits, use_separator, write_song

# What is written


def test_ladder_gives_what_the_file_call_gives(song: Path, tiny_weights: Path) -> None:
    transcriber = Transcriber.load(tiny_weights)
    by_hand = pick_notes(transcriber.heat_map_of(AudioFile(song)), transcriber.pickings["clean"])
    transcription = convert(song, stem_only=True, weights=tiny_weights, device="cpu")
    assert by_hand, "the tiny network must find something, or this test proves nothing"
    assert transcription.notes == by_hand
    assert (transcription.title, transcription.separator, transcription.device) == ("song", "none", "cpu")
    assert transcription.duration_s == pytest.approx(1.5)


def test_strokes_at_one_pitch_are_one_tom(tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = np.arange(6 * RATE_HZ) / RATE_HZ
    drum = np.exp(-8 * (seconds % 0.5)) * np.sin(2 * np.pi * 150.0 * (seconds % 0.5))
    song = write_song(tmp_path / "song.wav", 0.5 * drum[None].astype(np.float32))
    wavering = [DrumNote(0.5 * k, 48 if k % 3 else 43, 90) for k in range(12)]
    monkeypatch.setattr("mix2midi.pipeline.converter.pick_notes", lambda *_: wavering)
    notes = convert(song, stem_only=True, weights=tiny_weights, device="cpu").notes
    assert [note.onset_s for note in notes] == [note.onset_s for note in wavering]
    assert len({note.note for note in notes}) == 1


def test_array_and_file_give_the_same_notes(song: Path, tiny_weights: Path) -> None:
    samples, rate_hz = soundfile.read(song, dtype="float32")
    before = samples.copy()
    from_array = transcribe(samples.T, rate_hz, stem_only=True, weights=tiny_weights, device="cpu", title="song")
    assert from_array == convert(song, stem_only=True, weights=tiny_weights, device="cpu")
    np.testing.assert_array_equal(samples, before)


def test_nothing_is_written_unless_asked(song: Path, converter: Converter) -> None:
    converter.convert(song)
    assert files_in(song.parent) == ["song.wav"]


@pytest.mark.parametrize("missing_bytes", [1, 1000])
def test_ogg_file_that_seems_cut_off_is_remarked_on(missing_bytes: int, tmp_path: Path, converter: Converter) -> None:
    """Such a file states no length; what is there is a song, as recordings of a radio are."""
    song = write_song(tmp_path / "song.ogg")
    assert converter.convert(song).remarks == ()
    song.write_bytes(song.read_bytes()[:-missing_bytes])
    (remark,) = converter.convert(song).remarks
    assert "seems to be cut off" in remark


@pytest.mark.parametrize("left_bytes", [4, 5, 6, 26, 27, 30])
def test_ogg_file_that_ends_within_the_header_of_a_page(left_bytes: int, tmp_path: Path) -> None:
    song = write_song(tmp_path / "song.ogg")
    whole = song.read_bytes()
    song.write_bytes(whole[: whole.rindex(b"OggS") + left_bytes])
    audio = AudioFile(song)
    assert audio.seems_cut_off and audio.duration_s == pytest.approx(1.5, abs=0.5)


def test_public_call_writes_midi(song: Path, tmp_path: Path, tiny_weights: Path) -> None:
    midi = mix2midi.MidiOptions(tempo="constant", tempo_bpm=90.0)
    transcription = mix2midi.convert(song, tmp_path / "out.mid", stem_only=True, weights=tiny_weights, midi=midi)
    assert transcription.tempo_bpm == pytest.approx(90.0, rel=1e-6)
    assert len(read_midi_notes(tmp_path / "out.mid")) == len(transcription.notes)


def test_all_files_tell_the_same(song: Path, converter: Converter) -> None:
    outputs = Outputs.beside(song.with_suffix(".mid"), ["csv", "json", "plot", "activations"])
    conversion = converter.convert(song, outputs)
    notes = conversion.transcription.notes
    assert files_in(song.parent) == ["song.csv", "song.json", "song.mid", "song.npz", "song.png", "song.wav"]
    assert {path.name for path in conversion.files} == set(files_in(song.parent)) - {"song.wav"}

    with (song.parent / "song.csv").open(encoding="utf-8") as file:
        assert [int(row["note"]) for row in csv.DictReader(file)] == [note.note for note in notes]
    stored = json.loads((song.parent / "song.json").read_text())
    assert [note["velocity"] for note in stored["notes"]] == [note.velocity for note in notes]
    in_midi = sorted((note, onset_s) for onset_s, note, _ in read_midi_notes(song.with_suffix(".mid")))
    np.testing.assert_allclose(in_midi, sorted((note.note, note.onset_s) for note in notes), atol=1e-3)


def test_activations_rebuild_the_heat_map(song: Path, converter: Converter) -> None:
    conversion = converter.convert(song, Outputs.beside(song.with_suffix(".mid"), ["activations"]))
    with np.load(song.with_suffix(".npz"), allow_pickle=False) as stored:
        heat_map = HeatMap(
            stored["onset"],
            stored["velocity"],
            stored["family_onset"],
            stored["loudness_db"],
            int(stored["hop_length"]),
            int(stored["rate_hz"]),
            tuple(stored["pieces"]),
            tuple(stored["families"]),
        )
    assert pick_notes(heat_map, converter.transcriber.pickings[converter.view]) == conversion.transcription.notes


@pytest.mark.parametrize(
    ("settings", "view"),
    [({"stem_only": True}, "clean"), ({"separator": "none"}, "mix"), ({"separator": "builtin"}, "mix")],
)
def test_thresholds_are_those_of_what_is_heard(
    song: Path, tiny_weights: Path, tmp_path: Path, settings: dict[str, Any], view: str
) -> None:
    loaded = load_weights(tiny_weights)
    deaf = Picking(thresholds=dict.fromkeys(CURVES, 0.999)).to_dict()
    hearing = Picking(thresholds=dict.fromkeys(CURVES, 0.01)).to_dict()
    save_weights(replace(loaded, pickings={**dict.fromkeys(VIEWS, deaf), view: hearing}), tmp_path / "w.safetensors")
    converter = Converter(weights=tmp_path / "w.safetensors", device="cpu", **settings)
    assert converter.view == view
    assert converter.convert(song).transcription.notes


def test_given_tempo_is_kept_and_moves_no_note(song: Path, converter: Converter) -> None:
    guessed = converter.convert(song)
    given_ = converter.convert(song, midi=MidiOptions(tempo="constant", tempo_bpm=77.0))
    assert given_.transcription.tempo_bpm == pytest.approx(77.0, rel=1e-6)
    assert given_.transcription.notes == guessed.transcription.notes


def test_what_time_asked_for_cannot_be_had_is_said(tmp_path: Path, converter: Converter) -> None:
    song = write_song(tmp_path / "song.wav", hits(8.0))
    bar_s = converter.convert(song).transcription.beats[0].time_s
    assert converter.convert(song, midi=MidiOptions(downbeat_s=bar_s)).remarks == ()
    (remark,) = converter.convert(song, midi=MidiOptions(downbeat_s=bar_s + 0.17)).remarks
    assert "for a bar to begin at" in remark
    assert "beside those that were heard" in remark
    (remark,) = converter.convert(song, midi=MidiOptions(downbeat_s=bar_s + 0.25)).remarks
    assert "where a bar was to begin; the nearest begins at" in remark
    (remark,) = converter.convert(song, midi=MidiOptions(tempo="constant", quantize="1/16")).remarks
    assert "--tempo map" in remark


def test_a_constant_tempo_that_fits_the_bars_needs_no_word() -> None:
    """The remark is about bars beside the file's lines, whatever else is asked for."""
    notes = [DrumNote(0.5 * beat, 36 if beat % 2 == 0 else 38, 100) for beat in range(40)]
    late = [replace(note, onset_s=note.onset_s + 1.3) for note in notes]
    midi = MidiOptions(tempo="constant", quantize="1/16")
    on_lines, beside = (arrange(part, 22.0, midi.to_arrange()) for part in (notes, late))
    assert list(_remarks_on_time(on_lines, midi)) == []
    assert "--tempo map" in next(_remarks_on_time(beside, midi))
    assert "--tempo map" in next(_remarks_on_time(beside, MidiOptions(tempo="constant")))


def test_a_downbeat_that_bends_the_beats_is_remarked_upon() -> None:
    notes = [DrumNote(0.5 * beat, 36 if beat % 2 == 0 else 38, 100) for beat in range(40)]
    fits, bends = MidiOptions(downbeat_s=1.0), MidiOptions(downbeat_s=1.21)
    assert list(_remarks_on_time(arrange(notes, 20.0, fits.to_arrange()), fits)) == []
    assert len(list(_remarks_on_time(arrange(notes, 20.0, bends.to_arrange()), bends))) == 1


def test_a_downbeat_that_bends_only_the_start_is_remarked_upon() -> None:
    """In a long song most beats find back to what is heard, and those around the downbeat do not."""
    notes = [DrumNote(60 / 112 * beat, 36 if beat % 2 == 0 else 38, 100) for beat in range(300)]
    midi = MidiOptions(downbeat_s=1.93)
    (remark,) = _remarks_on_time(arrange(notes, 165.0, midi.to_arrange()), midi)
    assert "1.93 s" in remark


def test_the_song_itself_is_never_replaced(song: Path, converter: Converter) -> None:
    before = song.read_bytes()
    with pytest.raises(OutputError, match="is the song itself and would be replaced"):
        converter.convert(song, song)
    assert song.read_bytes() == before


def test_channels_that_cancel_each_other_are_heard_all_the_same(tmp_path: Path, converter: Converter) -> None:
    one_side = hits()[:1]
    plain = converter.convert(write_song(tmp_path / "plain.wav", one_side)).transcription
    wired_wrong = converter.convert(write_song(tmp_path / "wrong.wav", np.concatenate([one_side, -one_side])))
    found_s = [
        [note.onset_s for note in heard.notes if note.velocity > 40] for heard in (plain, wired_wrong.transcription)
    ]
    np.testing.assert_allclose(found_s[1], found_s[0], atol=0.001)
    assert found_s[0] and not wired_wrong.remarks


def test_two_files_of_one_path_and_audio_as_a_path_are_refused(tmp_path: Path, converter: Converter) -> None:
    texts: dict[str, Any] = {"midi": "a.mid", "csv": "a.csv"}
    assert Outputs(**texts).paths() == [Path("a.mid"), Path("a.csv")]
    with pytest.raises(OptionError, match=r"a\.mid: stands for two"):
        Outputs(midi=Path("a.mid"), csv=Path("a.mid"))
    mistakes: list[Any] = [None, hits()]
    for mistake in mistakes:
        with pytest.raises(OptionError, match="transcribe"):
            converter.convert(mistake)
    settings: list[dict[str, Any]] = [{"quantize": ["1/16"]}, {"swing": [60]}]
    for setting in settings:
        with pytest.raises(OptionError):
            MidiOptions(**setting)


def test_mistakes_of_type_are_told_in_words(song: Path, converter: Converter) -> None:
    midi: Any = {"quantize": "1/16"}
    with pytest.raises(OptionError, match="give MidiOptions"):
        converter.convert(song, midi=midi)
    path: Any = str(song)
    with pytest.raises(OptionError, match="hand over AudioFile"):
        converter.transcribe(path)
    nothing: Any = None
    for settings in ({"separator": nothing}, {"device": nothing}, {"separator": ""}):
        with pytest.raises(OptionError, match="is (None|''); give its name, or leave it out"):
            Converter(**settings)


@pytest.mark.parametrize("level", [0.0, 1e-6])
def test_silence_is_an_empty_midi_and_a_word(level: float, tmp_path: Path, converter: Converter) -> None:
    song = write_song(tmp_path / "still.flac", np.full((2, RATE_HZ), level, dtype=np.float32))
    conversion = converter.convert(song, Outputs(midi=tmp_path / "still.mid"))
    assert conversion.transcription.notes == []
    assert "silent" in conversion.remarks[0]
    assert read_midi_notes(tmp_path / "still.mid") == []


def test_progress_rises_to_one_in_each_stage(song: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_separator(monkeypatch, QuietSeparator())
    told: list[tuple[str, float]] = []
    Converter(weights=tiny_weights, device="cpu").convert(
        song, on_progress=lambda stage, fraction: told.append((stage, fraction))
    )
    assert [stage for stage, _ in told] == sorted(stage for stage, _ in told), "separate comes before transcribe"
    heard = [fraction for stage, fraction in told if stage == "transcribe"]
    assert heard == sorted(heard)
    assert heard[-1] == pytest.approx(1.0)


# What cannot be converted


@pytest.mark.parametrize(
    "settings_",
    [{"device": "abacus"}, {"stem_only": True, "separator": "htdemucs"}, {"stem_only": "no"}],
)
def test_unknown_settings_are_refused_at_once(settings_: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        Converter(**settings_)  # type: ignore[arg-type]


def test_unknown_separator_is_refused(song: Path, tiny_weights: Path) -> None:
    with pytest.raises(OptionError, match="'nosuch' is not known"):
        convert(song, separator="nosuch", weights=tiny_weights, device="cpu")


def test_downbeat_beyond_the_end_is_refused_before_work(song: Path, converter: Converter) -> None:
    with pytest.raises(AudioError, match=r"ends at 1\.5 s, before the downbeat at 9 s"):
        converter.convert(song, midi=MidiOptions(downbeat_s=9.0))
    assert "transcriber" not in vars(converter), "no model was loaded for it"


def test_picture_beyond_the_end_is_refused(song: Path, converter: Converter) -> None:
    with pytest.raises(AudioError, match=r"ends at 1\.5 s"):
        converter.convert(song, Outputs(plot=song.with_suffix(".png")), picture=Picture(range_s=(20.0, 30.0)))


@pytest.mark.parametrize("range_s", [(5.0, 2.0), (2.0, 2.0), (-1.0, 2.0)])
def test_picture_that_ends_before_it_starts_is_refused(range_s: tuple[float, float]) -> None:
    with pytest.raises(OptionError, match="start must come before end"):
        Picture(range_s)
    assert Picture((0.0, 2.0)).range_s == (0.0, 2.0)


def test_not_finite_samples_are_refused(tiny_weights: Path) -> None:
    song = hits()
    song[0, 30_000] = np.nan
    with pytest.raises(AudioError, match="my song"):
        transcribe(song, RATE_HZ, stem_only=True, weights=tiny_weights, device="cpu", title="my song")


def test_full_gpu_is_a_device_error(song: Path, converter: Converter, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def run_out(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(converter.transcriber._painter.network, "read", run_out)
    with pytest.raises(DeviceError, match="memory"):
        converter.convert(song)


def test_output_is_checked_before_work(song: Path, converter: Converter) -> None:
    with pytest.raises(OutputError, match="no folder"):
        converter.convert(song, Outputs(song.parent / "nowhere" / "song.mid"))
    (song.parent / "link.mid").symlink_to(song.parent / "nowhere" / "song.mid")
    with pytest.raises(OutputError, match=r"link\.mid: there is no folder .*nowhere"):
        converter.convert(song, Outputs(song.parent / "link.mid"))
    assert "transcriber" not in vars(converter), "no model was loaded for it"


def test_a_result_that_may_not_be_replaced_is_named_before_work(
    song: Path, converter: Converter, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed, may = song.with_suffix(".mid"), os.access
    closed.write_bytes(b"of an earlier run")
    # chmod would not stop a test that runs as root
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != closed and may(path, mode))
    with pytest.raises(OutputError, match=r"song\.mid: is read-only"):
        converter.convert(song, Outputs(closed))
    assert "transcriber" not in vars(converter), "no model was loaded for it"


def test_the_same_song_gives_the_same_conversion(song: Path, converter: Converter) -> None:
    first = converter.convert(song)
    assert first == converter.convert(song)
    assert first != converter.convert(song, midi=MidiOptions(tempo="constant", tempo_bpm=100))


def test_a_path_is_that_of_the_midi_file(song: Path, converter: Converter, tmp_path: Path) -> None:
    conversion = converter.convert(song, str(tmp_path / "new.mid"))
    assert conversion.files == (tmp_path / "new.mid",)
    written = [note for _, note, _ in read_midi_notes(tmp_path / "new.mid")]
    assert sorted(written) == sorted(note.note for note in conversion.transcription.notes)
    assert converter.convert(song).files == ()
