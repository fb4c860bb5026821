"""One song and many through the pipeline: what is written, what is removed, and where it goes."""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

import mix2midi
from mix2midi.audio import AudioArray, AudioFile
from mix2midi.errors import AudioError, DeviceError, Mix2MidiError, OptionError, OutputError
from mix2midi.notes import DrumNote, Transcription
from mix2midi.pipeline import (
    Conversion,
    Converter,
    Failure,
    MidiOptions,
    Outputs,
    Picture,
    Skipped,
    convert,
    plan_jobs,
    run_jobs,
    transcribe,
)
from mix2midi.postprocess import read_midi_notes
from mix2midi.transcription import HeatMap, Transcriber, pick_notes
from tests.songs import RATE_HZ, QuietSeparator, files_in, hits, use_separator, write_song


@pytest.fixture
def song(tmp_path: Path) -> Path:
    return write_song(tmp_path / "in" / "song.wav")


@pytest.fixture
def converter(tiny_weights: Path) -> Converter:
    return Converter(stem_only=True, weights=tiny_weights, device="cpu")


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go in this test."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


# One song


def test_ladder_gives_what_the_file_call_gives(song: Path, tiny_weights: Path) -> None:
    transcriber = Transcriber.load(tiny_weights)
    by_hand = pick_notes(transcriber.heat_map_of(AudioFile(song)), transcriber.picking)
    transcription = convert(song, stem_only=True, weights=tiny_weights, device="cpu")
    assert by_hand, "the tiny network must find something, or this test proves nothing"
    assert transcription.notes == by_hand
    assert (transcription.title, transcription.separator, transcription.device) == ("song", "none", "cpu")
    assert transcription.duration_s == pytest.approx(1.5)


def test_array_and_file_give_the_same_notes(song: Path, tiny_weights: Path) -> None:
    samples, rate_hz = soundfile.read(song, dtype="float32")
    before = samples.copy()
    from_array = transcribe(samples.T, rate_hz, stem_only=True, weights=tiny_weights, device="cpu", title="song")
    assert from_array == convert(song, stem_only=True, weights=tiny_weights, device="cpu")
    np.testing.assert_array_equal(samples, before)


def test_nothing_is_written_unless_asked(song: Path, converter: Converter) -> None:
    converter.convert(song)
    assert files_in(song.parent) == ["song.wav"]


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
    assert pick_notes(heat_map, converter.transcriber.picking) == conversion.transcription.notes


def test_given_tempo_is_kept_and_moves_no_note(song: Path, converter: Converter) -> None:
    guessed = converter.convert(song)
    given_ = converter.convert(song, midi=MidiOptions(tempo="constant", tempo_bpm=77.0))
    assert given_.transcription.tempo_bpm == pytest.approx(77.0, rel=1e-6)
    assert given_.transcription.notes == guessed.transcription.notes


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


# The stem on disk


