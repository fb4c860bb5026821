"""Slices of tiny made-up data: what is rendered is what the target says."""

from __future__ import annotations

import shutil
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import correlate

from mix2midi.drums import FAMILIES, PIECES
from mix2midi.errors import OptionError
from mix2midi.training.drum_kit import Voice, draw_kit, plain_kit
from mix2midi.training.drum_track import Hits, cut_hits, render_drums, vary_hits
from mix2midi.training.effects import EFFECTS, produce, rms
from mix2midi.training.kits import KitLibrary
from mix2midi.training.patterns import generate_pattern
from mix2midi.training.performances import ROW_OF_PIECE, Performance, draw_performance, load_grooves
from mix2midi.training.slices import SliceRing, batch_of, slices_of_step
from mix2midi.training.synthesis import synthesise_kit
from mix2midi.transcription.training.recipe import Recipe, SliceRecipe, load_recipe
from mix2midi.transcription.training.slices import SliceRenderer
from mix2midi.transcription.training.targets import paint_targets
from mix2midi.transcription.training.train import judging_renderer, training_renderer, validation_renderer
from mix2midi.transcription.training.views import mix, separated, separated_by
from tests.sounds import RATE_HZ, RECIPE, write_company, write_grooves, write_library

GOLDEN_OPEN_UNMIX = Path(__file__).parent / "golden" / "open_unmix"


def numbers_of_step(recipe: Recipe, step: int) -> tuple[np.ndarray, int]:
    return slices_of_step(recipe.slices, recipe.seed, recipe.optimiser.batch_size, step)


def test_a_slice_depends_on_its_number_alone(data: Path, renderer: SliceRenderer) -> None:
    again = training_renderer(load_recipe(data / "recipe.yaml"), data)
    again.render(5)  # what was rendered before must not matter
    for first, second in zip(renderer.render(7), again.render(7), strict=True):
        np.testing.assert_array_equal(first, second)
    assert not np.array_equal(renderer.render(7)[0], renderer.render(8)[0])


def test_samples_are_trimmed_to_their_attack(tmp_path: Path) -> None:
    library = KitLibrary(write_library(tmp_path / "late", silence_samples=500))
    for instrument in library.instruments:
        for layer in instrument.layers:
            loud = np.flatnonzero(np.abs(layer.audio) > 0.1)
            assert loud[0] <= 12, "0.3 ms at most before the attack"
            assert np.abs(layer.audio).max() == pytest.approx(1.0)


def test_drums_sound_exactly_where_the_hits_are(data: Path) -> None:
    library = KitLibrary(data / "kits")
    kit = draw_kit(np.random.default_rng(1), library)
    onset_s = np.array([0.1, 0.6, 1.1])
    rows = np.array([ROW_OF_PIECE[key] for key in ("kick", "snare", "closed_hat")])
    audio, heard = render_drums(np.random.default_rng(2), Hits(onset_s, rows, np.full(3, 100.0)), kit, 1.5)
    assert heard.all()
    for start_s in onset_s:
        start = round(start_s * RATE_HZ)
        assert np.abs(audio[start - 200 : start - 10]).max() < 0.2 * np.abs(audio[start : start + 400]).max()


def test_harder_hits_are_louder(data: Path) -> None:
    kit = draw_kit(np.random.default_rng(1), KitLibrary(data / "kits"))
    row = np.array([ROW_OF_PIECE["snare"]])
    levels = [
        rms(render_drums(np.random.default_rng(2), Hits(np.array([0.0]), row, np.array([v])), kit, 0.5)[0])
        for v in (20.0, 60.0, 120.0)
    ]
    assert levels == sorted(levels) and levels[2] > 3 * levels[0]


def test_what_cannot_be_heard_is_not_asked_for(data: Path) -> None:
    kit = draw_kit(np.random.default_rng(1), KitLibrary(data / "kits"))
    rows = np.array([ROW_OF_PIECE[key] for key in ("snare", "mid_tom", "cowbell")])
    hits = Hits(np.array([0.2, 0.2, 0.4]), rows, np.array([127.0, 2.0, 100.0]))
    _, heard = render_drums(np.random.default_rng(2), hits, kit, 0.6)
    assert heard.tolist() == [True, False, False], "drowned by the snare; not in the library at all"
    assert hits.where(heard).row.tolist() == [ROW_OF_PIECE["snare"]]


