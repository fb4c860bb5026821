"""Thresholds that are chosen on whole songs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from mix2midi.drums import FAMILIES
from mix2midi.errors import OptionError, OutputError
from mix2midi.notes import DrumNote, Transcription
from mix2midi.pipeline.tune import (
    TuningSet,
    _certainty,
    calibrate_confidence,
    calibrate_velocity,
    choose_thresholds,
    tune,
)
from mix2midi.postprocess import write_midi
from mix2midi.scores import Reference, pool_scores, score_notes
from mix2midi.transcription import HeatMap, Picking, pick_notes
from mix2midi.transcription.weights import load_weights
from tests.heat_maps import HOP, RATE_HZ, drawn


def song(true_height: float, false_height: float, key: str = "snare", note: int = 38) -> tuple[HeatMap, Reference]:
    """Ten true hits of one height, and ten false ones of another between them."""
    frames = np.arange(20, 20 + 20 * 40, 40)
    hits = [(key, float(f), true_height if i % 2 == 0 else false_height) for i, f in enumerate(frames)]
    truth = [DrumNote(float(f) * HOP / RATE_HZ, note, 64) for f in frames[::2]]
    return drawn(hits, frames=900), Reference(truth)


def as_set(*songs: tuple[HeatMap, Reference]) -> TuningSet:
    return TuningSet([heat_map for heat_map, _ in songs], [reference for _, reference in songs])


def test_a_threshold_lies_between_true_and_false_hits() -> None:
    heat_map, reference = song(0.35, 0.2)
    assert score_notes(reference, pick_notes(heat_map)).f_measure() == 0.0
    picking = choose_thresholds([as_set((heat_map, reference))])
    assert 0.2 < picking.thresholds["snare"] <= 0.35
    assert score_notes(reference, pick_notes(heat_map, picking)).f_measure() == 1.0


def test_a_large_set_does_not_outvote_a_small_one() -> None:
    large = as_set(*[song(0.9, 0.6)] * 5)  # wants more than 0.6
    small = as_set(song(0.5, 0.1))  # loses everything above 0.5
    threshold = choose_thresholds([large, small]).thresholds["snare"]
    assert threshold <= 0.5, "two thirds here and all there beat all here and nothing there"


def test_only_the_named_families_change() -> None:
    heat_map, reference = song(0.35, 0.2)
    picking = choose_thresholds([as_set((heat_map, reference))], Picking(), ["snare"])
    assert {name for name in FAMILIES if picking.thresholds[name] != 0.5} == {"snare"}
    with pytest.raises(OptionError, match="'drums' is not known"):
        choose_thresholds([as_set((heat_map, reference))], Picking(), ["drums"])


def test_what_no_song_has_keeps_its_threshold_and_its_confidence() -> None:
    """One drummer's recordings of a snare say nothing about toms; at 0.1 every song would be full of them."""
    stored = Picking(
        thresholds={**Picking().thresholds, "toms": 0.58, "cymbals": 0.64},
        certainty={"toms": [(0.5, 0.6), (0.9, 0.9)]},
    )
    tuned = [as_set(song(0.35, 0.2))]
    picking = calibrate_confidence(tuned, choose_thresholds(tuned, stored))
    assert {name for name in FAMILIES if picking.thresholds[name] != stored.thresholds[name]} == {"snare"}
    assert picking.certainty == stored.certainty


def test_of_equal_thresholds_the_nearest_to_the_old_one_is_taken() -> None:
    clear = [as_set(song(0.9, 0.05))]
    for old in (0.4, 0.7):
        stored = Picking(thresholds={**Picking().thresholds, "snare": old})
        assert choose_thresholds(clear, stored).thresholds["snare"] == pytest.approx(old)


def test_thresholds_go_no_further_than_they_may() -> None:
    faint = [as_set(song(0.35, 0.2))]

    def chosen(old: float, furthest: float) -> float:
        stored = Picking(thresholds={**Picking().thresholds, "snare": old})
        return choose_thresholds(faint, stored, ["snare"], furthest).thresholds["snare"]

    assert chosen(0.5, furthest=1.0) < 0.35
    assert chosen(0.5, furthest=0.12) == pytest.approx(0.5, abs=0.12)
    assert chosen(0.999, furthest=0.01) == 0.999, "no candidate is that near"


def test_confidence_becomes_the_share_of_right_hits() -> None:
    # Sure hits (0.9) are always right; of the doubtful ones (0.6) every second is.
    songs = [song(0.9, 0.6)] * 5 + [song(0.6, 0.1)] * 5
    picking = calibrate_confidence([as_set(*songs)], Picking())
    scores = [score_notes(reference, pick_notes(heat_map, picking)) for heat_map, reference in songs]
    confident = {round(note.confidence, 1) for heat_map, _ in songs for note in pick_notes(heat_map, picking)}
    assert confident == {0.5, 1.0}
    assert pool_scores(scores).overall.calibration_error < 0.02
    before = pool_scores(score_notes(reference, pick_notes(heat_map)) for heat_map, reference in songs)
    assert before.overall.calibration_error > 0.05


def test_too_few_hits_leave_activations_as_they_are() -> None:
    heat_map, reference = song(0.9, 0.6)
    assert calibrate_confidence([as_set((heat_map, reference))], Picking()).certainty == {}


