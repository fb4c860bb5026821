"""Voices: sung tunes, harmonies, raps, choirs, speech, with consonants and breaths that resemble hats and snares."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mix2midi.training.company import parts, synth
from mix2midi.training.company.production import (
    Audio,
    at_level,
    band_pass,
    bell_curve,
    compress,
    echo,
    equalise,
    filter_with,
    minimum_phase,
    reverberate,
)
from mix2midi.training.company.recipe import Source
from mix2midi.training.company.score import Note, Rng, Score
from mix2midi.training.company.syllables import (
    WORDS,
    Syllable,
    load_syllable,
    read_mono,
    sing_syllable,
    speak_words,
    trim,
)
from mix2midi.training.kits import RATE_HZ
from mix2midi.units import decibels_to_gain, seconds_to_samples, tempo_to_seconds_per_beat

_HOP = 64
_N_SYLLABLES = 16
# Formants in Hz of a, e, i, o, u and ae (Peterson and Barney, 1952, men).
_FORMANTS = (
    (730, 1090, 2440),
    (530, 1840, 2480),
    (270, 2290, 3010),
    (570, 840, 2410),
    (300, 870, 2240),
    (660, 1720, 2410),
)


def draw_syllables(source: Source, rng: Rng) -> list[Syllable]:
    """A handful of syllables of one speaker; an empty list where the source has none."""
    if source.option:
        voice = f"{source.option}+{rng.choice(['f1', 'f2', 'f3', 'f4', 'm1', 'm2', 'm3', 'm5', 'm7', 'croak'])}"
        words = tuple(str(word) for word in rng.choice(WORDS, _N_SYLLABLES, replace=False))
        return list(speak_words(voice, words))
    chosen = rng.permutation(len(source.files))[: 2 * _N_SYLLABLES]
    loaded = (load_syllable(source.files[index]) for index in chosen)
    return [syllable for syllable in loaded if syllable is not None][:_N_SYLLABLES]


def with_formants(syllables: Sequence[Syllable], factor: float) -> list[Syllable]:
    """Another throat: resampled so that formants lie `factor` higher; the pitch is set when it is sung."""
    changed = []
    for syllable in syllables:
        n_samples = int(len(syllable.samples) / factor)
        positions = np.arange(n_samples) * factor
        samples = np.interp(positions, np.arange(len(syllable.samples)), syllable.samples).astype(np.float32)
        changed.append(Syllable(samples, (syllable.marks / factor).astype(np.int64), syllable.period / factor))
    return changed


def sing(score: Score, notes: Sequence[Note], syllables: Sequence[Syllable], rng: Rng) -> Audio:
    """Sing a part, vowels on the beat and consonants before it, at the octave nearest to the speaker's voice."""
    n_total = seconds_to_samples(score.duration_s, RATE_HZ)
    out = np.zeros(n_total + 3 * RATE_HZ, dtype=np.float32)
    order = rng.integers(len(syllables), size=len(notes))
    vibrato_hz, depth = rng.uniform(4.8, 6.5), rng.uniform(0.0, 0.5)
    last_pitch: float | None = None
    for index, note in zip(order, notes, strict=True):
        syllable = syllables[index]
        shift = 12 * round((syllable.pitch + 3 - note.pitch) / 12)
        start_s = score.seconds(note.start_beat) + rng.normal(0, 0.012)
        stop_s = score.seconds(min(note.start_beat + note.length_beats, score.n_beats))
        n_hops = max(8, int((stop_s - start_s) * RATE_HZ / _HOP * 0.92))
        curve = _pitch_curve(note.pitch + shift, last_pitch, n_hops, vibrato_hz, depth, rng)
        sound, n_before = sing_syllable(syllable, curve, _HOP)
        last_pitch = float(curve[-1])
        start = max(0, int(start_s * RATE_HZ) - n_before)
        n_samples = min(len(sound), len(out) - start)
        out[start : start + n_samples] += sound[:n_samples] * np.float32(0.4 + 0.6 * note.strength)
    return out[:n_total]


def _pitch_curve(
    pitch: float, last_pitch: float | None, n_hops: int, vibrato_hz: float, depth: float, rng: Rng
) -> np.ndarray:
    """Glide from the last note, overshoot a little, drift, and begin vibrato after a quarter of a second."""
    time_s = np.arange(n_hops) * _HOP / RATE_HZ
    begin = pitch if last_pitch is None or abs(last_pitch - pitch) > 7 else last_pitch
    glide = (begin - pitch + rng.normal(0, 0.4)) * np.exp(-time_s / rng.uniform(0.02, 0.07))
    vibrato = depth * np.clip((time_s - 0.25) / 0.3, 0, 1) * np.sin(2 * np.pi * vibrato_hz * time_s)
    return pitch + glide + vibrato + rng.normal(0, 0.08)