def test_left_out_kits_are_only_heard_in_validation(data: Path) -> None:
    recipe = load_recipe(data / "recipe.yaml")
    assert set(training_renderer(recipe, data).library.by_kit) == {"plain"}
    assert set(validation_renderer(recipe, data).library.by_kit) == {"spare"}
    with pytest.raises(OptionError, match="no drum left"):
        KitLibrary(data / "kits", left_out=["plain", "spare"])


def test_grooves_keep_time_and_velocity(data: Path) -> None:
    (performance,) = load_grooves(data / "groove.zip", "train")
    assert performance.tempo_bpm == 120
    hats = performance.onset_s[performance.row == ROW_OF_PIECE["closed_hat"]]
    np.testing.assert_allclose(hats, np.arange(32) * 0.25, atol=1e-6)
    assert performance.velocity.min() == 60
    assert performance.style == "rock/halftime"
    with pytest.raises(OptionError, match="no performances"):
        load_grooves(data / "groove.zip", "test")
    with pytest.raises(OptionError, match="no such file"):
        load_grooves(data / "nothing.zip", "train")


def performances_of(*styles: str) -> list[Performance]:
    silence = np.zeros(0)
    return [Performance(silence, silence.astype(np.int64), silence, 120.0, style=style) for style in styles]


def test_styles_are_drawn_as_often_as_the_recipe_says() -> None:
    performances = performances_of("jazz/swing", "jazz", "rock", "rock", "rock", "rock", "funk", "jazzfunk")
    rng = np.random.default_rng(5)
    shares = {"jazz": 0.5, "funk": 0.1}
    styles = Counter(draw_performance(rng, performances, shares).general_style for _ in range(2000))
    expected = {"jazz": 0.5 + 0.4 * 2 / 8, "funk": 0.1 + 0.4 / 8, "rock": 0.4 * 4 / 8, "jazzfunk": 0.4 / 8}
    assert {style: count / 2000 for style, count in styles.items()} == pytest.approx(expected, abs=0.04)


def test_a_recipe_without_styles_draws_what_it_always_drew() -> None:
    performances = performances_of(*"abcdefgh")
    drawn, plain = np.random.default_rng(8), np.random.default_rng(8)
    for _ in range(20):
        assert draw_performance(drawn, performances, {}) is performances[int(plain.integers(8))]


def test_a_style_that_nobody_plays_is_named(data: Path) -> None:
    recipe = load_recipe(data / "recipe.yaml")
    slices = replace(recipe.slices, style_shares={"jaz": 1.0}, pattern_share=0.0)
    unknown = replace(recipe, slices=slices)
    with pytest.raises(OptionError, match="nobody plays 'jaz' to learn from; there are rock"):
        training_renderer(unknown, data).render(0)
    assert validation_renderer(unknown, data).render(0)[0].any(), "shares are for what is learnt from"
    with pytest.raises(OptionError, match="style_shares gives shares of 0 or more that add up to no more than 1"):
        replace(recipe.slices, style_shares={"jazz": 0.8, "rock": 0.4})


@pytest.mark.parametrize("table", [b"\xff\xfe\x92", b"split,duration\ntrain,long\n"], ids=["no text", "no number"])
def test_a_damaged_table_of_grooves_is_named(table: bytes, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "groove.zip", "w") as archive:
        archive.writestr("groove/info.csv", table)
    with pytest.raises(OptionError, match="no whole archive of the Groove MIDI Dataset"):
        load_grooves(tmp_path / "groove.zip", "train")


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_varied_hits_stay_a_drum_part(seed: int) -> None:
    rng = np.random.default_rng(seed)
    performance = generate_pattern(rng, 4)
    varied = vary_hits(rng, cut_hits(performance, 6.0, 1.0, 0.0), 6.0, performance.tempo_bpm)
    assert len(varied.onset_s) == len(varied.row) == len(varied.velocity)
    assert (np.diff(varied.onset_s) >= 0).all() and (varied.onset_s < 6.0 + 0.05).all()
    assert ((varied.velocity >= 1) & (varied.velocity <= 127)).all()
    assert ((varied.row >= 0) & (varied.row < len(PIECES))).all()


