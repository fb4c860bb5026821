"""Training of the built-in separator: mixes, loss, runs that go on, and a result that separates."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from typer.testing import CliRunner

import mix2midi.separation
from mix2midi.cli.app import app
from mix2midi.errors import ModelError, OptionError
from mix2midi.pipeline.training import train_from_recipe
from mix2midi.separation import load_separator
from mix2midi.separation.training.mixes import Mixer
from mix2midi.separation.training.recipe import MixRecipe, NetworkRecipe, OptimiserRecipe, SeparatorRecipe
from mix2midi.separation.training.train import train_separator
from mix2midi.separation.training.trainer import Trainer
from mix2midi.training.company_pool import CompanyPool
from mix2midi.training.slices import MAX_HITS
from tests.sounds import RATE_HZ, write_company, write_grooves, write_library

RECIPE = """
trains: separator
seed: 3
validate_every: 4
checkpoint_every: 2
network: {hidden_size: 8, layers: 1, n_fft: 512, hop_length: 128}
data: {kits: kits, grooves: groove.zip, company: company, left_out_kits: [spare]}
slices: {duration_s: 0.5, capacity: 24, first: 4, window: 12, fresh_per_step: 1.0}
optimiser: {batch_size: 2, steps: 8, warmup_steps: 2, decay_share: 0.0}
"""
SHIPPED = Path(mix2midi.separation.__file__).parent / "weights"
SMALL = NetworkRecipe(hidden_size=16, layers=1, n_fft=512, hop_length=128)
PLAIN = MixRecipe(company_spread_db=0.0, second_share=0.0, speed_share=0.0, equaliser_db=0.0, compressor_share=0.0,
                  drums_alone_share=0.0, company_alone_share=0.0, level_spread_db=0.0)  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_library(folder / "kits")
    write_grooves(folder / "groove.zip")
    write_company(folder / "company")
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def company(data: Path) -> CompanyPool:
    return CompanyPool(data / "company")


def clicks(count: int = 2, seconds: float = 1.0) -> np.ndarray:
    """Decaying noise four times a second: drums, for a network's purposes."""
    rng = np.random.default_rng(4)
    time_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return (rng.standard_normal((count, len(time_s))) * np.exp(-30.0 * (time_s % 0.25))).astype(np.float32)


def energy(spectrum: torch.Tensor) -> np.ndarray:
    return spectrum.abs().square().sum(dim=(1, 2)).numpy()


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("name,length\na.npy,3\n", "is not the index of a pool"),
        ("file,kind,duration_s,tempo_bpm\na.npy,song,long,90\n", "is not the index of a pool"),
        ("file,kind,duration_s,tempo_bpm\n", "names no clip"),
    ],
)
def test_a_pool_with_another_index_is_refused(tmp_path: Path, index: str, message: str) -> None:
    (tmp_path / "index.csv").write_text(index)
    with pytest.raises(OptionError, match=message):
        CompanyPool(tmp_path)


@pytest.mark.parametrize("content", [None, b"", b"half a copy", 300])
def test_a_clip_that_is_missing_or_cut_off_is_named(tmp_path: Path, content: bytes | int | None) -> None:
    pool = CompanyPool(write_company(tmp_path / "company", clips=1))
    file = pool.clips[0].file
    whole = file.read_bytes()
    file.unlink()
    if content is not None:
        file.write_bytes(whole[:content] if isinstance(content, int) else content)
    with pytest.raises(OptionError, match=r"0\.npy: cannot be read as a clip .*; take it out of the index"):
        pool.read(pool.clips[0], 0.0, 100)


