"""Many songs through the pipeline: where the results go, and what becomes of those that fail."""

from __future__ import annotations

import os
import tempfile
import traceback
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from mix2midi.errors import Mix2MidiError, OptionError, OutputError
from mix2midi.files import PROGRAM
from mix2midi.notes import DrumNote, Transcription
from mix2midi.pipeline import Conversion, Converter, Failure, Outputs, Skipped, plan_jobs, run_jobs
from mix2midi.pipeline.references import find_songs, read_reference
from mix2midi.postprocess import write_midi
from mix2midi.separation.choice import Choice
from mix2midi.separation.separator import NoSeparator
from mix2midi.transcription import Transcriber
from tests.songs import files_in, write_song

# Where the results go


def planned(inputs: list[Path], output: Path | None = None) -> dict[str, str]:
    jobs, failures = plan_jobs(inputs, output)
    assert not failures
    return {str(job.song): str(job.outputs.midi) for job in jobs}


def inside(out: Path, inputs: list[Path]) -> list[str]:
    """Where in an output folder the results go."""
    out.mkdir(exist_ok=True)
    return sorted(Path(midi).relative_to(out).as_posix() for midi in planned(inputs, out).values())


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


def test_paths_may_be_text(tmp_path: Path) -> None:
    """As for `Converter.convert`."""
    (song,) = touch(tmp_path, "a.wav")
    midi = tmp_path / "b.mid"
    (job,), failures = plan_jobs([str(song)], str(midi), ["csv"])
    assert (job.song, job.outputs, failures) == (song, Outputs.beside(str(midi), ["csv"]), [])
    write_midi(Transcription([DrumNote(0.1, 38, 90)], 1.5), tmp_path / "a_reference.mid")
    (found,) = find_songs([str(tmp_path)])
    assert found.audio == song
    assert read_reference(str(found.reference)).notes


def test_same_song_twice_is_one(tmp_path: Path) -> None:
    (song,) = touch(tmp_path, "a.wav")
    assert len(planned([song, tmp_path, tmp_path / "." / "a.wav"])) == 1


def test_same_names_of_two_folders_go_into_folders_of_their_own(tmp_path: Path) -> None:
    out = tmp_path / "out"
    files = touch(tmp_path, "x/a.wav", "y/a.wav", "y/b.wav")
    expected = ["b.mid", "x/a.mid", "y/a.mid"]
    assert inside(out, files) == expected
    folders = [tmp_path / "x", tmp_path / "y"]
    assert inside(out, folders) == expected


def test_other_suffixes_of_a_name_are_told_apart_in_each_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    files = touch(tmp_path, "x/a.wav", "x/a.mp3", "y/a.mp3")
    assert inside(out, files) == ["x/a.mp3.mid", "x/a.wav.mid", "y/a.mid"]


def test_same_names_in_folders_of_one_name_go_into_folders_of_their_parents(tmp_path: Path) -> None:
    out = tmp_path / "out"
    songs = touch(tmp_path, "p/x/a.wav", "q/x/a.wav", "q/x/b.wav")
    expected = ["b.mid", "p/x/a.mid", "q/x/a.mid"]
    assert inside(out, songs) == expected