def test_varied_parts_hold_what_performances_seldom_do() -> None:
    """A crash right on a kick, and kicks that no hat is next to, from a part in which hats and kicks always meet."""
    onset_s = np.repeat(np.arange(16) * 0.5, 2)
    row = np.array([ROW_OF_PIECE["kick"], ROW_OF_PIECE["closed_hat"]] * 16)
    meets = {"crash": 0, "nothing": 0}
    for seed in range(300):
        varied = vary_hits(np.random.default_rng(seed), Hits(onset_s, row, np.full(32, 90.0)), 8.0, 120.0)
        kick_s = varied.onset_s[varied.row == ROW_OF_PIECE["kick"]]
        for name, others_s in (
            ("crash", varied.onset_s[varied.row == ROW_OF_PIECE["crash"]]),
            ("nothing", varied.onset_s[varied.row != ROW_OF_PIECE["kick"]]),
        ):
            near = np.abs(kick_s[:, None] - others_s).min(axis=1, initial=np.inf) < 0.03
            meets[name] += int(near.any()) if name == "crash" else int(len(kick_s) and not near.all())
    assert meets["crash"] > 30 and meets["nothing"] > 60


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_synthetic_drums_start_at_once_and_die_away(seed: int) -> None:
    kit = synthesise_kit(np.random.default_rng(seed))
    assert {"kick", "snare", "clap", "closed_hat", "open_hat", "low_tom", "crash", "cowbell"} <= set(kit)
    for instrument in kit.values():
        (layer,) = instrument.layers
        assert np.isfinite(layer.audio).all() and np.abs(layer.audio).max() == pytest.approx(1.0, abs=1e-3)
        loud = np.abs(layer.audio) > 0.05
        assert loud.argmax() < 0.006 * RATE_HZ, f"{instrument.piece} starts late"
        assert rms(layer.audio[-441:]) < 0.05, f"{instrument.piece} is cut off"
    assert len(kit["open_hat"].layers[0].audio) > len(kit["closed_hat"].layers[0].audio)


def test_songs_to_judge_by_are_played_as_performed_on_one_whole_kit(data: Path) -> None:
    recipe = load_recipe(data / "recipe.yaml")
    renderer = judging_renderer(recipe, data, "spare")
    assert set(renderer.library.by_kit) == {"spare"}
    _, hits = renderer.render(3)
    groove = load_grooves(data / "groove.zip", "validation")[0]
    assert set(hits[:, 1].astype(int)) <= set(groove.row.tolist()), "no drum that was not played"
    assert all(voice.tone.pitch == 1.0 and voice.tone.blend is None for voice in plain_kit(renderer.library).values())


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), bars=st.integers(1, 9))
def test_patterns_are_playable(seed: int, bars: int) -> None:
    performance = generate_pattern(np.random.default_rng(seed), bars)
    assert len(performance.onset_s) > 0
    assert (np.diff(performance.onset_s) >= 0).all() and performance.onset_s[0] >= 0
    assert performance.velocity.min() >= 1 and performance.velocity.max() <= 127
    assert performance.row.min() >= 0 and performance.row.max() < len(PIECES)
    assert performance.duration_s <= bars * 4 * 60 / performance.tempo_bpm + 0.1


