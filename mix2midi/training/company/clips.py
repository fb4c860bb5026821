"""One clip of company: layers by several players, mixed to a song without drums."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from mix2midi.errors import OptionError
from mix2midi.training.company import guitar, parts, production, recordings, synth, voices
from mix2midi.training.company.production import Audio
from mix2midi.training.company.recipe import Recipe, Source
from mix2midi.training.company.score import (
    Rng,
    Score,
    list_midi,
    random_score,
    score_from_midi,
)
from mix2midi.training.company.soundfont import Player, has_fluidsynth, render_players
from mix2midi.training.company.syllables import has_espeak
from mix2midi.training.kits import RATE_HZ
from mix2midi.units import decibels_to_gain, seconds_to_samples

SECTION_BARS = 4
# Other players lie near -20: with this the lows of the mixes are as strong as those of rock recordings.
BASS_LEVEL_DB = -14.5

BASS_PROGRAMS = (32, 33, 34, 35, 36, 37, 38, 39, 33, 34, 36, 37)
PAD_PROGRAMS = (48, 49, 50, 51, 52, 53, 54, 88, 89, 90, 91, 92, 93, 94, 95, 16, 17, 18, 19, 20, 21)
COMP_PROGRAMS = (0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 16, 18, 24, 25, 26, 27, 11)
STAB_PROGRAMS = (61, 62, 63, 56, 57, 65, 66, 0, 5, 7, 50, 81)
LEAD_PROGRAMS = (
    40,
    41,
    42,
    56,
    57,
    59,
    60,
    64,
    65,
    66,
    67,
    68,
    71,
    73,
    75,
    80,
    81,
    82,
    84,
    85,
    26,
    27,
    29,
    30,
    22,
    52,
    53,
    11,
    105,
)
ARPEGGIO_PROGRAMS = (24, 25, 26, 27, 46, 4, 11, 12, 8, 9, 10, 45, 6, 81, 104, 107, 108)


@dataclass
class Layer:
    """One player's sound at -20 dBFS active RMS, the level at which it is mixed, and the sources it used."""

    audio: Audio
    level_db: float
    sources: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Clip:
    """A finished clip: mono audio within -1..1 at 44.1 kHz, its kind, tempo (0 where unknown) and sources."""

    audio: Audio
    kind: str
    tempo_bpm: float
    sources: tuple[str, ...]


def draw(rng: Rng, choices: tuple[Source, ...]) -> Source:
    """One of several sources."""
    return choices[int(rng.integers(len(choices)))]


def draw_by_files(rng: Rng, choices: tuple[Source, ...]) -> Source:
    """One of several sources, each as often as it has files."""
    weights = np.array([len(source.files) for source in choices], dtype=float)
    return choices[int(rng.choice(len(choices), p=weights / weights.sum()))]


def draw_score(recipe: Recipe, rng: Rng) -> Score:
    """A score from the MIDI sources, or, one time in three, made up."""
    archives = recipe.of_kind("midi")
    if not archives or rng.random() < 0.33:
        return random_score(rng, recipe.clip_s)
    source = draw(rng, archives)
    names = list_midi(source.files[0])
    return score_from_midi(source.files[0], names[int(rng.integers(len(names)))], rng, recipe.clip_s, source.name)


def band_layers(recipe: Recipe, score: Score, rng: Rng, *, with_bass: bool = True) -> list[Layer]:
    """Bass, keys, pads, stabs, lead and arpeggios through one soundfont, each with its own room and equaliser."""
    fonts = recipe.of_kind("soundfont")
    if not fonts or not has_fluidsynth():
        return synth_layers(recipe, score, rng, with_bass=with_bass)
    font = draw(rng, fonts)
    seats: list[tuple[float, tuple[int, ...], Callable[[Score, Rng], parts.Part]]] = [
        (float(with_bass), BASS_PROGRAMS, parts.bass_part),
        (0.75, COMP_PROGRAMS, parts.comp_part),
        (0.5, PAD_PROGRAMS, parts.pad_part),
        (0.35, STAB_PROGRAMS, parts.stab_part),
        (0.7, LEAD_PROGRAMS, parts.lead_part),
        (0.35, ARPEGGIO_PROGRAMS, parts.arpeggio_part),
    ]
    players = [
        Player(int(rng.choice(programs)), part(score, rng)) for chance, programs, part in seats if rng.random() < chance
    ]
    players = [player for player in players if player.notes] or [Player(0, parts.pad_part(score, rng))]
    stems = render_players(score, players, font.files[0], rng)
    layers = [Layer(_treat(stem, rng), rng.normal(-20, 4), {font.name, score.source}) for stem in stems]
    if with_bass and players[0].program in BASS_PROGRAMS:
        layers[0].level_db = rng.normal(BASS_LEVEL_DB, 3)
        if rng.random() < 0.3:
            layers[0].audio = guitar.electric_bass(stems[0], rng)
    return layers