def test_one_clip_cannot_be_learnt_from_and_judged_by(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_text("file,kind,duration_s,tempo_bpm\na.npy,song,20,90\n")
    with pytest.raises(OptionError, match="one clip cannot"):
        CompanyPool(tmp_path).split(12)


@given(company_db=st.floats(-20, 20), level_db=st.floats(-40, -6), seed=st.integers(0, 9))
@settings(max_examples=20, deadline=None)
def test_company_and_mix_have_the_levels_of_the_recipe(company, company_db, level_db, seed) -> None:
    mixer = Mixer(replace(PLAIN, company_db=company_db, level_db=level_db), SMALL, company)
    mix, drums = mixer.spectra(np.random.default_rng(seed), clicks())
    heard_db = 10.0 * np.log10(energy(mix - drums) / energy(drums))
    np.testing.assert_allclose(heard_db, company_db, atol=0.5)
    samples = torch.istft(mix, 512, 128, window=torch.hann_window(512))
    np.testing.assert_allclose(10.0 * np.log10(samples.square().mean(dim=1).numpy()), level_db, atol=0.5)


def test_a_share_of_mixes_has_no_company_and_another_no_drums(company) -> None:
    alone = Mixer(replace(PLAIN, drums_alone_share=1.0), SMALL, company)
    mix, drums = alone.spectra(np.random.default_rng(1), clicks())
    torch.testing.assert_close(mix, drums)
    without = Mixer(replace(PLAIN, company_alone_share=1.0), SMALL, company)
    mix, drums = without.spectra(np.random.default_rng(1), clicks())
    assert energy(mix).min() > 0 and not drums.any()


def test_whatever_is_done_to_a_mix_is_done_to_the_drums_in_it(company) -> None:
    """Compressed and at any level, the rest of the mix holds no drums: it does not rise and fall with them."""
    mixer = Mixer(replace(PLAIN, compressor_share=1.0, level_spread_db=6.0), SMALL, company)
    quiet = mixer.spectra(np.random.default_rng(2), clicks())
    silent_drums = Mixer(replace(PLAIN, company_alone_share=1.0), SMALL, company)
    alone, _ = silent_drums.spectra(np.random.default_rng(2), clicks())
    rest = (quiet[0] - quiet[1]).abs()
    # Tone for tone what the clip is, but for a gain of each frame.
    ratio = rest / alone.abs().clamp_min(1e-3 * float(alone.abs().max()))
    loud = alone.abs() > 0.1 * alone.abs().amax(dim=1, keepdim=True)
    for row in range(len(rest)):
        for frame in range(5, rest.shape[2] - 5, 20):
            own = ratio[row, :, frame][loud[row, :, frame]]
            assert float(own.std() / own.mean()) < 1e-2


def test_the_loss_is_the_error_in_decibels(company, tmp_path: Path) -> None:
    recipe = SeparatorRecipe(network=SMALL, mixes=PLAIN, optimiser=OptimiserRecipe(band_weight=0.0, floor_db=-120.0))
    trainer = Trainer(recipe, Mixer(PLAIN, SMALL, company), tmp_path)
    mix, drums = trainer.mixer.spectra(np.random.default_rng(1), clicks())
    perfect = trainer.separate(lambda magnitude: magnitude, drums, drums)
    assert float(trainer.loss(*perfect)) < -60.0
    nothing = trainer.separate(lambda magnitude: 0.0 * magnitude, mix, drums)
    assert float(trainer.loss(*nothing)) == pytest.approx(0.0, abs=0.01)
    the_mix = trainer.separate(lambda magnitude: magnitude, mix, drums)
    assert float(trainer.loss(*the_mix)) == pytest.approx(PLAIN.company_db, abs=0.5)


def test_learning_lowers_the_loss(company, tmp_path: Path) -> None:
    options = OptimiserRecipe(steps=60, warmup_steps=5, learning_rate=0.01)
    trainer = Trainer(SeparatorRecipe(network=SMALL, optimiser=options), Mixer(PLAIN, SMALL, company), tmp_path)
    trainer.begin(clicks(40))
    no_hits = np.full((len(clicks()), MAX_HITS, 3), -1.0, np.float32)
    losses = [trainer.learn(clicks(), no_hits)["loss"] for _ in range(60)]
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 2.0, "dB"


def test_a_killed_run_goes_on_as_if_it_had_not_been(data: Path, tmp_path: Path) -> None:
    recipe = data / "recipe.yaml"
    whole = train_separator(recipe, data, tmp_path / "whole")
    train_separator(recipe, data, tmp_path / "killed", steps=4)
    (tmp_path / "killed" / "log.csv").unlink()
    lines: list[dict[str, object]] = []
    resumed = train_separator(recipe, data, tmp_path / "killed", report=lines.append)
    assert [line["step"] for line in lines] == [8]
    mix = np.random.default_rng(5).standard_normal((1, RATE_HZ)).astype(np.float32) * 0.1
    whole_stem, resumed_stem = (load_separator(str(run)).separate(mix, RATE_HZ) for run in (whole, resumed))
    np.testing.assert_allclose(whole_stem, resumed_stem, atol=1e-3)


def test_the_result_is_a_folder_of_open_unmix_and_the_log_has_its_curve(data: Path, tmp_path: Path) -> None:
    words = ["train", data / "recipe.yaml", "--data", data, "--run", tmp_path, "--steps", 4, "--quiet"]
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    folder = Path(result.output.strip())
    assert sorted(path.name for path in folder.iterdir()) == ["drums.json", "drums.safetensors", "separator.json"]
    stem = load_separator(str(folder)).separate(np.zeros((2, 5000), np.float32), 44100)
    assert stem.shape == (2, 5000)
    with (tmp_path / "log.csv").open() as file:
        (line,) = csv.DictReader(file)
    assert np.isfinite([float(line[column]) for column in ("loss", "sdr_db", "gain_db")]).all()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("hidden_size: 8", "hiden_size: 8", "network: unknown setting 'hiden_size'"),
        (
            "trains: separator",
            "trains: trombone",
            "'trombone' is not known; it is transcriber, refinement, separator or beats",
        ),
        ("company: company,", "company: nothing,", "nothing.*no such file"),
        ("company: company,", "", "needs company"),
        ("layers: 1", "layers: 0", "network: layers: 0 is too few"),
        ("hop_length: 128", "hop_length: 0", "network: hop_length: 0 is too few"),
        ("hidden_size: 8", "hidden_size: 9", "network: hidden_size: 9 is odd"),
        ("duration_s: 0.5", "duration_s: 0", "slices: duration_s: 0 is too short"),
        ("trains:", "mixes: {equaliser_db: -4.0}\ntrains:", "mixes: equaliser_db: -4.0 is negative"),
    ],
)
def test_recipes_that_cannot_be_used_say_why(data: Path, tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE.replace(old, new))
    with pytest.raises(OptionError, match=message):
        train_from_recipe(path, data, tmp_path / "run")


