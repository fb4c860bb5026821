"""Tuning to one's own drums: the tiny network, a few steps, and what must hold whatever the drums are."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from mix2midi.drums import FAMILIES, family_of_note
from mix2midi.errors import AudioError, ModelError, OptionError, OutputError
from mix2midi.notes import DrumNote, Transcription
from mix2midi.pipeline.own_drums import OWN_DRUMS_RECIPE, learn_own_drums, score_excerpts, suit_thresholds
from mix2midi.postprocess import write_midi
from mix2midi.scores import Scores, score_notes
from mix2midi.training.drum_track import Hits
from mix2midi.training.kits import KitLibrary
from mix2midi.transcription import Transcriber
from mix2midi.transcription.training.own_drums import (
    CHOICE_SEED,
    HELD_OUT_SEED,
    Excerpt,
    RecordedSlices,
    kit_slices,
    share_weights,
    songs_on_kit,
    split_recordings,
    tune_to,
)
from mix2midi.transcription.training.recipe import Recipe, load_recipe
from mix2midi.transcription.weights import Weights, load_weights
from tests.networks import TINY
from tests.sounds import RATE_HZ, one_shot, write_grooves, write_library


@pytest.fixture(autouse=True)
def few_songs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny network hears hits everywhere, and matching them takes its time."""
    monkeypatch.setattr("mix2midi.pipeline.own_drums._SONGS", 2)


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "slices: {frames: 344, first: 4, window: 8, fresh_per_step: 1.0,\n"
        "  views: {clean: 1.0, mix: 0.0, separated: 0.0}}\n"
        "optimiser: {batch_size: 2, steps: 3, learning_rate: 0.003, warmup_steps: 1, freeze_norms: true}\n"
    )
    return path


@pytest.fixture
def one_shots(tmp_path: Path) -> Path:
    folder = tmp_path / "my-samples"
    folder.mkdir()
    for name, frequency_hz in (("kick", 60), ("snare", 200), ("closed hat", 8000), ("crash", 5000)):
        soundfile.write(folder / f"{name}.wav", one_shot(frequency_hz, 300), RATE_HZ)
    return folder


def tiny_recipe(path: Path) -> Recipe:
    return replace(load_recipe(path), network=TINY.to_dict())


def test_one_shots_are_learnt_and_scored(
    one_shots: Path, tiny_weights: Path, recipe_file: Path, tmp_path: Path
) -> None:
    lines: list[dict[str, object]] = []
    output = tmp_path / "mine.safetensors"
    result = learn_own_drums(
        one_shots, output, tmp_path / "no-data", weights=tiny_weights, recipe_path=recipe_file, report=lines.append
    )
    counts = [result.before.families[family].counts[0.05].reference for family in FAMILIES]
    assert counts[FAMILIES.index("kick")] > 20 and counts[FAMILIES.index("toms")] == 0
    assert counts == [result.after.families[family].counts[0.05].reference for family in FAMILIES]
    found, *steps = lines
    assert found == {"instruments": 4} and [line["step"] for line in steps] == [1, 2, 3]
    assert len(result.lines()) == 3 + len(FAMILIES)
    old, new = load_weights(tiny_weights), load_weights(output)
    assert new.network.config == old.network.config
    assert new.notes["own_drums"] == {"steps": 3, "new_share": result.new_share}
    same = [torch.equal(a, b) for a, b in zip(old.network.parameters(), new.network.parameters(), strict=True)]
    assert all(same) == (result.new_share == 0.0)
    assert not list(tmp_path.glob("mix2midi-*")), "nothing is left beside the result"


def test_samples_that_are_not_learnt_are_told_of(
    one_shots: Path, tiny_weights: Path, recipe_file: Path, tmp_path: Path
) -> None:
    (one_shots / "kick 2.wav").write_text("no sound")
    soundfile.write(one_shots / "bongo.wav", one_shot(400, 300), RATE_HZ)
    lines: list[dict[str, object]] = []
    output = tmp_path / "mine.safetensors"
    learn_own_drums(one_shots, output, tmp_path, weights=tiny_weights, recipe_path=recipe_file, report=lines.append)
    assert lines[0].pop("instruments") == 4
    told = dict(lines[0])
    assert told.pop("no drum in the name, sort with mix2midi kits cluster:") == "bongo.wav"
    assert str(told.pop("left out:")).startswith("kick 2 (note 36") and not told


def test_normalisation_keeps_its_statistics(tiny_weights: Path, recipe_file: Path, tmp_path: Path) -> None:
    library = KitLibrary(write_library(tmp_path / "kits", ("mine",)))
    recipe, weights = tiny_recipe(recipe_file), load_weights(tiny_weights)
    before = {key: value.clone() for key, value in weights.network.state_dict().items()}
    tuned = tune_to(weights, recipe, [kit_slices(recipe, library, [])], None, tmp_path)
    after = tuned.network.state_dict()
    for key in before:
        if key.endswith(("running_mean", "running_var", "num_batches_tracked")):
            assert torch.equal(before[key], after[key]), key
    assert all(torch.equal(before[key], value) for key, value in weights.network.state_dict().items()), (
        "input unchanged"
    )