def _treat(audio: Audio, rng: Rng) -> Audio:
    """What a mixing desk does to one track."""
    audio = production.at_level(audio, -20.0)
    if rng.random() < 0.6:
        audio = production.equalise(audio, rng)
    if rng.random() < 0.3:
        audio = production.compress(audio, rng.uniform(-30, -18), rng.uniform(2, 8))
    if rng.random() < 0.15:
        audio = production.echo(audio, rng.uniform(0.08, 0.5), rng.uniform(0.2, 0.6), rng.uniform(0.2, 0.5))
    if rng.random() < 0.5:
        audio = production.reverberate(audio, rng)
    return production.at_level(audio, -20.0)


def guitar_layers(recipe: Recipe, score: Score, rng: Rng, *, with_bass: bool = True) -> list[Layer]:
    """Two rhythm guitars (or one), sometimes a solo, and a picked, plucked or slapped bass."""
    drive = str(rng.choice(["clean", "crunch", "high", "high", "fuzz"]))
    style = parts.strum_strokes if drive == "clean" and rng.random() < 0.7 else parts.riff_strokes
    if drive in ("clean", "crunch") and rng.random() < 0.25:
        style = parts.picked_strokes
    strokes = style(score, rng)
    layers = []
    for _ in range(int(rng.integers(1, 3))):
        direct = _direct_guitar(recipe, score, strokes, rng)
        sound = guitar.electric_guitar(direct[0], score, rng, drive)
        layers.append(Layer(sound, rng.normal(-20, 3), {score.source} | direct[1]))
    if score.melody and rng.random() < 0.35:
        solo = guitar.play_strokes(
            score, guitar.notes_as_strokes(parts.lead_part(score, rng)), guitar.random_strings(rng), rng
        )
        amplified = guitar.electric_guitar(solo, score, rng, str(rng.choice(["crunch", "high", "fuzz"])))
        layers.append(Layer(_treat(amplified, rng), rng.normal(-19, 3), {score.source}))
    if with_bass:
        layers.append(bass_layer(score, rng))
    return layers


def _direct_guitar(recipe: Recipe, score: Score, strokes: list[parts.Stroke], rng: Rng) -> tuple[Audio, set[str]]:
    """A take of the strokes: strings of our own, or a clean guitar of a soundfont (palm mutes on its muted program)."""
    fonts = recipe.of_kind("soundfont")
    if not fonts or not has_fluidsynth() or rng.random() < 0.6:
        return guitar.play_strokes(score, strokes, guitar.random_strings(rng), rng), set()
    font = draw(rng, fonts)
    takes = []
    for is_muted, program in ((False, int(rng.choice([24, 25, 26, 27]))), (True, 28)):
        notes = [
            (stroke.start_beat, stroke.length_beats, pitch, stroke.strength)
            for stroke in strokes
            if stroke.is_muted == is_muted
            for pitch in stroke.pitches
        ]
        if notes:
            takes.append(Player(program, notes))
    return render_players(score, takes, font.files[0], rng).sum(axis=0), {font.name}


def bass_layer(score: Score, rng: Rng) -> Layer:
    """An electric bass on strings of our own."""
    strokes = guitar.notes_as_strokes(parts.bass_part(score, rng))
    direct = guitar.play_strokes(score, strokes, guitar.random_strings(rng, is_bass=True), rng)
    return Layer(guitar.electric_bass(direct, rng), rng.normal(BASS_LEVEL_DB, 3), {score.source})


