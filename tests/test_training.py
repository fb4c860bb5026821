"""Training from tiny made-up data: what is rendered is what the target says, and a run can be taken up again."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import image
from safetensors.torch import load_file

from mix2midi.drums import FAMILIES, PIECES
from mix2midi.errors import ModelError, OptionError
from mix2midi.training.drum_kit import draw_kit, plain_kit
from mix2midi.training.drum_track import Hits, cut_hits, render_drums, vary_hits
from mix2midi.training.effects import EFFECTS, produce, rms
from mix2midi.training.kits import KitLibrary
from mix2midi.training.learning import learning_rate
from mix2midi.training.patterns import generate_pattern
from mix2midi.training.performances import ROW_OF_PIECE, load_grooves
from mix2midi.training.slices import SliceRing, batch_of, slices_of_step
from mix2midi.training.synthesis import synthesise_kit
from mix2midi.transcription.network import NetworkConfig
from mix2midi.transcription.training.pictures import draw_heat_maps
from mix2midi.transcription.training.recipe import OptimiserRecipe, Recipe, SliceRecipe, load_recipe
from mix2midi.transcription.training.slices import SliceRenderer
from mix2midi.transcription.training.targets import paint_targets
from mix2midi.transcription.training.train import judging_renderer, train, training_renderer, validation_renderer
from mix2midi.transcription.training.trainer import Trainer
from mix2midi.transcription.training.views import mix, separated, separated_by
from tests.sounds import RATE_HZ, RECIPE, write_company, write_grooves, write_library

GOLDEN_OPEN_UNMIX = Path(__file__).parent / "golden" / "open_unmix"


def numbers_of_step(recipe: Recipe, step: int) -> tuple[np.ndarray, int]:
    return slices_of_step(recipe.slices, recipe.seed, recipe.optimiser.batch_size, step)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_library(folder / "kits")
    write_grooves(folder / "groove.zip")
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def renderer(data: Path) -> SliceRenderer:
    return training_renderer(load_recipe(data / "recipe.yaml"), data)


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
    with pytest.raises(OptionError, match="no performances"):
        load_grooves(data / "groove.zip", "test")
    with pytest.raises(OptionError, match="no such file"):
        load_grooves(data / "nothing.zip", "train")


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
    if name != "noise":
        assert np.abs(processed[:9990]).max() < 1e-4, "nothing sounds before it was played"


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


def test_steps_draw_from_rendered_slices_only() -> None:
    recipe = Recipe(slices=SliceRecipe(capacity=40, first=10, window=20, fresh_per_step=2.0))
    for step in range(200):
        numbers, ready = numbers_of_step(recipe, step)
        assert numbers.max() < ready and numbers.min() >= max(0, ready - 20)
        np.testing.assert_array_equal(numbers, numbers_of_step(recipe, step)[0])


def test_learning_rate_rises_holds_and_falls() -> None:
    options = OptimiserRecipe(steps=1000, learning_rate=1.0, warmup_steps=100, decay_share=0.3)
    rates = [learning_rate(options, step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01) and rates[99] == rates[600] == 1.0
    assert rates[-1] == pytest.approx(0.01) and rates[850] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("volume: 11", "unknown setting 'volume'"),
        ("slices: {volume: 11}", "slices: unknown setting 'volume'"),
        ("- a\n- b", "table of settings"),
        ("a: [", "not valid YAML"),
        ("slices: {views: {clean: 0.5, mix: 0.1, separated: 0.1}}", "add up to 1"),
    ],
)
def test_recipes_with_mistakes_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(OptionError, match=message) as caught:
        load_recipe(path)
    assert str(path) in str(caught.value)


def test_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="cannot read the recipe"):
        load_recipe(tmp_path / "nothing.yaml")


def test_shipped_recipe_describes_the_shipped_network() -> None:
    recipe = load_recipe(Path(__file__).parents[1] / "mix2midi" / "configs" / "transcriber.yaml")
    assert NetworkConfig(**recipe.network) == NetworkConfig()


def test_pictures_show_targets_beside_what_is_produced(tmp_path: Path) -> None:
    heat_maps = np.zeros((2, 26, 50), np.float32)
    heat_maps[1, 3, 20] = 1.0
    for name, produced in (("same", heat_maps), ("none", np.zeros_like(heat_maps))):
        draw_heat_maps(tmp_path / f"{name}.png", list(heat_maps), list(produced), frame_s=0.003)
    same, none = (image.imread(tmp_path / f"{name}.png") for name in ("same", "none"))
    changed = np.flatnonzero((same != none).any(axis=(0, 2)))
    assert changed.size and changed.min() > same.shape[1] / 2, "only the right half, what was produced, differs"


def test_training_learns_and_a_killed_run_goes_on_as_if_it_had_not_been(data: Path, tmp_path: Path) -> None:
    recipe = data / "recipe.yaml"
    whole = train(recipe, data, tmp_path / "whole")
    train(recipe, data, tmp_path / "killed", steps=4)
    # A run that ends early decays early, so only the first half of a longer plan is comparable: plan eight again.
    resumed = train(recipe, data, tmp_path / "killed")
    again = train(recipe, data, tmp_path / "killed")
    assert resumed == again
    with (tmp_path / "whole" / "log.csv").open() as file:
        log = list(csv.DictReader(file))
    assert [int(line["step"]) for line in log] == [4, 8]
    assert all(float(line["validation_loss"]) > 0 for line in log)
    assert load_file(whole).keys() == load_file(resumed).keys()
    pictures = sorted((tmp_path / "whole" / "pictures").iterdir())
    assert [picture.name for picture in pictures] == ["0000004.png", "0000008.png"]


def test_resume_takes_up_the_same_curve(data: Path, tmp_path: Path) -> None:
    recipe = load_recipe(data / "recipe.yaml")
    renderer = training_renderer(recipe, data)
    ring = SliceRing(tmp_path / "slices", recipe.slices.capacity, renderer.samples)
    for number in range(16):
        ring.put(number, *renderer.render(number))

    def losses(trainer: Trainer, steps: int) -> list[float]:
        return [trainer.learn(*ring.get(numbers_of_step(recipe, trainer.step)[0]))["loss_onset"] for _ in range(steps)]

    straight = losses(Trainer(recipe, tmp_path), 6)
    stopped = Trainer(recipe, tmp_path)
    before = losses(stopped, 3)
    stopped.save()
    taken_up = Trainer(recipe, tmp_path)
    assert taken_up.resume()
    np.testing.assert_allclose(before + losses(taken_up, 3), straight, rtol=1e-4)


def test_a_batch_can_be_learnt(renderer: SliceRenderer, data: Path, tmp_path: Path) -> None:
    recipe = replace(
        load_recipe(data / "recipe.yaml"), optimiser=OptimiserRecipe(steps=1000, warmup_steps=5, learning_rate=0.02)
    )
    ring = SliceRing(tmp_path / "slices", 24, renderer.samples)
    ring.put(0, *renderer.render(0))
    trainer = Trainer(recipe, tmp_path)
    batch = ring.get(np.zeros(2, dtype=np.int64))
    losses = [sum(trainer.learn(*batch).values()) for _ in range(60)]
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])


def test_a_run_can_start_from_weights(data: Path, tmp_path: Path) -> None:
    recipe = load_recipe(data / "recipe.yaml")
    first = Trainer(recipe, tmp_path / "first")
    (tmp_path / "first").mkdir()
    first.save()
    second = Trainer(replace(recipe, seed=recipe.seed + 1), tmp_path / "second")
    second.start_from(tmp_path / "first" / "weights.safetensors")
    for key, value in first.average.state_dict().items():
        np.testing.assert_array_equal(second.network.state_dict()[key].numpy(), value.numpy())
    other = replace(recipe, network={**recipe.network, "slow_bands": 50})
    with pytest.raises(ModelError, match="another network"):
        Trainer(other, tmp_path).start_from(tmp_path / "first" / "weights.safetensors")


def test_damaged_checkpoints_are_named(data: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"no checkpoint")
    with pytest.raises(ModelError, match="cannot resume"):
        train(data / "recipe.yaml", data, tmp_path, steps=1)


def test_a_result_keeps_a_share_of_what_it_started_from(data: Path, tmp_path: Path) -> None:
    first = train(data / "recipe.yaml", data, tmp_path / "first", steps=2)
    (tmp_path / "blended.yaml").write_text(RECIPE.replace("optimiser: {", "optimiser: {initial_share: 0.25, "))
    plain = train(data / "recipe.yaml", data, tmp_path / "plain", steps=4, initial_weights=first)
    blended = train(tmp_path / "blended.yaml", data, tmp_path / "blended", steps=4, initial_weights=first)
    old, new, both = (load_file(path)["onset.bias"] for path in (first, plain, blended))
    assert not np.array_equal(old, new)
    np.testing.assert_allclose(both, 0.25 * old + 0.75 * new, rtol=1e-5)