def test_the_result_is_a_mean_of_old_and_tuned(tiny_weights: Path, recipe_file: Path, tmp_path: Path) -> None:
    library = KitLibrary(write_library(tmp_path / "kits", ("mine",)))
    recipe, weights = tiny_recipe(recipe_file), load_weights(tiny_weights)
    tuned = tune_to(weights, recipe, [kit_slices(recipe, library, [])], None, tmp_path)
    kept, half, new = (share_weights(weights, tuned, share).network.state_dict() for share in (0.0, 0.5, 1.0))
    old = weights.network.state_dict()
    assert any(not torch.equal(old[key], new[key]) for key in old)
    for key, value in old.items():
        torch.testing.assert_close(kept[key], value)
        torch.testing.assert_close(new[key], tuned.network.state_dict()[key])
        if value.dtype.is_floating_point:
            torch.testing.assert_close(half[key], (value + new[key]) / 2, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("best", "said"), [(0.0, "was kept"), (0.25, "25%")])
def test_the_share_is_the_one_that_hears_the_kit_best(
    one_shots: Path,
    tiny_weights: Path,
    recipe_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    best: float,
    said: str,
) -> None:
    tried: list[set[int]] = []
    judged: list[set[int]] = []

    def songs_of(excerpts: Sequence[Excerpt]) -> set[int]:
        return {hash(excerpt.audio.tobytes()) for excerpt in excerpts}

    def suit(weights: Weights, songs: Sequence[Excerpt], device: str) -> tuple[Weights, float]:
        tried.append(songs_of(songs))
        return weights, float(weights.notes["own_drums"]["new_share"] == best)

    def score(weights: Weights, excerpts: Sequence[Excerpt], device: str) -> Scores:
        judged.append(songs_of(excerpts))
        return score_notes([DrumNote(1.0, 36, 100)], [])

    monkeypatch.setattr("mix2midi.pipeline.own_drums.suit_thresholds", suit)
    monkeypatch.setattr("mix2midi.pipeline.own_drums.score_excerpts", score)
    output = tmp_path / "mine.safetensors"
    result = learn_own_drums(one_shots, output, tmp_path / "none", weights=tiny_weights, recipe_path=recipe_file)
    assert result.new_share == best == load_weights(output).notes["own_drums"]["new_share"]
    assert said in result.lines()[-1]
    assert judged[0] == judged[1] and all(choice == tried[0] for choice in tried)
    assert not judged[0] & tried[0], "what it is judged by is not what the share is chosen by"


def test_thresholds_suit_the_kit_and_stay_near(tiny_weights: Path, tmp_path: Path) -> None:
    songs = songs_on_kit(KitLibrary(write_library(tmp_path / "kits", ("mine",))), 2)
    weights = load_weights(tiny_weights)
    before = Transcriber(weights).pickings
    suited, score = suit_thresholds(weights, songs, "cpu")
    after = Transcriber(suited).pickings
    moved = {name: abs(after["clean"].thresholds[name] - old) for name, old in before["clean"].thresholds.items()}
    assert 0.0 < max(moved.values()) < 0.121, "the tiny network is sure of nothing: thresholds go as low as they may"
    assert score >= score_excerpts(weights, songs).f_measure()
    assert {view: after[view] for view in ("separated", "mix")} == {view: before[view] for view in ("separated", "mix")}