@pytest.mark.parametrize("name", list(EFFECTS))
def test_effects_change_the_sound_and_not_the_time(name: str) -> None:
    rng = np.random.default_rng(4)
    audio = np.zeros(RATE_HZ, dtype=np.float32)
    audio[10000:14000] = rng.standard_normal(4000) * np.exp(-np.arange(4000) / 500) * 0.5
    processed = produce(np.random.default_rng(5), audio, {name: 1.0})
    assert processed.shape == audio.shape and np.isfinite(processed).all()
    assert not np.allclose(processed, audio)
    assert rms(processed) == pytest.approx(rms(audio), rel=1e-3)
    if name not in ("noise", "scratches", "resampling", "codec"):
        assert np.abs(processed[:9990]).max() < 1e-4, "nothing sounds before it was played"


@pytest.mark.parametrize("seed", range(8))
def test_codecs_and_low_rates_keep_length_and_time(seed: int) -> None:
    rng = np.random.default_rng(seed)
    audio = np.zeros(RATE_HZ + 77, dtype=np.float32)
    for start in rng.integers(2000, RATE_HZ - 3000, 5):
        thump = np.cumsum(rng.standard_normal(3000)) * np.exp(-np.arange(3000) / 300)  # little of it is high
        audio[start : start + 3000] += 0.2 * thump / np.abs(thump).max()
    for effect in (EFFECTS["codec"], EFFECTS["resampling"]):
        processed = effect(np.random.default_rng(seed), audio)
        assert processed.shape == audio.shape and processed.dtype == np.float32
        alike = correlate(processed, audio, method="fft")
        assert abs(int(np.argmax(alike)) - (len(audio) - 1)) <= 2
        assert alike.max() > 0.7 * float(np.sum(audio**2)), "the hits are still there"


def test_a_low_rate_leaves_nothing_above_half_of_it() -> None:
    audio = np.random.default_rng(0).standard_normal(RATE_HZ).astype(np.float32) * 0.1
    cutoffs_hz = []
    for seed in range(20):
        level = np.abs(np.fft.rfft(EFFECTS["resampling"](np.random.default_rng(seed), audio)))
        cutoffs_hz.append(int(np.flatnonzero(level > 0.1 * np.median(level[:2000]))[-1]))
    assert 5000 < min(cutoffs_hz) < 5700 and 15000 < max(cutoffs_hz) < 16500


def test_scratches_are_few_short_and_softer_than_the_music() -> None:
    time_s = np.arange(4 * RATE_HZ) / RATE_HZ
    audio = (0.25 * np.sin(2 * np.pi * 220 * time_s)).astype(np.float32)
    added = EFFECTS["scratches"](np.random.default_rng(1), audio) - audio
    assert 0 < np.count_nonzero(np.abs(added) > 1e-7) < 0.1 * len(audio)
    assert np.abs(added).max() < 0.25 * 10 ** (-14 / 20) * 2, "two may fall together"


def test_unnamed_effects_are_off() -> None:
    audio = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    np.testing.assert_array_equal(produce(np.random.default_rng(0), audio, {}), audio)


def test_mix_has_the_level_that_was_asked_for() -> None:
    rng = np.random.default_rng(0)
    drums, company = rng.standard_normal((2, 20000)).astype(np.float32)
    _, louder = mix(rng, drums, company * 0.01, mean_db=6.0, spread_db=0.0)
    assert 20 * np.log10(rms(louder) / rms(drums)) == pytest.approx(6.0, abs=0.01)


def test_separated_view_keeps_drums_and_loses_company() -> None:
    time_s = np.arange(2 * RATE_HZ) / RATE_HZ
    company = (0.2 * np.sin(2 * np.pi * 440 * time_s)).astype(np.float32)
    drums = np.zeros_like(company)
    for start in range(5000, len(drums) - 5000, 11025):
        drums[start : start + 2000] += np.random.default_rng(start).standard_normal(2000).astype(np.float32) * 0.3
    gains = []
    for seed in range(8):
        stem = separated(np.random.default_rng(seed), drums, company)
        assert stem.shape == drums.shape
        error = np.sum((stem - drums) ** 2), np.sum(company**2)
        gains.append(10 * np.log10(error[1] / error[0]))
    assert np.median(gains) > 3.0, "nearer to the drums than the mix was"