def test_separator_is_heard_and_leaves_nothing(
    song: Path, tiny_weights: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    use_separator(monkeypatch, QuietSeparator(lambda: seen.append(files_in(scratch))))
    conversion = Converter(weights=tiny_weights, device="cpu").convert(song, Outputs(midi=song.with_suffix(".mid")))
    assert conversion.transcription.separator == "quiet"
    assert any(seen), "the stem lies in the temporary folder while it grows"
    assert files_in(scratch) == []
    assert files_in(song.parent) == ["song.mid", "song.wav"]


def test_saved_stem_is_the_separators(song: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_separator(monkeypatch, QuietSeparator())
    converter = Converter(weights=tiny_weights, device="cpu")
    without = converter.convert(song)
    outputs = Outputs.beside(song.with_suffix(".mid"), ["stem"])
    conversion = converter.convert(song, outputs)
    stem, rate_hz = soundfile.read(song.with_name("song.drums.wav"), dtype="float32")
    mix, _ = soundfile.read(song, dtype="float32")
    np.testing.assert_allclose(stem, 0.5 * mix, atol=1e-6)
    assert rate_hz == RATE_HZ
    assert [note.note for note in conversion.transcription.notes] == [note.note for note in without.transcription.notes]


def test_stem_louder_than_full_scale_is_not_clipped(
    tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_separator(monkeypatch, QuietSeparator())
    song = tmp_path / "loud.wav"
    soundfile.write(song, 4.0 * hits().T, RATE_HZ, subtype="FLOAT")
    Converter(weights=tiny_weights, device="cpu").convert(song, Outputs.beside(tmp_path / "loud.mid", ["stem"]))
    stem, _ = soundfile.read(tmp_path / "loud.drums.wav", dtype="float32")
    assert np.abs(stem).max() == pytest.approx(0.5 * np.abs(4.0 * hits()).max())


def test_no_stem_where_nothing_was_separated(song: Path, converter: Converter) -> None:
    conversion = converter.convert(song, Outputs.beside(song.with_suffix(".mid"), ["stem"]))
    assert files_in(song.parent) == ["song.mid", "song.wav"]
    assert [path.name for path in conversion.files] == ["song.mid"]
    assert "no stem" in conversion.remarks[0]


@pytest.mark.parametrize("trouble", [KeyboardInterrupt, RuntimeError, MemoryError, SystemExit])
def test_broken_separation_leaves_nothing(
    trouble: type[BaseException],
    song: Path,
    tiny_weights: Path,
    scratch: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def break_off() -> None:
        raise trouble("broken off")

    use_separator(monkeypatch, QuietSeparator(break_off))
    for outputs in (Outputs(song.with_suffix(".mid")), Outputs.beside(song.with_suffix(".mid"), ["stem", "plot"])):
        with pytest.raises(trouble):
            Converter(weights=tiny_weights, device="cpu").convert(song, outputs)
        assert files_in(scratch) == []
        assert files_in(song.parent) == ["song.wav"]


def test_separated_song_is_read_in_blocks(tiny_weights: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stem of a song grows on disk while the song is read: it is never in memory as a whole."""
    sizes: list[int] = []
    use_separator(
        monkeypatch, QuietSeparator(lambda: sizes.append(sum(path.stat().st_size for path in scratch.rglob("*.wav"))))
    )
    source = AudioArray(np.tile(hits(1.5), 4), RATE_HZ)
    Converter(weights=tiny_weights, device="cpu").transcribe(source)
    assert sizes == sorted(sizes)
    assert len(set(sizes)) > 5


# What cannot be converted


@pytest.mark.parametrize(
    "settings_",
    [{"device": "abacus"}, {"stem_only": True, "separator": "htdemucs"}],
)
def test_unknown_settings_are_refused_at_once(settings_: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        Converter(**settings_)  # type: ignore[arg-type]


def test_unknown_separator_is_refused(song: Path, tiny_weights: Path) -> None:
    with pytest.raises(OptionError, match="'nosuch' is not known"):
        convert(song, separator="nosuch", weights=tiny_weights, device="cpu")


def test_downbeat_beyond_the_end_is_refused_before_work(song: Path, converter: Converter) -> None:
    with pytest.raises(OptionError, match=r"ends at 1\.5 s, before the downbeat at 9 s"):
        converter.convert(song, midi=MidiOptions(downbeat_s=9.0))
    assert "transcriber" not in vars(converter), "no model was loaded for it"


def test_picture_beyond_the_end_is_refused(song: Path, converter: Converter) -> None:
    with pytest.raises(OptionError, match=r"ends at 1\.5 s"):
        converter.convert(song, Outputs(plot=song.with_suffix(".png")), picture=Picture(range_s=(20.0, 30.0)))


def test_not_finite_samples_are_refused(tiny_weights: Path) -> None:
    song = hits()
    song[0, 30_000] = np.nan
    with pytest.raises(AudioError, match="my song"):
        transcribe(song, RATE_HZ, stem_only=True, weights=tiny_weights, device="cpu", title="my song")


def test_full_gpu_is_a_device_error(song: Path, converter: Converter, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def run_out(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(converter.transcriber._network, "paint", run_out)
    with pytest.raises(DeviceError, match="memory"):
        converter.convert(song)


def test_output_is_checked_before_work(song: Path, converter: Converter) -> None:
    with pytest.raises(OutputError, match="no folder"):
        converter.convert(song, Outputs(song.parent / "nowhere" / "song.mid"))
    assert "transcriber" not in vars(converter), "no model was loaded for it"


# Many songs: where the results go


def planned(inputs: list[Path], output: Path | None = None) -> dict[str, str]:
    jobs, failures = plan_jobs(inputs, output)
    assert not failures
    return {str(job.song): str(job.outputs.midi) for job in jobs}


def touch(folder: Path, *names: str) -> list[Path]:
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return paths


def test_results_lie_beside_their_songs(tmp_path: Path) -> None:
    a, b = touch(tmp_path, "a.mp3", "sub.dir/b.c.flac")
    assert planned([a, b]) == {
        str(a): str(tmp_path / "a.mid"),
        str(b): str(tmp_path / "sub.dir" / "b.c.mid"),
    }


def test_folders_keep_their_shape(tmp_path: Path) -> None:
    touch(tmp_path, "album/cd1/01.mp3", "album/cd2/01.mp3", "album/cover.jpg")
    out = tmp_path / "out"
    out.mkdir()
    assert sorted(planned([tmp_path / "album"], out).values()) == [str(out / "cd1/01.mid"), str(out / "cd2/01.mid")]


def test_same_name_and_other_suffix_stay_apart(tmp_path: Path) -> None:
    songs = touch(tmp_path, "a.wav", "a.mp3", "b.wav")
    assert sorted(Path(midi).name for midi in planned(songs).values()) == ["a.mp3.mid", "a.wav.mid", "b.mid"]


def test_same_song_twice_is_one(tmp_path: Path) -> None:
    (song,) = touch(tmp_path, "a.wav")
    assert len(planned([song, tmp_path, tmp_path / "." / "a.wav"])) == 1


def test_same_name_in_one_folder_is_refused(tmp_path: Path) -> None:
    songs = touch(tmp_path, "x/a.wav", "y/a.wav")
    with pytest.raises(OptionError, match="different folders"):
        plan_jobs(songs, tmp_path)


def test_saved_stems_are_no_songs(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "a.drums.wav", "lone.drums.wav")
    assert sorted(Path(song).name for song in planned([tmp_path])) == ["a.wav", "lone.drums.wav"]
    assert list(planned([tmp_path / "a.drums.wav"])) == [str(tmp_path / "a.drums.wav")], "unless one is named"


def test_one_file_for_one_song(tmp_path: Path) -> None:
    a, b = touch(tmp_path, "a.wav", "b.wav")
    target = tmp_path / "new.mid"
    assert planned([a], target) == {str(a): str(target)}
    with pytest.raises(OptionError, match="2 songs"):
        plan_jobs([a, b], target)
    with pytest.raises(OptionError, match="no folder"):
        plan_jobs([a], b)


@pytest.mark.parametrize("output", ["nowhere", "nowhere/song.mid"])
def test_missing_folder_is_not_made(tmp_path: Path, output: str) -> None:
    (song,) = touch(tmp_path, "a.wav")
    with pytest.raises(OutputError, match="nowhere"):
        plan_jobs([song], tmp_path / output)
    assert files_in(tmp_path) == ["a.wav"]


names = st.lists(
    st.tuples(st.sampled_from(["", "x/", "y/"]), st.sampled_from("ab"), st.sampled_from([".wav", ".mp3", ".a.wav"])),
    min_size=1,
    max_size=8,
    unique=True,
)


@settings(max_examples=60, deadline=None)
@given(names=names, into_one=st.booleans())
def test_no_two_songs_share_a_file(names: list[tuple[str, str, str]], into_one: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        songs = touch(folder, *("".join(parts) for parts in names))
        try:
            jobs, _ = plan_jobs(songs, folder if into_one else None, ["csv", "stem"])
        except OptionError:
            assert into_one, "beside their songs there is always a way"
            return
        written = [path for job in jobs for path in job.outputs.paths()]
        assert len(set(written)) == len(written)
        assert not set(written) & set(songs), "no song is overwritten"


# Many songs: running


def test_one_bad_song_does_not_stop_the_others(tmp_path: Path, converter: Converter) -> None:
    write_song(tmp_path / "a.wav")
    (tmp_path / "b.wav").write_text("no audio")
    write_song(tmp_path / "c.wav")
    jobs, _ = plan_jobs([tmp_path])
    a, b, c = run_jobs(converter, jobs)
    assert isinstance(a, Conversion)
    assert isinstance(c, Conversion)
    assert isinstance(b, Failure)
    assert str(tmp_path / "b.wav") in b.message
    assert files_in(tmp_path) == ["a.mid", "a.wav", "b.wav", "c.mid", "c.wav"]


def test_unexpected_trouble_names_the_song(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    song = write_song(tmp_path / "odd.wav")
    converter = Converter(stem_only=True, device="cpu")

    def stumble(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(converter, "convert", stumble)
    (failure,) = run_jobs(converter, plan_jobs([song])[0])
    assert isinstance(failure, Failure)
    assert failure.message.startswith(f"{song}: unexpected ZeroDivisionError")


def test_models_that_cannot_be_loaded_stop_all(tmp_path: Path) -> None:
    songs = [write_song(tmp_path / "a.wav"), write_song(tmp_path / "b.wav")]
    converter = Converter(stem_only=True, weights=tmp_path / "none.safetensors", device="cpu")
    with pytest.raises(Mix2MidiError, match="none.safetensors"):
        list(run_jobs(converter, plan_jobs(songs)[0]))


def test_models_are_loaded_once(tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads = []
    load = Transcriber.load.__func__  # type: ignore[attr-defined]

    def counted(cls, *args):
        loads.append(args)
        return load(cls, *args)

    monkeypatch.setattr(Transcriber, "load", classmethod(counted))
    songs = [write_song(tmp_path / "a.wav"), write_song(tmp_path / "b.wav")]
    list(run_jobs(Converter(stem_only=True, weights=tiny_weights, device="cpu"), plan_jobs(songs)[0]))
    assert len(loads) == 1


def test_existing_results_are_skipped_if_complete(tmp_path: Path, converter: Converter) -> None:
    write_song(tmp_path / "a.wav")
    write_song(tmp_path / "b.wav")
    touch(tmp_path, "a.mid", "a.csv", "b.mid")
    jobs, _ = plan_jobs([tmp_path], extras=["csv"])
    a, b = run_jobs(converter, jobs, skip_existing=True)
    assert isinstance(a, Skipped)
    assert isinstance(b, Conversion)
    assert (tmp_path / "a.mid").stat().st_size == 0
    assert (tmp_path / "b.csv").stat().st_size > 0


def test_subfolders_are_made_for_their_songs(tmp_path: Path, converter: Converter) -> None:
    write_song(tmp_path / "album/cd1/01.wav")
    (tmp_path / "out").mkdir()
    list(run_jobs(converter, plan_jobs([tmp_path / "album"], tmp_path / "out")[0]))
    assert files_in(tmp_path / "out") == ["cd1", "cd1/01.mid"]


# The package


def test_package_offers_its_names_lazily() -> None:
    assert mix2midi.DrumNote is DrumNote
    assert mix2midi.Transcription is Transcription
    assert mix2midi.errors.Mix2MidiError is Mix2MidiError
    assert set(mix2midi.__all__) <= set(dir(mix2midi))
    with pytest.raises(AttributeError, match="nosuch"):
        mix2midi.nosuch  # noqa: B018