def rap_notes(score: Score, syllables: Sequence[Syllable], rng: Rng) -> list[Note]:
    """Eighths and sixteenths with rests, near the pitch of speech, falling towards the end of each bar."""
    centre = float(np.median([syllable.pitch for syllable in syllables]))
    notes = []
    for bar_start in range(0, score.n_beats, score.beats_per_bar):
        if rng.random() < 0.12:
            continue
        grid = np.flatnonzero(
            rng.random(score.beats_per_bar * 4) < np.tile([0.85, 0.45, 0.75, 0.5], score.beats_per_bar)
        )
        for place, after in zip(grid, [*grid[1:], score.beats_per_bar * 4], strict=True):
            pitch = round(centre + rng.normal(0, 2) - 3 * place / (score.beats_per_bar * 4))
            length = min((after - place) / 4, 0.75)
            notes.append(Note(bar_start + place / 4, length * 0.8, pitch, float(rng.uniform(0.5, 1))))
    return notes


def harmony_notes(score: Score, notes: Sequence[Note], rng: Rng) -> list[Note]:
    """A second voice: for each note the chord tone nearest to a third, fourth or sixth above or below."""
    distance = int(rng.choice([-5, -4, 3, 4, 7]))
    harmony = []
    for note in notes:
        chord = score.chord_at(note.start_beat)
        candidates = [
            pitch
            for pitch in range(note.pitch + distance - 3, note.pitch + distance + 4)
            if (pitch - chord.root) % 12 in chord.intervals
        ]
        harmony.append(note._replace(pitch=int(rng.choice(candidates)) if candidates else note.pitch + distance))
    return harmony


def fricatives(score: Score, notes: Sequence[Note], rng: Rng) -> Audio:
    """s, sh, t and k between syllables and a breath before phrases: noise bursts, loud on some singers."""
    n_total = seconds_to_samples(score.duration_s, RATE_HZ)
    out = np.zeros(n_total, dtype=np.float32)
    colours = [
        band_pass(rng.standard_normal(RATE_HZ).astype(np.float32), low_hz, high_hz, 3)
        for low_hz, high_hz in ((4500, 12000), (2200, 7000), (1500, 9000), (600, 6000))
    ]
    last_stop_s = -1.0
    for note in notes:
        start_s, stop_s = (
            score.seconds(min(beat, score.n_beats)) for beat in (note.start_beat, note.start_beat + note.length_beats)
        )
        if start_s - last_stop_s > 0.5:
            _add_burst(out, colours[3], start_s - 0.4, rng.uniform(0.2, 0.35), 0.5, rng.uniform(0.1, 0.4), rng)
        draw = rng.random()
        if draw < 0.25:
            at_s = stop_s if rng.random() < 0.5 else start_s - 0.12
            _add_burst(
                out, colours[int(rng.integers(2))], at_s, rng.uniform(0.05, 0.16), 0.3, rng.uniform(0.3, 1.2), rng
            )
        elif draw < 0.45:
            _add_burst(out, colours[2], start_s - 0.03, rng.uniform(0.01, 0.03), 0.05, rng.uniform(0.3, 1.2), rng)
        last_stop_s = stop_s
    return out


def _add_burst(
    out: Audio, colour: Audio, start_s: float, duration_s: float, rise: float, level: float, rng: Rng
) -> None:
    start, n_samples = int(max(start_s, 0.0) * RATE_HZ), int(duration_s * RATE_HZ)
    n_samples = min(n_samples, len(out) - start)
    if n_samples < 50:
        return
    place = np.linspace(0, 1, n_samples, dtype=np.float32)
    shape = np.minimum(place / rise, 1.0) * (1 - place) ** 0.7
    offset = int(rng.integers(0, len(colour) - n_samples))
    out[start : start + n_samples] += np.float32(level) * shape * colour[offset : offset + n_samples]