def test_targets_are_bumps_where_the_hits_are() -> None:
    hits = np.full((1, 4, 3), -1.0, dtype=np.float32)
    hits[0, 0] = (50.25, ROW_OF_PIECE["mid_tom"], 100)
    hits[0, 1] = (53.0, ROW_OF_PIECE["mid_tom"], 20)
    onset, velocity, weight = paint_targets(hits, 100, 1.4)
    row = ROW_OF_PIECE["mid_tom"]
    assert onset.shape == (1, len(PIECES) + len(FAMILIES), 100)
    assert onset[0, row].argmax() == 53 and onset[0, row, 53] == 1.0
    assert onset[0, row, 50] == pytest.approx(np.exp(-0.5 * (0.25 / 1.4) ** 2))
    assert velocity[0, row, 50] == pytest.approx(100 / 127) and velocity[0, row, 54] == pytest.approx(20 / 127)
    assert weight[0, row, 80] == 0.0
    family = len(PIECES) + FAMILIES.index("toms")
    np.testing.assert_array_equal(onset[0, family], onset[0, row])
    assert onset.sum() == pytest.approx(2 * float(onset[0, row].sum())), "no other row was painted"


def test_hits_outside_the_frames_leave_their_slopes_only() -> None:
    hits = np.array([[[-1.0, 0, 90.0], [100.5, 0, 90.0]]], dtype=np.float32)
    onset, _, _ = paint_targets(hits, 100, 1.4)
    assert 0.5 < onset[0, 0, 0] < 1.0 and 0.3 < onset[0, 0, 99] < 1.0
    assert onset[0, 0, 20:80].max() == 0.0


@pytest.mark.parametrize(("second", "rings_on"), [("closed_hat", False), ("pedal_hat", False), ("open_hat", True)])
def test_an_open_hat_rings_until_the_hats_are_closed(data: Path, second: str, rings_on: bool) -> None:
    kit = plain_kit(KitLibrary(data / "kits"))
    rows = np.array([ROW_OF_PIECE["open_hat"], ROW_OF_PIECE[second]])
    kit[rows[1]] = kit[rows[0]]  # the same sound, whatever the second hat is

    def render(first_velocity: float) -> np.ndarray:
        hits = Hits(np.array([0.0, 0.05]), rows, np.array([first_velocity, 100.0]))
        return render_drums(np.random.default_rng(1), hits, kit, 0.4)[0]

    first_alone = render(100.0) - render(1e-3)
    late = first_alone[round(0.1 * RATE_HZ) :]
    assert (rms(late) > 1e-3 * rms(first_alone)) == rings_on


def test_ring_returns_what_was_put(tmp_path: Path) -> None:
    ring = SliceRing(tmp_path, capacity=4, samples=10)
    for number in range(6):
        hits = np.array([[number, 1.0, 64.0]], dtype=np.float32)
        ring.put(number, np.full(10, number, dtype=np.int16), hits)
    again = SliceRing(tmp_path, capacity=4, samples=10)
    assert not again.holds(1) and again.holds(5)
    audio, hits = again.get(np.array([5, 3]))
    np.testing.assert_allclose(audio[:, 0] * 32767, [5, 3])
    assert hits[0, 0, 0] == 5.0 and (hits[0, 1:] == -1.0).all()


def test_separated_views_come_from_the_separator_that_a_recipe_names(tmp_path: Path) -> None:
    write_library(tmp_path / "kits")
    write_grooves(tmp_path / "groove.zip")
    write_company(tmp_path / "company")
    shutil.copytree(GOLDEN_OPEN_UNMIX, tmp_path / "umx")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    recipe = load_recipe(tmp_path / "recipe.yaml")
    views = {"clean": 0.0, "mix": 0.0, "separated": 1.0}
    slices = replace(recipe.slices, views=views, separator_share=1.0, empty_share=0.0)
    data = replace(recipe.data, company="company", separator="umx")
    recipe = replace(recipe, slices=slices, data=data)
    audio, _ = training_renderer(recipe, tmp_path).render(3)
    by_mask = replace(recipe, slices=replace(slices, separator_share=0.0))
    other, _ = training_renderer(by_mask, tmp_path).render(3)
    assert audio.shape == other.shape and audio.any()
    assert not np.array_equal(audio, other)
    missing = replace(by_mask, data=replace(data, separator="unx"))
    with pytest.raises(OptionError, match=r"unx: no such folder; data\.separator names one of open-unmix, or builtin"):
        training_renderer(missing, tmp_path)