def synth_layers(recipe: Recipe, score: Score, rng: Rng, *, with_bass: bool = True) -> list[Layer]:
    """Bass or sub-bass, pad, pluck, lead and noise; pads and basses may pump."""
    seats = (
        (0.8, "pad", parts.pad_part),
        (0.7, "pluck", parts.arpeggio_part),
        (0.5, "lead", parts.lead_part),
        (0.4, "pluck", parts.stab_part),
    )
    pumping = synth.pumping_gain(score, rng) if rng.random() < 0.5 else None
    layers = [_synth_bass(score, pumping, rng)] if with_bass else []
    for chance, role, part in seats:
        notes = part(score, rng)
        if not notes or rng.random() > chance:
            continue
        sound = _treat(synth.play_patch(score, notes, synth.random_patch(rng, role), rng), rng)
        sound = sound * pumping if pumping is not None and role == "pad" else sound
        layers.append(Layer(sound, rng.normal(-21, 4), {score.source}))
    if rng.random() < 0.4 or not layers:
        layers.append(Layer(production.at_level(synth.noise_sweeps(score, rng), -20.0), rng.normal(-26, 4)))
    return layers


def _synth_bass(score: Score, pumping: Audio | None, rng: Rng) -> Layer:
    notes = parts.bass_part(score, rng)
    if rng.random() < 0.4:
        sound = synth.sub_bass(score, notes, rng)
    else:
        sound = synth.play_patch(score, notes, synth.random_patch(rng, "bass"), rng)
    sound = sound * pumping if pumping is not None and rng.random() < 0.5 else sound
    return Layer(production.at_level(sound, -20.0), rng.normal(BASS_LEVEL_DB, 3), {score.source})


def voice_layers(recipe: Recipe, score: Score, rng: Rng) -> list[Layer]:
    """A singer with harmonies, or a choir, or both; a choir alone where no voices are at hand."""
    layers = []
    singers = recipe.of_kind("voice") + (recipe.of_kind("speech") if has_espeak() else ())
    if singers and rng.random() < 0.85:
        source = draw(rng, singers)
        sung = voices.singers(score, source, rng)
        if sung is not None:
            layers.append(Layer(sung, rng.normal(-18, 3), {source.name, score.source}))
    if not layers or rng.random() < 0.2:
        layers.append(Layer(voices.choir(score, rng), rng.normal(-23, 3), {score.source}))
    return layers


def recording_layers(recipe: Recipe, score: Score, rng: Rng) -> list[Layer]:
    """A passage of a real recording; synthesisers stand in where the recipe has none."""
    sources = recipe.of_kind("recording")
    for _ in range(5 if sources else 0):
        source = draw_by_files(rng, sources)
        drawn = recordings.draw_passage(source, score.duration_s, rng)
        if drawn is not None:
            passage, file = drawn
            n_samples = seconds_to_samples(score.duration_s, RATE_HZ)
            audio = recordings.filling(passage, n_samples)
            return [Layer(audio, rng.normal(-20, 2), {f"{source.name}/{file.stem}"})]
    return synth_layers(recipe, score, rng)


def stem_layers(recipe: Recipe, score: Score, rng: Rng) -> list[Layer]:
    """A recorded track of one instrument; guitars of our own stand in where the recipe has none."""
    stems = recipe.of_kind("stem")
    if not stems:
        return guitar_layers(recipe, score, rng, with_bass=False)
    source = draw_by_files(rng, stems)
    stretch, file = recordings.draw_stretch(source, score.duration_s, rng)
    audio = recordings.filling(stretch, seconds_to_samples(score.duration_s, RATE_HZ))
    return [Layer(audio, rng.normal(-20, 2), {f"{source.name}/{file.parent.name}"})]


def mix(layers: list[Layer], score: Score, rng: Rng) -> Audio:
    """Sum the layers, some resting for a section, behind one master; never all at rest at once."""
    bars_per_section = SECTION_BARS * score.beats_per_bar
    n_sections = max(1, round(score.n_beats / bars_per_section))
    playing = rng.random((len(layers), n_sections)) < rng.choice([1.0, 0.9, 0.75])
    playing[rng.integers(len(layers)), :] = True
    total = np.zeros_like(layers[0].audio)
    for layer, sections in zip(layers, playing, strict=True):
        sounding = production.play_in_sections(layer.audio, list(sections))
        total += sounding * np.float32(decibels_to_gain(layer.level_db + 20.0))
    return production.master(total, rng)