def test_velocities_that_are_heard_too_hard_come_down_and_each_set_counts_alike() -> None:
    hits = [("snare", float(frame), 0.9) for frame in range(20, 820, 40)]

    def heard_as(heard: int, true: int) -> tuple[HeatMap, Reference]:
        truth = [DrumNote(frame * HOP / RATE_HZ, 38, true) for _, frame, _ in hits]
        truth.append(DrumNote(860 * HOP / RATE_HZ, 38, 20))  # not heard; were all alike, they would be no velocities
        return drawn(hits, frames=900, velocity=heard / 127.0), Reference(truth)

    loud = heard_as(100, 90)
    assert calibrate_velocity([as_set(loud)], Picking()).velocity_scale == pytest.approx(0.9)
    again = calibrate_velocity([as_set(loud)], Picking(velocity_scale=0.5))
    assert again.velocity_scale == pytest.approx(0.9), "what was chosen before does not count"
    sets = [as_set(*[heard_as(100, 120)] * 3), as_set(heard_as(110, 88)), as_set(loud)]
    picking = calibrate_velocity(sets, Picking())
    assert picking.velocity_scale == pytest.approx(0.9), "the median of three sets, not of five songs"
    assert {note.velocity for note in pick_notes(loud[0], picking)} == {90}


def test_references_without_velocities_leave_them_as_they_are() -> None:
    heat_map, reference = song(0.9, 0.1)
    silent = Reference(reference.notes, knows_velocities=False)
    assert calibrate_velocity([as_set((heat_map, silent))], Picking()) == Picking()
    assert calibrate_velocity([as_set((heat_map, reference))], Picking()) == Picking(), "all are the same"


def test_tuned_weights_are_written_whole(tmp_path: Path, tiny_weights: Path) -> None:
    audio = np.random.default_rng(0).standard_normal(RATE_HZ).astype(np.float32) * 0.1
    soundfile.write(tmp_path / "song.wav", audio, RATE_HZ)
    write_midi(Transcription([DrumNote(0.5, 38, 90)], 1.0), tmp_path / "song.mid")
    pickings = tune(tiny_weights, [tmp_path], tmp_path / "tuned.safetensors", [], views=["mix"])
    tuned = load_weights(tmp_path / "tuned.safetensors")
    assert set(pickings) == set(tuned.pickings) == {"mix"}, "the other views keep what they had"
    assert Picking.from_dict(tuned.pickings["mix"]) == pickings["mix"]
    assert tuned.network.config == load_weights(tiny_weights).network.config


def test_folders_of_both_kinds_are_sets(tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Songs that are folders with several audio files, and plain files with their MIDI, in one go."""
    audio = np.random.default_rng(0).standard_normal(RATE_HZ // 2).astype(np.float32) * 0.1
    (tmp_path / "real" / "song").mkdir(parents=True)
    for name in ("real/song/drums.wav", "real/song/mix.wav"):
        soundfile.write(tmp_path / name, audio, RATE_HZ)
    (tmp_path / "real" / "song" / "class.txt").write_text("0.25 KD\n")
    (tmp_path / "rendered").mkdir()
    soundfile.write(tmp_path / "rendered" / "000.wav", audio, RATE_HZ)
    write_midi(Transcription([DrumNote(0.25, 38, 90)], 0.5), tmp_path / "rendered" / "000.mid")
    seen: list[int] = []

    def watch(sets: list[TuningSet], picking: Picking, families: list[str]) -> Picking:
        seen.extend(len(entry.references) for entry in sets)
        return picking

    monkeypatch.setattr("mix2midi.pipeline.tune.choose_thresholds", watch)
    folders = [tmp_path / "real", tmp_path / "rendered"]
    tune(tiny_weights, folders, tmp_path / "tuned.safetensors", ["drums.wav", "mix.wav"], views=["clean"])
    assert seen == [1, 1, 1]


def test_a_set_without_these_drums_does_not_decide_alone() -> None:
    """What is heard in it is wrong; where nothing is, it is without fault, and not undefined."""
    empty = song(0.9, 0.1)[0], Reference([])
    chosen = choose_thresholds([as_set(empty), as_set(song(0.9, 0.1))], Picking(), ["snare"])
    assert 0.1 < chosen.thresholds["snare"] < 0.9


def test_confidence_is_defined_where_no_hit_is_near() -> None:
    activation = np.concatenate([np.linspace(0.3, 0.4, 6), [0.55], np.linspace(0.9, 0.99, 45)])
    points = _certainty([np.array([activation, activation > 0.5])])
    assert np.isfinite(points).all() and np.all(np.diff([share for _, share in points]) >= 0)


def test_what_cannot_work_is_refused_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mix2midi.transcription.weights.load_weights", lambda path: pytest.fail("work has begun"))
    with pytest.raises(OptionError, match="'tom' is not known"):
        tune(tmp_path / "w", [tmp_path], tmp_path / "out", [], families=["tom"])
    with pytest.raises(OutputError, match="no folder"):
        tune(tmp_path / "w", [tmp_path], tmp_path / "nowhere" / "out", [])


def test_an_input_that_no_folder_holds_is_named(tmp_path: Path) -> None:
    (tmp_path / "drums.flac").touch()
    with pytest.raises(OptionError, match=r"hold no drumz\.flac"):
        tune(tmp_path / "w", [tmp_path], tmp_path / "out", ["drums.flac", "drumz.flac"])


def test_an_unknown_view_is_refused(tmp_path: Path, tiny_weights: Path) -> None:
    with pytest.raises(OptionError, match="view 'stem' is not known; choose from clean, separated, mix"):
        tune(tiny_weights, [tmp_path], tmp_path / "tuned.safetensors", [], views=["stem"])
