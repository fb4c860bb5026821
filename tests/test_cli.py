"""The command line: what it says where, what it writes where, and how quickly it answers."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mix2midi import __version__
from mix2midi.cli import app
from mix2midi.cli.convert import parse_range
from mix2midi.notes import DrumNote, Transcription
from mix2midi.postprocess import read_midi_notes, write_midi
from tests.songs import (
    QuietSeparator,
    command,
    files_in,
    missing,
    one_line,
    process_environment,
    run,
    run_process,
    use_separator,
    write_song,
)

HEAVY = ["av", "demucs", "matplotlib", "mido", "mir_eval", "numpy"]
HEAVY += ["openunmix", "rich", "scipy", "soundfile", "torch", "torchaudio"]


@pytest.fixture
def song(tmp_path: Path) -> Path:
    return write_song(tmp_path / "song.wav")


@pytest.fixture
def stem_options(tiny_weights: Path) -> list[str]:
    """What makes the tests quick: no separation, a tiny network."""
    return ["--stem-only", "--device", "cpu", "--weights", str(tiny_weights)]


# Answers at once


def test_nothing_heavy_is_imported_for_help(tmp_path: Path) -> None:
    code = f"import sys, mix2midi.cli; print([name for name in {HEAVY} if name in sys.modules])"
    assert _python(code, tmp_path) == "[]"


def test_help_page_itself_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom mix2midi.cli import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    assert _python(code, tmp_path).splitlines()[-1] == "[]"


def _python(code: str, cwd: Path) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, env=process_environment(), capture_output=True, text=True, check=True
    ).stdout.strip()


def test_help_lists_options_in_groups_and_commands() -> None:
    page = run("--help")
    assert page.exit_code == 0
    headings = [line for line in page.stdout.splitlines() if line.endswith(":") and not line.startswith(" ")]
    for heading in ("Input:", "Output:", "Musical time:", "Velocities:", "MIDI file:", "Models:", "Picture:", "Run:"):
        assert heading in headings
    for heading in ("Examples:", "Commands:", "Program:"):
        assert heading in headings
    assert not missing(page.stdout, ["mix2midi album/ more/*.flac -o midi/", "evaluate", "models", "--version"])


def test_no_words_is_help() -> None:
    assert run().stdout == run("--help").stdout


@pytest.mark.parametrize("name", ["convert", "evaluate", "models", "train"])
def test_every_command_has_help(name: str) -> None:
    page = run(name, "--help")
    assert page.exit_code == 0
    assert "Usage:" in page.stdout


def test_an_empty_word_is_not_the_current_folder() -> None:
    result = run("", "--stem-only")
    assert result.exit_code == 2
    one_line(result, "a word is empty")


def test_a_group_without_a_command_is_its_help() -> None:
    result = run("kits")
    assert result.exit_code == 0
    assert "Commands:\n" in result.stdout and result.stderr == ""


def test_a_folder_that_is_called_like_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train").mkdir()
    result = run("train", "--stem-only")
    assert result.exit_code == 2
    one_line(result, "write ./train")


def test_paths_that_the_system_refuses_are_one_line(tmp_path: Path, stem_options: list[str], song: Path) -> None:
    long = "x" * 300 + ".wav"
    one_line(run(tmp_path / long, *stem_options), long, "too long")
    one_line(run(song, "-o", tmp_path / ("y" * 300), *stem_options), "too long")
    assert run(song, tmp_path / long, *stem_options).exit_code == 1
    assert song.with_suffix(".mid").is_file(), "the others are converted"


def test_version() -> None:
    assert run("--version").stdout == f"mix2midi {__version__}\n"


# One song


def test_song_becomes_midi_beside_it(song: Path, stem_options: list[str]) -> None:
    result = run(song, *stem_options)
    assert result.exit_code == 0, result.stderr
    assert files_in(song.parent) == ["song.mid", "song.wav"]
    count = len(read_midi_notes(song.with_suffix(".mid")))
    first, *facts = result.stdout.splitlines()
    assert first == f"{song} -> {song.with_suffix('.mid')}"
    assert [line.split()[0] for line in facts] == ["separator", "device", "tempo", "bars", "notes", "time"]
    assert f"notes      {count}: " in result.stdout
    assert "none: the input is drums alone" in result.stdout
    assert "device     cpu" in result.stdout
    assert result.stderr == ""


def test_options_may_come_first_and_command_be_named(song: Path, stem_options: list[str]) -> None:
    run(*stem_options, song)
    first = song.with_suffix(".mid").read_bytes()
    song.with_suffix(".mid").unlink()
    assert run("convert", song, *stem_options).exit_code == 0
    assert song.with_suffix(".mid").read_bytes() == first


def test_quiet_says_nothing(song: Path, stem_options: list[str]) -> None:
    result = run(song, "--quiet", *stem_options)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert song.with_suffix(".mid").exists()


def test_all_files(song: Path, stem_options: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    result = run(song, "-o", folder, "--csv", "--json", "--activations", "--plot", *stem_options)
    assert result.exit_code == 0, result.stderr
    assert files_in(folder) == ["song.csv", "song.json", "song.mid", "song.npz", "song.png"]
    assert not missing(result.stdout.splitlines()[0], [folder / name for name in files_in(folder)])


def test_saved_stem_and_separator(song: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_separator(monkeypatch, QuietSeparator())
    result = run(song, "--save-stem", "--device", "cpu", "--weights", tiny_weights)
    assert files_in(song.parent) == ["song.drums.wav", "song.mid", "song.wav"]
    assert "separator  quiet: as the test wants it" in result.stdout


def test_midi_file_can_be_named(song: Path, stem_options: list[str], tmp_path: Path) -> None:
    run(song, "-o", tmp_path / "other.mid", "--csv", *stem_options)
    assert files_in(tmp_path) == ["other.csv", "other.mid", "song.wav"]


def test_picture_with_reference(song: Path, stem_options: list[str]) -> None:
    run(song, *stem_options)
    reference = song.with_suffix(".mid").rename(song.parent / "true.mid")
    plain = run(song, "--plot", "--plot-range", "0-1", *stem_options)
    assert plain.exit_code == 0
    without = song.with_suffix(".png").stat().st_size
    assert run(song, "--reference", reference, *stem_options).exit_code == 0
    assert song.with_suffix(".png").stat().st_size != without


def test_silence_is_no_error(tmp_path: Path, stem_options: list[str]) -> None:
    import numpy as np

    song = write_song(tmp_path / "still.wav", np.zeros((1, 44100), dtype=np.float32))
    result = run(song, *stem_options)
    assert result.exit_code == 0
    assert result.stderr == f"mix2midi: {song}: the song is silent, so there are no notes\n"
    assert read_midi_notes(tmp_path / "still.mid") == []


@pytest.mark.parametrize("name", ["with space.wav", "quote'\"s.wav", "ümläut ö.wav", "$dollar [x].wav", "-dash.wav"])
def test_any_name_will_do(name: str, tmp_path: Path, stem_options: list[str]) -> None:
    song = write_song(tmp_path / name)
    result = run(*stem_options, "--plot", "--", song)
    assert result.exit_code == 0, result.stderr
    stem = Path(name).stem
    assert files_in(tmp_path) == sorted([f"{stem}.mid", f"{stem}.png", name])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_name_that_is_no_text(tmp_path: Path, stem_options: list[str]) -> None:
    song = write_song(tmp_path / "song.wav").rename(tmp_path / "caf\udce9.wav")
    result = run_process(*stem_options, "--json", "--plot", song.name, cwd=tmp_path, LC_ALL="C.UTF-8")
    assert result.returncode == 0, result.stderr
    assert files_in(tmp_path) == sorted(f"caf\udce9{suffix}" for suffix in (".json", ".mid", ".png", ".wav"))


@pytest.mark.parametrize(
    ("text", "range_s"), [("10-20", (10.0, 20.0)), ("0-1.5", (0.0, 1.5)), ("1:05-2:00", (65.0, 120.0))]
)
def test_range_of_the_picture(text: str, range_s: tuple[float, float]) -> None:
    assert parse_range(text) == range_s


def test_the_same_bytes_whatever_the_hash_seed_the_time_zone_and_the_threads(
    tmp_path: Path, stem_options: list[str]
) -> None:
    environments = (
        {"PYTHONHASHSEED": "0", "TZ": "UTC", "OMP_NUM_THREADS": "1"},
        {"PYTHONHASHSEED": "1", "TZ": "Asia/Kolkata", "OMP_NUM_THREADS": "2"},
    )
    written = []
    for environment in environments:
        song = write_song(tmp_path / environment["PYTHONHASHSEED"] / "song.wav")
        options = ["--csv", "--json", "--plot", "--activations", "--quantize", "auto", "--swing", "auto"]
        result = run_process(*stem_options, *options, song.name, cwd=song.parent, **environment)
        assert result.returncode == 0, result.stderr
        written.append({path.name: path.read_bytes() for path in song.parent.iterdir()})
    assert len(written[0]) == 6
    assert [name for name in written[0] if written[0][name] != written[1][name]] == []


def test_no_text_is_read_or_written_in_the_encoding_of_the_system(tmp_path: Path, stem_options: list[str]) -> None:
    """Python says where a file is opened without one: on Windows the same text would be other bytes."""
    write_song(tmp_path / "song.wav")
    words = [*stem_options, "--csv", "--json", "--plot", "--note-map", "gm", "song.wav"]
    result = run_process(*words, cwd=tmp_path, PYTHONWARNDEFAULTENCODING="1", PYTHONWARNINGS="default::EncodingWarning")
    assert result.returncode == 0, result.stderr
    own = str(Path(__file__).resolve().parents[1] / "mix2midi")
    assert [line for line in result.stderr.splitlines() if "EncodingWarning" in line and line.startswith(own)] == []


# Many songs


def test_failures_come_last_and_set_the_exit_code(tmp_path: Path, stem_options: list[str]) -> None:
    write_song(tmp_path / "album" / "a.wav")
    (tmp_path / "album" / "b.mp3").write_text("this is no music")
    write_song(tmp_path / "album" / "c.flac")
    (tmp_path / "bare").mkdir()
    (tmp_path / "out").mkdir()
    result = run(tmp_path / "album", tmp_path / "bare", "-o", tmp_path / "out", *stem_options)
    assert result.exit_code == 1
    assert files_in(tmp_path / "out") == ["a.mid", "c.mid"]
    bare, b = result.stderr.splitlines()
    assert not missing(b, ["mix2midi: ", tmp_path / "album" / "b.mp3"])
    assert not missing(bare, ["mix2midi: ", tmp_path / "bare", "no audio"])
    assert "2 converted, 0 skipped, 2 failed" in result.stdout
    assert f"{tmp_path / 'album' / 'b.mp3'}: failed" in result.stdout
    assert re.search(r"a\.mid  \d+ notes, \d+\.\d BPM, \d/\d", result.stdout)


def test_done_songs_are_left_out(tmp_path: Path, stem_options: list[str]) -> None:
    write_song(tmp_path / "a.wav")
    write_song(tmp_path / "b.wav")
    (tmp_path / "a.mid").write_bytes(b"mine")
    result = run(tmp_path, "--skip-existing", *stem_options)
    assert result.exit_code == 0
    assert (tmp_path / "a.mid").read_bytes() == b"mine"
    assert "1 converted, 1 skipped, 0 failed" in result.stdout


def test_same_names_stay_apart(tmp_path: Path, stem_options: list[str]) -> None:
    write_song(tmp_path / "a.wav")
    write_song(tmp_path / "a.flac")
    assert run(tmp_path / "a.wav", tmp_path / "a.flac", *stem_options).exit_code == 0
    assert files_in(tmp_path) == ["a.flac", "a.flac.mid", "a.wav", "a.wav.mid"]


def test_reference_is_for_one_song(tmp_path: Path, stem_options: list[str]) -> None:
    write_song(tmp_path / "a.wav")
    write_song(tmp_path / "b.wav")
    one_line(run(tmp_path, "--reference", tmp_path / "a.mid", *stem_options), "--reference", "one song")


# Models


def test_models_are_listed_with_their_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mix2midi.separation.models.cache_dir", lambda: tmp_path)
    listed = run("models", "--model-dir", tmp_path)
    assert listed.exit_code == 0
    assert not missing(listed.stdout, ["name", "state", "htdemucs", "htdemucs_ft", "umxhq", "umxl", "licence"])


def test_fetching_a_model_says_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mix2midi.separation.fetch_model", lambda name, model_dir, on_download: model_dir / name)
    assert run("models", "fetch", "umxhq", "--model-dir", tmp_path).stdout == f"umxhq: {tmp_path / 'umxhq'}\n"


def test_unknown_model_names_the_known_ones() -> None:
    one_line(run("models", "fetch", "nosuch"), "nosuch", "htdemucs", "umxhq")


# A process of its own


def test_process_end_to_end(tmp_path: Path, stem_options: list[str]) -> None:
    write_song(tmp_path / "a song.wav")
    result = run_process(*stem_options, "a song.wav", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("a song.wav -> a song.mid\n")
    assert result.stderr == "", "no progress where stderr is no terminal, and no warnings of libraries"


@pytest.mark.parametrize("command_name", ["convert", "evaluate"])
def test_streams_that_are_closed_are_done_without(
    command_name: str, tmp_path: Path, stem_options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `>&-` and `2>&-` leave them, and Windows where a program has no console."""
    write_song(tmp_path / "song.wav")
    write_midi(Transcription([DrumNote(0.1, 38, 90)], 1.5), tmp_path / "song_reference.mid")
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with pytest.raises(SystemExit) as left:
        app([command_name, *stem_options, str(tmp_path)])
    assert left.value.code == 0


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_terminal_sees_progress_and_pipe_sees_results(tmp_path: Path, stem_options: list[str]) -> None:
    import contextlib
    import os
    import pty

    write_song(tmp_path / "song.wav")
    terminal, far_end = pty.openpty()
    with (tmp_path / "results").open("w") as results:
        process = subprocess.Popen(
            command(*stem_options, "song.wav"),
            cwd=tmp_path,
            env=process_environment(TERM="xterm"),
            stdout=results,
            stderr=far_end,
        )
    os.close(far_end)
    shown = b""
    with contextlib.suppress(OSError):  # how Linux tells that nobody is left at the far end; others give b""
        while piece := os.read(terminal, 4096):
            shown += piece
    os.close(terminal)
    assert process.wait() == 0, shown
    assert not missing(shown.decode(), ["song.wav", "transcribing", "%"])
    assert (tmp_path / "results").read_text().startswith("song.wav -> song.mid\n")


def test_process_prints_names_that_its_terminal_cannot(tmp_path: Path, stem_options: list[str]) -> None:
    write_song(tmp_path / "größe.wav")
    result = run_process(*stem_options, "größe.wav", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "größe.mid").exists()