def test_a_separator_for_training_is_one_that_separates() -> None:
    with pytest.raises(OptionError, match="'none' separates nothing"):
        separated_by("none", np.zeros(1000, np.float32))


def test_slices_as_a_batch_are_what_the_ring_gives(tmp_path: Path) -> None:
    ring = SliceRing(tmp_path, capacity=2, samples=10)
    slices = [(np.full(10, level, np.int16), np.full((hits, 3), level, np.float32)) for level, hits in ((7, 2), (9, 0))]
    for number, one in enumerate(slices):
        ring.put(number, *one)
    for mine, theirs in zip(batch_of(slices), ring.get(np.array([0, 1])), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_kits_that_are_not_used_are_neither_learnt_from_nor_judged_by(data: Path) -> None:
    recipe = load_recipe(data / "recipe.yaml")
    unused = replace(recipe, data=replace(recipe.data, left_out_kits=(), unused_kits=("spare",)))
    assert {instrument.kit for instrument in training_renderer(unused, data).library.instruments} == {"plain"}
    assert {instrument.kit for instrument in validation_renderer(unused, data).library.instruments} == {"plain"}


def test_whole_kits_play_alone_as_often_as_the_recipe_says(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = load_recipe(data / "recipe.yaml")
    slices = replace(recipe.slices, whole_kits={"spare": 0.5, "any": 0.3})
    renderer = training_renderer(replace(recipe, slices=slices, data=replace(recipe.data, left_out_kits=())), data)
    played: list[tuple[str, ...]] = []

    def draw(rng: np.random.Generator, library: KitLibrary, *shares: float) -> dict[int, Voice]:
        played.append(tuple(library.by_kit))
        return draw_kit(rng, library, *shares)

    monkeypatch.setattr("mix2midi.transcription.training.slices.draw_kit", draw)
    for number in range(100):
        renderer.render(number)
    shares = {kits: count / 100 for kits, count in Counter(played).items()}
    assert shares == {
        ("spare",): pytest.approx(0.65, abs=0.15),
        ("plain",): pytest.approx(0.15, abs=0.1),
        ("plain", "spare"): pytest.approx(0.2, abs=0.12),
    }


def test_kits_that_are_judged_by_are_not_asked_for_the_whole_kits_to_learn_from(data: Path) -> None:
    recipe = load_recipe(data / "recipe.yaml")
    recipe = replace(recipe, slices=replace(recipe.slices, whole_kits={"plain": 1.0}, empty_share=0.0))
    assert training_renderer(recipe, data).render(0)[0].any()
    assert validation_renderer(recipe, data).render(0)[0].any()


def test_a_whole_kit_that_is_left_out_or_misspelt_is_named(data: Path) -> None:
    recipe = load_recipe(data / "recipe.yaml")
    slices = replace(recipe.slices, whole_kits={"spare": 1.0})
    with pytest.raises(OptionError, match="no kit 'spare' to learn from; there are plain"):
        training_renderer(replace(recipe, slices=slices), data).render(0)
    with pytest.raises(OptionError, match="add up to no more than 1"):
        replace(recipe.slices, whole_kits={"spare": 0.8, "any": 0.4})


def test_steps_draw_from_rendered_slices_only() -> None:
    recipe = Recipe(slices=SliceRecipe(capacity=40, first=10, window=20, fresh_per_step=2.0))
    for step in range(200):
        numbers, ready = numbers_of_step(recipe, step)
        assert numbers.max() < ready and numbers.min() >= max(0, ready - 20)
        np.testing.assert_array_equal(numbers, numbers_of_step(recipe, step)[0])