def test_other_kits_are_mixed_in_where_there_are_any(
    one_shots: Path, tiny_weights: Path, recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that the shipped weights learnt from: not the ones they are judged by, nor those that teach nothing."""
    grooves, kits = tmp_path / "grooves", tmp_path / "kits"
    write_library(kits / "kits", ("plain", "avl_redzep", "msg_56"))
    for folder in (grooves, kits):
        folder.mkdir(exist_ok=True)
        write_grooves(folder / "groove.zip")
    heard: list[set[str]] = []

    def spy(*args: Any, **options: Any) -> Weights:
        general = args[3]
        heard.append({instrument.kit for instrument in general.library.instruments} if general else set())
        return tune_to(*args, **options)

    monkeypatch.setattr("mix2midi.transcription.training.own_drums.tune_to", spy)
    for folder in (grooves, kits):
        output = tmp_path / f"{folder.name}.safetensors"
        learn_own_drums(one_shots, output, folder, weights=tiny_weights, recipe_path=recipe_file)
    assert heard == [set(), {"plain"}]


def test_held_out_rendering_is_the_same_each_time_and_true_to_the_sample(tmp_path: Path) -> None:
    library = KitLibrary(write_library(tmp_path / "kits", ("mine",)))
    first, again = songs_on_kit(library, 2), songs_on_kit(library, 2)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.audio, other.audio)
        assert one.notes == other.notes and one.notes
        start = round(one.notes[0].onset_s * RATE_HZ)
        assert np.abs(one.audio[: max(0, start - 10)]).max(initial=0.0) < 1e-3
        assert np.abs(one.audio[start : start + 400]).max() > 0.01
    assert not np.array_equal(first[0].audio, first[1].audio)


@pytest.mark.parametrize("seed", [HELD_OUT_SEED, CHOICE_SEED])
def test_songs_to_choose_and_judge_by_have_hats_and_cymbals_as_music_has(tmp_path: Path, seed: int) -> None:
    library = KitLibrary(write_library(tmp_path / "kits", ("mine",)))
    families = Counter(family_of_note(note.note) for song in songs_on_kit(library, 8, seed) for note in song.notes)
    total = sum(families.values())
    assert families["hats"] > 0.15 * total
    assert min(families["kick"], families["snare"]) > 0.1 * total
    assert 0.03 * total < families["cymbals"] < 0.4 * total
    assert families["toms"] > 0.02 * total


def test_midi_of_a_sampler_is_refused(tmp_path: Path) -> None:
    """Its notes would be no hits, and what is heard there would be learnt as nothing."""
    folder = tmp_path / "takes"
    folder.mkdir()
    soundfile.write(folder / "take.wav", recording().audio, RATE_HZ)
    notes = [DrumNote(note.onset_s, {36: 24, 38: 26}[note.note], note.velocity) for note in recording().notes]
    write_midi(Transcription(notes, 12.0), folder / "take_reference.MID")
    with pytest.raises(OptionError, match=r"take_reference\.MID: .* of .* notes are no drum of General MIDI \(24"):
        learn_own_drums(folder, tmp_path / "mine.safetensors", tmp_path / "none")


def test_its_own_transcription_and_an_empty_one_are_no_truth(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "take.wav", recording().audio, RATE_HZ)
    write_midi(Transcription([DrumNote(1.0, 36, 90)], 12.0), tmp_path / "take.mid")
    with pytest.raises(OptionError, match=r"take\.mid: made by mix2midi itself"):
        learn_own_drums(tmp_path, tmp_path / "mine.safetensors", tmp_path / "none")
    write_midi(Transcription([], 12.0), tmp_path / "take_reference.mid")
    with pytest.raises(OptionError, match=r"take_reference\.mid: holds no drum notes"):
        learn_own_drums(tmp_path, tmp_path / "mine.safetensors", tmp_path / "none")


def recording(duration_s: float = 12.0) -> Excerpt:
    """Kick and snare in turn, every half second."""
    onset_s = np.arange(0.25, duration_s - 0.5, 0.5)
    audio = np.zeros(round(duration_s * RATE_HZ), dtype=np.float32)
    for index, time_s in enumerate(onset_s):
        hit, start = one_shot((60, 200)[index % 2]), round(time_s * RATE_HZ)
        audio[start : start + len(hit)] += hit[: len(audio) - start]
    return Excerpt(audio, Hits(onset_s, np.arange(len(onset_s)) % 2, np.full(len(onset_s), 100.0)))


def test_a_file_that_holds_no_weights_is_not_replaced(one_shots: Path, tiny_weights: Path, tmp_path: Path) -> None:
    for mine, content in (("notes.md", b"mine"), ("song.safetensors", b"\x08\0\0\0\0\0\0\0{}      ")):
        (tmp_path / mine).write_bytes(content)
        with pytest.raises(OutputError, match="holds no weights of mix2midi"):
            learn_own_drums(one_shots, tmp_path / mine, tmp_path / "none", weights=tiny_weights)
        assert (tmp_path / mine).read_bytes() == content


def test_what_is_judged_by_is_never_learnt() -> None:
    whole = recording()
    (learnt,), (held_out,) = split_recordings([whole])
    assert len(learnt.audio) == 3 * len(held_out.audio)
    assert len(learnt.notes) + len(held_out.notes) == len(whole.notes)
    np.testing.assert_array_equal(np.concatenate([learnt.audio, held_out.audio]), whole.audio)


def test_slices_of_recordings_hold_their_hits(recipe_file: Path) -> None:
    recipe = tiny_recipe(recipe_file)
    source = RecordedSlices([recording()], TINY, recipe.slices.frames, seed=1)
    judged = 0
    for number in range(20):
        audio, hits = source.render(number)
        assert audio.shape == (recipe.slices.frames * TINY.hop_length + 2 * TINY.context_samples,)
        for frame, _, velocity in hits:
            start = round(float(frame) * TINY.hop_length) + TINY.context_samples
            if 20 < start < len(audio) - 400:
                before, after = np.abs(audio[start - 20 : start - 2]).max(), np.abs(audio[start : start + 400]).max()
                assert after > 5 * before and velocity == 100
                judged += 1
        np.testing.assert_array_equal(audio, source.render(number)[0])
    assert judged > 10


def test_recordings_with_midi_are_learnt(tiny_weights: Path, recipe_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "takes"
    folder.mkdir()
    take = recording()
    soundfile.write(folder / "take.wav", take.audio, RATE_HZ)
    write_midi(Transcription(take.notes, 12.0), folder / "take_reference.mid")
    result = learn_own_drums(
        folder, tmp_path / "mine.safetensors", tmp_path / "none", weights=tiny_weights, recipe_path=recipe_file
    )
    assert result.before.overall.counts[0.05].reference == len(split_recordings([take])[1][0].notes)
    soundfile.write(folder / "take.wav", take.audio[: 2 * RATE_HZ], RATE_HZ)
    with pytest.raises(OptionError, match=r"\.wav: recordings must last 8 s at least; leave this one or .*\.mid out"):
        learn_own_drums(folder, tmp_path / "x.safetensors", tmp_path / "none", weights=tiny_weights)


@pytest.mark.parametrize("late_s", [0.0, 0.11])
def test_notes_of_another_take_are_told_of(late_s: float, recipe_file: Path, tmp_path: Path) -> None:
    take = recording()
    soundfile.write(tmp_path / "take.wav", take.audio, RATE_HZ)
    notes = [replace(note, onset_s=note.onset_s + late_s) for note in take.notes]
    write_midi(Transcription(notes, 13.0), tmp_path / "take_reference.mid")
    told: list[str] = []
    learn_own_drums(
        tmp_path, tmp_path / "x.safetensors", tmp_path / "none", steps=1, recipe_path=recipe_file, report=told.extend
    )
    assert any("may be of another take" in name for name in told) == (late_s > 0)


def test_drums_that_cannot_be_used(one_shots: Path, tiny_weights: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="name a file"):
        learn_own_drums(one_shots, tmp_path, tmp_path / "none", weights=tiny_weights)
    with pytest.raises(ModelError, match="no such weights"):
        learn_own_drums(one_shots, tmp_path / "x", tmp_path / "none", weights=tmp_path / "gone")
    with pytest.raises(OptionError, match="no such file or folder"):
        learn_own_drums(tmp_path / "gone", tmp_path / "x", tmp_path / "none", weights=tiny_weights)
    (tmp_path / "empty").mkdir()
    with pytest.raises(AudioError, match="no audio"):
        learn_own_drums(tmp_path / "empty", tmp_path / "x", tmp_path / "none", weights=tiny_weights)
    assert not (tmp_path / "x").exists()


def test_broken_samples_are_named(tiny_weights: Path, tmp_path: Path) -> None:
    samples = tmp_path / "samples"
    samples.mkdir()
    (samples / "snare.wav").write_text("no audio")
    with pytest.raises(OptionError, match=r"samples: no sample can be used: .*snare\.wav"):
        learn_own_drums(samples, tmp_path / "mine.safetensors", tmp_path, weights=tiny_weights)


def test_shipped_recipe_is_gentle() -> None:
    recipe = load_recipe(OWN_DRUMS_RECIPE)
    assert recipe.optimiser.freeze_norms and recipe.optimiser.steps <= 300


@pytest.mark.parametrize("words", [["--kit", "x"], ["-o", "y"], [], ["recipe.yaml", "--kit", "x", "-o", "y"]])
def test_wrong_combinations_are_refused(words: list[str]) -> None:
    from typer.testing import CliRunner

    from mix2midi.cli.app import app

    result = CliRunner().invoke(app, ["train", *words])
    assert result.exit_code == 2


def test_command_line_and_use_of_the_result(one_shots: Path, tiny_weights: Path, tmp_path: Path) -> None:
    output = tmp_path / "mine.safetensors"
    words = ["train", "--kit", one_shots, "-o", output, "--from", tiny_weights, "--steps", "1", "--data", tmp_path]
    done = subprocess.run([sys.executable, "-m", "mix2midi", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("held-out F") and done.stdout.rstrip().endswith("mine.safetensors")
    soundfile.write(tmp_path / "drums.wav", recording(3.0).audio, RATE_HZ)
    words = ["--stem-only", tmp_path / "drums.wav", "--weights", output, "-q"]
    used = subprocess.run([sys.executable, "-m", "mix2midi", *map(str, words)], capture_output=True, text=True)
    assert used.returncode == 0, used.stderr
    assert (tmp_path / "drums.mid").is_file()