def _layers_of_song(recipe: Recipe, score: Score, rng: Rng) -> list[Layer]:
    """Most players at once: band or synthesisers, guitars, one bass, a voice."""
    layers: list[Layer] = []
    bass_by = int(rng.integers(3))
    if rng.random() < 0.75:
        layers += band_layers(recipe, score, rng, with_bass=bass_by == 0)
    elif bass_by == 0:
        layers.append(bass_layer(score, rng))
    if rng.random() < 0.7 or bass_by == 1:
        layers += guitar_layers(recipe, score, rng, with_bass=bass_by == 1)
    if rng.random() < 0.35 or bass_by == 2:
        layers += synth_layers(recipe, score, rng, with_bass=bass_by == 2)
    if rng.random() < 0.75:
        layers += voice_layers(recipe, score, rng)
    return layers


def _layers_of_rock(recipe: Recipe, score: Score, rng: Rng) -> list[Layer]:
    """Guitars and bass, with a singer half of the time."""
    layers = guitar_layers(recipe, score, rng)
    return layers + voice_layers(recipe, score, rng) if rng.random() < 0.5 else layers


def _layers_of_electronic(recipe: Recipe, score: Score, rng: Rng) -> list[Layer]:
    """Synthesisers, with a singer half of the time."""
    layers = synth_layers(recipe, score, rng)
    return layers + voice_layers(recipe, score, rng) if rng.random() < 0.5 else layers


def _layers_of_voices(recipe: Recipe, score: Score, rng: Rng) -> list[Layer]:
    """Singers in front of one quiet player, and speech now and then: as songs sound while the band rests."""
    layers = voice_layers(recipe, score, rng)
    pad = synth.play_patch(score, parts.pad_part(score, rng), synth.random_patch(rng, "pad"), rng)
    layers.append(Layer(_treat(pad, rng), rng.normal(-26, 3), {score.source}))
    talk = recipe.of_kind("talk")
    if talk and rng.random() < 0.4:
        source = draw(rng, talk)
        spoken = voices.speech(score, source, rng)
        layers += [] if spoken is None else [Layer(spoken, rng.normal(-20, 3), {source.name})]
    return layers


def _layers_over_recording(recipe: Recipe, score: Score, rng: Rng) -> list[Layer]:
    """A recording, as it is or with a singer or a guitar over it."""
    layers = recording_layers(recipe, score, rng)
    if rng.random() < 0.3:
        layers += voice_layers(recipe, score, rng)
    if rng.random() < 0.15:
        layers += guitar_layers(recipe, score, rng)
    return layers


def _layers_over_stem(recipe: Recipe, score: Score, rng: Rng) -> list[Layer]:
    """A recorded guitar, mostly with a bass, now and then with a singer or synthesisers."""
    layers = stem_layers(recipe, score, rng)
    if rng.random() < 0.7:
        layers.append(bass_layer(score, rng))
    if rng.random() < 0.35:
        layers += voice_layers(recipe, score, rng)
    if rng.random() < 0.15:
        layers += synth_layers(recipe, score, rng, with_bass=False)
    return layers


KINDS: dict[str, Callable[[Recipe, Score, Rng], list[Layer]]] = {
    "song": _layers_of_song,
    "rock": _layers_of_rock,
    "electronic": _layers_of_electronic,
    "band": band_layers,
    "voices": _layers_of_voices,
    "recording": _layers_over_recording,
    "stem": _layers_over_stem,
}
# Recordings keep a tempo of their own, which nobody has measured.
KINDS_WITHOUT_TEMPO = frozenset({"recording", "stem"})


def render_clip(recipe: Recipe, kind: str, rng: Rng) -> Clip:
    """Render one clip of a kind.

    Raises
    ------
    OptionError
        For a kind that is not known.
    """
    if kind not in KINDS:
        raise OptionError(f"company of kind {kind!r} is not known; use one of {', '.join(KINDS)}")
    score = draw_score(recipe, rng)
    layers = [layer for layer in KINDS[kind](recipe, score, rng) if production.active_rms(layer.audio) > 1e-4]
    if not layers:
        layers = [bass_layer(score, rng)]
    sources = sorted(set().union(*(layer.sources for layer in layers)) - {"random"})
    tempo_bpm = 0.0 if kind in KINDS_WITHOUT_TEMPO else score.tempo_bpm
    return Clip(mix(layers, score, rng), kind, tempo_bpm, tuple(sources))