def vocal_chain(audio: Audio, score: Score, rng: Rng) -> Audio:
    """What a record does to a voice: hard compression, air, echo in time, room."""
    audio = band_pass(at_level(audio, -20.0), rng.uniform(70, 180), 20000.0)
    audio = compress(audio, rng.uniform(-32, -22), rng.uniform(3, 8), attack_s=0.002)
    audio = equalise(audio, rng, 3.0)
    if rng.random() < 0.6:
        frequency_hz = np.fft.rfftfreq(2048, 1 / RATE_HZ)
        air_db = rng.uniform(2, 9) * bell_curve(frequency_hz, rng.uniform(6000, 13000), 1.0)
        audio = filter_with(audio, minimum_phase(decibels_to_gain(air_db)))
    if rng.random() < 0.35:
        beat_s = tempo_to_seconds_per_beat(score.tempo_bpm)
        audio = echo(audio, beat_s * float(rng.choice([0.25, 0.5, 0.75, 1.0])), rng.uniform(0.2, 0.5), 0.3)
    return at_level(reverberate(audio, rng, wet=rng.uniform(0.03, 0.4)), -20.0)


def singers(score: Score, source: Source, rng: Rng) -> Audio | None:
    """A lead voice that sings or raps, with harmonies and doubles; None where the source gives no syllables."""
    syllables = draw_syllables(source, rng)
    if len(syllables) < 3:
        return None
    syllables = with_formants(syllables, rng.uniform(0.85, 1.18))
    is_rap = not score.melody or rng.random() < 0.25
    notes = rap_notes(score, syllables, rng) if is_rap else list(score.melody)
    if not notes:
        return None
    voice = sing(score, notes, syllables, rng)
    if rng.random() < 0.5:
        level = np.float32(max(np.abs(voice).max(), 1e-6) * rng.uniform(0.1, 0.4))
        voice = voice + level * fricatives(score, notes, rng)
    for _ in range(int(rng.choice([0, 0, 1, 2]))):
        second = list(notes) if is_rap else harmony_notes(score, notes, rng)
        throat = with_formants(syllables, rng.uniform(0.92, 1.08))
        voice = voice + np.float32(rng.uniform(0.3, 0.9)) * sing(score, second, throat, rng)
    return vocal_chain(voice, score, rng)


def choir(score: Score, rng: Rng) -> Audio:
    """A formant choir on the chords: detuned saws and breath through two vowels that alternate."""
    patch = synth.Patch(
        "saw", 5, float(rng.uniform(15, 40)), float(rng.uniform(0.05, 0.5)), 1.0, 1.0, 0.3, 3.5, 3.0, 1.0, 0.0
    )
    raw = synth.play_patch(score, parts.pad_part(score, rng, int(rng.integers(45, 60))), patch, rng)
    raw = raw + np.float32(rng.uniform(0.02, 0.15)) * np.abs(raw) * rng.standard_normal(len(raw)).astype(np.float32)
    first, second = rng.permutation(len(_FORMANTS))[:2]
    size = rng.uniform(1.0, 1.25)
    sway = 0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.05, 0.4) * np.arange(len(raw)) / RATE_HZ)
    vowels = [filter_with(raw, _vowel(_FORMANTS[index], size)) for index in (first, second)]
    return at_level(reverberate((sway * vowels[0] + (1 - sway) * vowels[1]).astype(np.float32), rng), -20.0)


def _vowel(formants_hz: Sequence[float], size: float) -> Audio:
    frequency_hz = np.fft.rfftfreq(4096, 1 / RATE_HZ)
    gain = np.full(len(frequency_hz), 0.02)
    for place, formant_hz in enumerate((*formants_hz, 3500.0)):
        gain = gain + bell_curve(frequency_hz, formant_hz * size, 0.12) * 0.5**place
    return minimum_phase(gain)


def speech(score: Score, source: Source, rng: Rng) -> Audio | None:
    """Recorded utterances as they are, one after the other with pauses."""
    n_total = seconds_to_samples(score.duration_s, RATE_HZ)
    out = np.zeros(n_total, dtype=np.float32)
    position = int(rng.uniform(0, 2) * RATE_HZ)
    for index in rng.integers(len(source.files), size=60):
        utterance = trim(read_mono(source.files[index], 0.0, 12.0))
        n_samples = min(len(utterance), n_total - position)
        if n_samples <= 0:
            break
        peak = np.abs(utterance).max(initial=1e-6)
        out[position : position + n_samples] += utterance[:n_samples] / np.float32(peak)
        position += n_samples + int(rng.uniform(0.0, 1.0) * RATE_HZ)
    return vocal_chain(out, score, rng) if np.any(out) else None