def test_thousands_of_songs_of_one_name_are_planned_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each folder was compared with all others: two thousand `SONG/mix.flac` took minutes before the first began."""
    compared = 0

    def sameness(path: Path) -> str:
        nonlocal compared
        compared += 1
        return str(path)

    monkeypatch.setattr("mix2midi.pipeline.batch.sameness", sameness)
    songs = touch(tmp_path, *(f"{number}/mix.flac" for number in range(100)))
    assert inside(tmp_path / "out", songs) == sorted(f"{number}/mix.mid" for number in range(100))
    assert compared < 10 * len(songs)


def test_names_that_only_some_systems_tell_apart_become_different_files(tmp_path: Path) -> None:
    """`Song.mid` and `song.mid` are one file on Windows and macOS."""
    songs = touch(tmp_path, "Song.wav", "song.mp3")
    assert sorted(Path(midi).name for midi in planned(songs).values()) == ["Song.wav.mid", "song.mp3.mid"]


def test_a_link_does_not_stand_for_the_file_beside_it(tmp_path: Path) -> None:
    (real,) = touch(tmp_path, "f/real.wav")
    (tmp_path / "f" / "alias.wav").symlink_to(real)
    assert planned([tmp_path / "f"]) == {str(real): str(tmp_path / "f" / "real.mid")}


def test_a_closed_subfolder_fails_and_the_others_are_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "f/open/a.wav", "f/closed/b.wav")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("closed"):  # chmod would not stop a test that runs as root
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    jobs, failures = plan_jobs([tmp_path / "f"])
    assert [job.song.name for job in jobs] == ["a.wav"]
    assert [failure.message for failure in failures] == [
        f"{tmp_path / 'f' / 'closed'}: cannot be read (Permission denied); check its permissions"
    ]


def test_saved_stems_are_no_songs(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "b.wav", "b.drums.wav", "midi/a.drums.wav")
    for name in ("a.drums.wav", "a.wav.drums.wav", "midi/a.drums.wav"):
        (tmp_path / name).write_bytes(b"RIFF" + PROGRAM.encode())
    found = sorted(str(Path(song).relative_to(tmp_path)) for song in planned([tmp_path]))
    assert found == ["a.wav", "b.drums.wav", "b.wav"], "what somebody else called so is a song"
    assert list(planned([tmp_path / "a.drums.wav"])) == [str(tmp_path / "a.drums.wav")], "unless one is named"


def test_a_folder_of_nothing_but_saved_stems_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.drums.wav").write_bytes(b"RIFF" + PROGRAM.encode())
    jobs, failures = plan_jobs([tmp_path])
    assert not jobs
    stems = tmp_path / "*.drums.wav"
    assert [failure.message for failure in failures] == [
        f"{tmp_path}: holds nothing but stems that mix2midi saved; name the files, as in {stems}"
    ]


def test_no_result_replaces_a_song(tmp_path: Path) -> None:
    a, stem = touch(tmp_path, "a.wav", "a.drums.wav")
    with pytest.raises(OptionError, match=r"a\.drums\.wav: is a song to convert and would be replaced"):
        plan_jobs([a, stem], None, ["stem"])
    assert len(plan_jobs([a, stem])[0]) == 2


def test_one_file_for_one_song(tmp_path: Path) -> None:
    a, b = touch(tmp_path, "a.wav", "b.wav")
    target = tmp_path / "new.mid"
    assert planned([a], target) == {str(a): str(target)}
    assert planned([a], tmp_path / "NEW.MID") == {str(a): str(tmp_path / "NEW.MID")}
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
        jobs, failures = plan_jobs(songs, folder if into_one else None, ["csv", "stem"])
        assert into_one or not failures, "beside their songs there is always a way"
        assert sorted([job.song for job in jobs] + [failure.song for failure in failures]) == sorted(songs)
        written = [path for job in jobs for path in job.outputs.paths()]
        assert len(set(written)) == len(written)
        assert not set(written) & set(songs), "no song is overwritten"


def test_of_two_songs_that_no_suffix_tells_apart_the_second_fails(tmp_path: Path) -> None:
    songs = touch(tmp_path, "a.wav", "a.mp3", "a.wav.flac", "b.wav")
    jobs, (failure,) = plan_jobs(songs)
    assert [job.song.name for job in jobs] == ["a.wav", "a.mp3", "b.wav"]
    assert failure.song == songs[2]
    assert failure.message == (
        f"{songs[2]}: would become {tmp_path}/a.wav.mid as {songs[0]} does; convert them into different folders"
    )


def test_names_that_look_alike_are_said_to(tmp_path: Path) -> None:
    songs = [tmp_path / unicodedata.normalize(form, "Caf\xe9.wav") for form in ("NFC", "NFD")]
    jobs, (failure,) = plan_jobs([*songs, tmp_path / "tea.wav"])
    assert [job.song for job in jobs] == [songs[0], tmp_path / "tea.wav"]
    assert "by how accents are stored, alone: rename one" in failure.message


# Running


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


def test_a_song_that_failed_keeps_no_audio_in_memory(tmp_path: Path, converter: Converter) -> None:
    damaged = tmp_path / "damaged.wav"
    soundfile.write(damaged, np.r_[np.zeros(44100), np.nan], 44100, "FLOAT")
    jobs, _ = plan_jobs([damaged])
    (failure,) = run_jobs(converter, jobs)
    assert isinstance(failure, Failure)
    stack = [frame for frame, _ in traceback.walk_tb(failure.error.__traceback__)]
    assert len(stack) > 3  # where it went wrong can still be seen
    held = [value for frame in stack[1:] for value in frame.f_locals.values()]
    assert not [value for value in held if isinstance(value, np.ndarray)]


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
    for name in ("a.mid", "a.csv", "b.mid"):
        (tmp_path / name).write_bytes(b"Made with mix2midi")
    jobs, _ = plan_jobs([tmp_path], extras=["csv"])
    a, b = run_jobs(converter, jobs, skip_existing=True)
    assert isinstance(a, Skipped)
    assert isinstance(b, Conversion)
    assert (tmp_path / "a.mid").read_bytes() == b"Made with mix2midi"
    assert (tmp_path / "b.csv").stat().st_size > 0


def test_an_empty_file_is_no_result(tmp_path: Path, converter: Converter) -> None:
    """As a crash or a copy onto a full disk leaves it."""
    song = write_song(tmp_path / "a.wav")
    touch(tmp_path, "a.mid")
    (outcome,) = run_jobs(converter, plan_jobs([song])[0], skip_existing=True)
    assert isinstance(outcome, Conversion)
    assert (tmp_path / "a.mid").stat().st_size > 0


def test_a_stem_that_nothing_separates_is_not_waited_for(
    tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = Choice(NoSeparator(), NoSeparator.name, "none: no network")
    monkeypatch.setattr("mix2midi.pipeline.converter.choose_separator", lambda *args, **kwargs: nothing)
    converter = Converter(separator="auto", weights=tiny_weights, device="cpu")
    jobs, _ = plan_jobs([write_song(tmp_path / "a.wav")], extras=["stem"])
    assert isinstance(next(run_jobs(converter, jobs, skip_existing=True)), Conversion)
    assert isinstance(next(run_jobs(converter, jobs, skip_existing=True)), Skipped)


def test_somebody_elses_stem_does_not_hinder_a_run_that_writes_none(tmp_path: Path, converter: Converter) -> None:
    song = write_song(tmp_path / "a.wav")
    (tmp_path / "a.drums.wav").write_bytes(b"mine")
    (outcome,) = run_jobs(converter, plan_jobs([song], extras=["stem"])[0])
    assert isinstance(outcome, Conversion)
    assert (tmp_path / "a.drums.wav").read_bytes() == b"mine"


def test_subfolders_are_made_for_their_songs(tmp_path: Path, converter: Converter) -> None:
    write_song(tmp_path / "album/cd1/live/01.wav")
    (tmp_path / "out").mkdir()
    list(run_jobs(converter, plan_jobs([tmp_path / "album"], tmp_path / "out")[0]))
    assert files_in(tmp_path / "out") == ["cd1", "cd1/live", "cd1/live/01.mid"]
