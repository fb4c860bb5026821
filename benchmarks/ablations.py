"""Train the transcriber on without one part of its recipe at a time, and print the table of what each part brings.

    python benchmarks/ablations.py DATA RUNS --songs SONGS

DATA is the data folder of the recipe. RUNS gets a folder for each run of `ablations.yaml`, and the rendered songs they
are judged by; what is there whole is not made again, so a stopped benchmark goes on where it stood, and several may
share the work with `--only` once the songs are there. SONGS, where given, holds annotated songs, each a folder with
drums.flac, mix.flac and stem.wav (what a separator made of the mix). The runs are short, and the refinement is left
out: figures are to be compared with each other. One run of each says nothing about chance; a hundredth is little.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from shutil import copyfile
from typing import Any

import yaml

from mix2midi.audio import read_audio
from mix2midi.files import atomic_write
from mix2midi.pipeline.references import find_songs
from mix2midi.pipeline.tune import choose_thresholds, scores_of, tuning_set
from mix2midi.pipeline.validation_songs import render_validation_songs
from mix2midi.training.codecs import CODECS, encode
from mix2midi.training.kits import RATE_HZ
from mix2midi.transcription import Transcriber
from mix2midi.transcription.training.train import train
from mix2midi.transcription.weights import SHIPPED_WEIGHTS, load_weights

RECIPE = Path(__file__).with_name("ablations.yaml")
#: Audio file of an annotated song by view.
INPUTS = {"clean": "drums.flac", "mix": "mix.flac", "separated": "stem.wav"}
RENDERED_SONGS, RENDERED_S, FIRST_RENDERED = 24, 45.0, 100_000
#: Of one channel.
MP3_BIT_RATE = 64_000


def main() -> None:
    """Train, judge, and print a row for each run."""
    options = parse_options()
    plan = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    changes = {**plan["runs"], **plan["from_zero"]}
    unknown = sorted(set(options.only) - set(changes))
    if unknown:
        raise SystemExit(f"{unknown[0]!r} is no run; there are {', '.join(changes)}")
    recipes = {name: write_recipe(plan, changes[name], options.runs / name.replace(" ", "-")) for name in changes}
    folders = judging_folders(recipes["everything"], options)
    print("| run | " + " | ".join(name for view in folders.values() for name in view) + " |")
    print("| --- |" + " ---: |" * sum(map(len, folders.values())))
    for name in options.only or changes:
        start = None if name in plan["from_zero"] else options.weights
        run = recipes[name].parent
        weights = train(recipes[name], options.data, run, device=options.device, initial_weights=start)
        values = [f"{value:.3f}" for view in folders.values() for value in f_measures(weights, view, options.device)]
        print(f"| {name} | " + " | ".join(values) + " |", flush=True)


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="kits, grooves and company, as for `mix2midi train`")
    parser.add_argument("runs", type=Path, help="gets the runs and the rendered songs")
    parser.add_argument(
        "--weights", type=Path, default=SHIPPED_WEIGHTS, help="that train on; the shipped ones by default"
    )
    parser.add_argument("--songs", type=Path, help="annotated songs to be judged by as well")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="of the runs; all by default")
    parser.add_argument("--device", default="cpu", help="a device that torch knows")
    return parser.parse_args()


def write_recipe(plan: Mapping[str, Any], changes: Mapping[str, Any], folder: Path) -> Path:
    """The recipe of one run, as a file in its folder."""
    base = yaml.safe_load((RECIPE.parent / plan["recipe"]).read_text(encoding="utf-8"))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "recipe.yaml"
    text = yaml.safe_dump(merged(merged(base, plan["all"]), changes))
    if path.is_file() and path.read_text(encoding="utf-8") != text:
        raise SystemExit(f"{path}: of another recipe; name another folder of runs")
    path.write_text(text, encoding="utf-8")
    return path


def merged(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with changes, table by table."""
    result = dict(settings)
    for key, value in changes.items():
        is_table = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if is_table else value
    return result


def judging_folders(recipe: Path, options: argparse.Namespace) -> dict[str, dict[str, tuple[Path, str | None]]]:
    """Sets of songs by view: a name for each, its folder, and the audio file where a song is a folder."""
    sets: dict[str, dict[str, tuple[Path, str | None]]] = {}
    for view, input_name in INPUTS.items():
        rendered = options.runs / "songs" / view
        if len(list(rendered.glob("*.mid"))) < RENDERED_SONGS:
            render_validation_songs(recipe, options.data, rendered, RENDERED_SONGS, view, RENDERED_S, FIRST_RENDERED)
        sets[view] = {f"left-out kits, {view}": (rendered, None)}
        if view == "mix":
            sets[view]["the same as mp3"] = (as_mp3(rendered, options.runs / "songs" / "mp3"), None)
        if options.songs is not None:
            sets[view][f"`{input_name}`"] = (options.songs, input_name)
    return sets


def as_mp3(songs: Path, folder: Path) -> Path:
    """Copies of songs as small files, with their references."""
    folder.mkdir(exist_ok=True)
    for song in find_songs([songs]):
        path = folder / f"{song.name}.mp3"
        if not path.exists():
            copyfile(song.reference, folder / f"{song.name}_reference.mid")
            with atomic_write(path) as partial:
                encode(read_audio(song.audio, RATE_HZ, mono=True)[0], RATE_HZ, partial, CODECS["mp3"], MP3_BIT_RATE)
    return folder


def f_measures(weights: Path, sets: Mapping[str, tuple[Path, str | None]], device: str) -> list[float]:
    """F at 50 ms of each set of a view, with the thresholds that are best for all of them alike."""
    transcriber = Transcriber(load_weights(weights), device)
    tuned = [tuning_set(transcriber.heat_map_of, *where) for where in sets.values()]
    picking = choose_thresholds(tuned)
    return [scores_of(entry, picking).f_measure() for entry in tuned]


if __name__ == "__main__":
    main()