def test_a_run_starts_from_a_separator_and_its_statistics(data: Path, tmp_path: Path) -> None:
    first = train_separator(data / "recipe.yaml", data, tmp_path / "first")
    still = tmp_path / "still.yaml"
    still.write_text(RECIPE.replace("warmup_steps: 2", "learning_rate: 1.0e-9").replace("steps: 8", "steps: 1"))
    second = train_from_recipe(still, data, tmp_path / "second", initial_weights=first)
    before, after = (load_file(folder / "drums.safetensors") for folder in (first, second))
    for name in ("input_mean", "input_scale", "fc1.weight", "lstm.weight_ih_l0"):
        torch.testing.assert_close(after[name], before[name])


def test_the_separator_that_a_run_started_from_counts_for_its_share(data: Path, tmp_path: Path) -> None:
    first = train_separator(data / "recipe.yaml", data, tmp_path / "first")
    blended = tmp_path / "blended.yaml"
    blended.write_text(RECIPE.replace("steps: 8", "steps: 4").replace("decay_share: 0.0", "initial_share: 0.25"))
    plain = tmp_path / "plain.yaml"
    plain.write_text(RECIPE.replace("steps: 8", "steps: 4").replace("decay_share: 0.0", "initial_share: 0.0"))
    folders = [first, *(train_separator(r, data, tmp_path / r.stem, initial_weights=first) for r in (blended, plain))]
    initial, mean, after = (load_file(folder / "drums.safetensors") for folder in folders)
    assert not torch.equal(initial["fc1.weight"], after["fc1.weight"])
    for name in ("fc1.weight", "lstm.weight_ih_l0", "bn1.running_mean"):
        expected = 0.25 * initial[name].float() + 0.75 * after[name].float()
        torch.testing.assert_close(mean[name].float(), expected, atol=2e-3, rtol=2e-3)
    with pytest.raises(OptionError, match="blended: holds a run with another --from"):
        train_separator(blended, data, tmp_path / "blended", initial_weights=folders[2])


def test_a_separator_does_not_start_from_another_network(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is missing"):
        train_from_recipe(data / "recipe.yaml", data, tmp_path, initial_weights=tmp_path / "w.safetensors")
    with pytest.raises(ModelError, match="another network than the recipe's"):
        train_from_recipe(data / "recipe.yaml", data, tmp_path, initial_weights=SHIPPED)


def test_a_damaged_checkpoint_is_named(data: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"half of a file")
    with pytest.raises(ModelError, match=r"checkpoint.pt: cannot resume"):
        train_separator(data / "recipe.yaml", data, tmp_path)
