"""Recipe, clips and pool of company for the drums, and the command that makes them."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from mix2midi.errors import OptionError, OutputError
from mix2midi.training.company.clips import KINDS, render_clip
from mix2midi.training.company.credits import credits_table
from mix2midi.training.company.pool import faults_of, read_index, render_company
from mix2midi.training.company.recipe import Recipe, read_recipe
from mix2midi.transcription import HeatMap, Transcriber
from tests.company import RATE_HZ, rng
from tests.songs import run

RECIPE_TEXT = """
clip_s: 6
minutes: 0.4
kinds: {song: 1, rock: 1, electronic: 1, voices: 1, recording: 1, stem: 1}
sources:
  - {name: songs, kind: midi, files: songs.zip, author: me, licence: MIT}
  - {name: singer, kind: voice, files: voice/*.wav, author: me, licence: CC0}
  - {name: talker, kind: talk, files: voice/*.wav, author: me, licence: CC0}
  - {name: music, kind: recording, files: music/*.wav, author: me, title: Tones, licence: CC BY-SA-3.0}
  - {name: chug, kind: stem, files: music/clicking.wav, author: me, title: Clicks, licence: CC0}
"""


@pytest.fixture
def recipe_path(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE_TEXT, encoding="utf-8")
    return path


def test_the_shipped_recipe_is_valid_and_knows_its_kinds(tmp_path: Path) -> None:
    path = Path(__file__).parents[1] / "mix2midi" / "configs" / "company.yaml"
    recipe = read_recipe(path, [tmp_path])
    assert set(recipe.kinds) <= set(KINDS)
    assert recipe.of_kind("speech")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("licence: MIT", "licence: CC BY-NC-SA-4.0", "not free"),
        ("licence: MIT", "licence: CC BY-NC 4.0", "not free"),
        ("licence: MIT", "licence: CC BY-ND 4.0", "not free"),
        ("licence: MIT", "licence: CC BY_NC4.0", "not free"),
        ("licence: MIT", "licence: CC BY NonCommercial", "not free"),
        ("licence: MIT", "licence: all rights reserved", "not free"),
        ("kind: midi", "kind: vinyl", "vinyl"),
        ("name: songs", "name: my/songs", "stroke"),
        ("clip_s: 6", "clip_s: 1", "clip_s"),
        ("sources:", "things:", "not a recipe"),
        ("clip_s: 6", "clip_s: 1" + "0" * 400, "not a recipe"),
        ("kinds: {song: 1", "kinds: {drums: 1", "drums"),
    ],
)
def test_a_wrong_recipe_is_refused_with_a_reason(
    recipe_path: Path, sources_dir: Path, tmp_path: Path, old: str, new: str, message: str
) -> None:
    recipe_path.write_text(RECIPE_TEXT.replace(old, new), encoding="utf-8")
    with pytest.raises(OptionError, match=message):
        render_company(recipe_path, tmp_path / "pool", minutes=0.1, folders=[sources_dir])


def test_sources_that_are_not_on_this_machine_are_left_out(recipe_path: Path, tmp_path: Path) -> None:
    assert read_recipe(recipe_path, [tmp_path]).sources == ()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_renders_a_sound_clip_without_any_source(kind: str) -> None:
    clip = render_clip(Recipe(6.0, 1.0, {kind: 1.0}, ()), kind, rng(8))
    assert faults_of(clip.audio) == []
    assert clip.audio.dtype == np.float32
    assert 4 * RATE_HZ < len(clip.audio) < 12 * RATE_HZ
    assert (clip.tempo_bpm == 0) == (kind in ("recording", "stem"))


def test_a_pool_holds_what_its_index_says(recipe_path: Path, sources_dir: Path, tmp_path: Path) -> None:
    entries = render_company(recipe_path, tmp_path / "pool", 5, folders=[sources_dir])
    assert entries == read_index(tmp_path / "pool")
    assert sum(entry.duration_s for entry in entries) >= 24.0
    for entry in entries:
        samples = np.load(tmp_path / "pool" / entry.file, mmap_mode="r")
        assert samples.dtype == np.int16 and samples.ndim == 1
        assert len(samples) == pytest.approx(entry.duration_s * RATE_HZ, abs=RATE_HZ / 1000)
        assert np.abs(samples.astype(int)).max() < 32700
    licences = {licence for entry in entries for licence in entry.licences.split("; ") if licence}
    assert licences and licences <= {"MIT", "CC0", "CC BY-SA-3.0"}
    assert not list((tmp_path / "pool").glob(".*")), "no temporary files stay"


def test_seeds_repeat_exactly_and_a_killed_run_goes_on(recipe_path: Path, sources_dir: Path, tmp_path: Path) -> None:
    whole = render_company(recipe_path, tmp_path / "a", 1, folders=[sources_dir])
    render_company(recipe_path, tmp_path / "b", 1, minutes=0.1, folders=[sources_dir])
    resumed = render_company(recipe_path, tmp_path / "b", 1, folders=[sources_dir])
    assert resumed == whole
    for entry in whole:
        np.testing.assert_array_equal(np.load(tmp_path / "a" / entry.file), np.load(tmp_path / "b" / entry.file))
    other = render_company(recipe_path, tmp_path / "c", 2, minutes=0.1, folders=[sources_dir])
    first = [np.load(tmp_path / name / clips[0].file)[:RATE_HZ] for name, clips in (("a", whole), ("c", other))]
    assert not np.array_equal(*first)


def test_processes_render_the_same_clips(
    recipe_path: Path, sources_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are spawned, as on Windows and macOS, and know nothing but what is handed to them."""
    spawned = partial(ProcessPoolExecutor, mp_context=get_context("spawn"))
    monkeypatch.setattr("mix2midi.training.company.pool.ProcessPoolExecutor", spawned)
    alone = render_company(recipe_path, tmp_path / "a", 1, minutes=0.2, folders=[sources_dir])
    shared = render_company(recipe_path, tmp_path / "b", 1, minutes=0.2, workers=2, folders=[sources_dir])
    assert shared == alone
    for entry in alone:
        np.testing.assert_array_equal(np.load(tmp_path / "a" / entry.file), np.load(tmp_path / "b" / entry.file))


def test_a_folder_that_cannot_be_made_is_named(recipe_path: Path, sources_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OutputError, match="taken"):
        render_company(recipe_path, tmp_path / "taken", folders=[sources_dir])


def test_the_command_reports_and_names_what_is_missing(recipe_path: Path, sources_dir: Path, tmp_path: Path) -> None:
    words: tuple[str | Path, ...] = ("--minutes", "0.05", "--sources", sources_dir)
    result = run("company", recipe_path, "-o", tmp_path / "pool", *words)
    assert result.exit_code == 0 and "1 clips" in result.stdout
    result = run("company", tmp_path / "none.yaml", "-o", tmp_path / "pool")
    assert result.exit_code == 1
    assert "none.yaml" in result.stderr and result.stderr.count("\n") == 1
    for either in ((), ("-o", tmp_path / "pool", "--credits", tmp_path / "credits.md")):
        result = run("company", recipe_path, *either)
        assert result.exit_code == 2 and "--credits" in result.stderr


def test_licences_may_be_spelt_as_in_spdx(recipe_path: Path, sources_dir: Path) -> None:
    text = RECIPE_TEXT.replace("licence: MIT", "licence: CC-BY-4.0").replace("licence: CC0", "licence: cc0-1.0")
    recipe_path.write_text(text)
    assert len(read_recipe(recipe_path, [sources_dir]).sources) == 5


def test_what_is_missing_is_said_and_what_is_no_pool_left_alone(
    recipe_path: Path, sources_dir: Path, tmp_path: Path
) -> None:
    words = ("company", recipe_path, "-o", tmp_path / "pool", "--minutes", "0.05")
    result = run(*words, "--sources", tmp_path / "mistyped")
    assert result.exit_code == 1 and "mistyped: no such folder" in result.stderr
    (tmp_path / "empty").mkdir()
    result = run(*words, "--sources", tmp_path / "empty")
    assert "without songs, singer, talker, music, chug" in result.stderr
    assert run(*words[:-1], "nan", "--sources", sources_dir).exit_code != 0
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "index.csv").write_text("a,b\n1,2\n")
    result = run("company", recipe_path, "-o", tmp_path / "theirs", "--sources", sources_dir)
    assert result.exit_code == 1 and "not the index of a pool" in result.stderr
    notes = tmp_path / "notes.md"
    notes.write_text("mine")
    result = run("company", recipe_path, "--sources", sources_dir, "--credits", notes)
    assert result.exit_code == 1 and notes.read_text() == "mine"


def test_the_command_sieves_recordings_in_which_drums_are_heard(
    recipe_path: Path,
    sources_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard = []

    class HearsDrumsEverywhere:
        def heat_map(self, audio: np.ndarray) -> HeatMap:
            heard.append(len(audio))
            rows = np.zeros((5, len(audio) // 441), np.float32)
            rows[1, ::20] = 1.0
            return HeatMap(rows, rows, rows, rows, 441, RATE_HZ)

    monkeypatch.setattr(Transcriber, "load", HearsDrumsEverywhere)
    recipe = tmp_path / "recipe.yaml"
    kinds_line = next(line for line in RECIPE_TEXT.splitlines() if line.startswith("kinds"))
    recipe.write_text(RECIPE_TEXT.replace(kinds_line, "kinds: {song: 1, recording: 1}"))
    words = ("company", recipe, "-o", tmp_path / "pool", "--minutes", "0.5", "--sources", sources_dir)
    assert run(*words).exit_code == 0
    kinds = [entry.kind for entry in read_index(tmp_path / "pool")]
    assert "recording" in kinds and not heard
    result = run(*words, "--sieve", "0.25")
    assert result.exit_code == 0
    left = [entry.kind for entry in read_index(tmp_path / "pool")]
    assert left == [kind for kind in kinds if kind != "recording"]
    assert len(heard) == kinds.count("recording")
    assert f"{len(left)} clips" in result.stdout


def test_credits_name_every_source_and_piece(recipe_path: Path, sources_dir: Path, tmp_path: Path) -> None:
    table = credits_table(read_recipe(recipe_path, [sources_dir]))
    for text in ("| songs |", "| music | Tones | me | CC BY-SA-3.0 | 2 |", "| music/calm | calm |", "music/clicking"):
        assert text in table
    target = tmp_path / "credits.md"
    assert run("company", recipe_path, "--sources", sources_dir, "--credits", target).exit_code == 0
    assert target.read_text(encoding="utf-8") == table
