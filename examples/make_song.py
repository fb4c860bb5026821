"""Render the example song and its true drum part.

    python examples/make_song.py

writes ``song.mp3`` and ``song_reference.mid`` beside this script: eight bars of an original tune at 112 beats per
minute, dedicated to the public domain (CC0). The drums are recorded one-shots (``sounds/README.md`` has their sources),
played by a score written below; ride, bass, keys and lead are synthesised here. Every drum sounds at exactly the tick
that the MIDI file states.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, lfilter, sosfilt

HERE = Path(__file__).parent
RATE_HZ = 44100
TEMPO_BPM = 112.0
PPQ = 960
TICKS_PER_SIXTEENTH = PPQ // 4
SIXTEENTHS_PER_BAR = 16
TAIL_S = 2.0
SEED = 7

Samples = NDArray[np.float64]

#: MIDI note, position from -1 (left) to 1 (right), level in dB, and sounds from soft to hard with the highest velocity
#: that each plays; the ride has no recording.
DRUMS: dict[str, tuple[int, float, float, tuple[tuple[int, str], ...]]] = {
    "kick": (36, 0.0, 0.0, ((90, "kick_soft"), (127, "kick_hard"))),
    "snare": (38, 0.05, -2.0, ((75, "snare_soft"), (127, "snare_hard"))),
    "closed hat": (42, -0.35, -12.0, ((127, "closed_hat"),)),
    "pedal hat": (44, -0.35, -13.0, ((127, "pedal_hat"),)),
    "open hat": (46, -0.35, -11.0, ((127, "open_hat"),)),
    "high tom": (48, -0.25, -4.0, ((85, "high_tom_soft"), (127, "high_tom_hard"))),
    "mid tom": (45, 0.1, -4.0, ((85, "mid_tom_soft"), (127, "mid_tom_hard"))),
    "low tom": (43, 0.35, -4.0, ((85, "low_tom_soft"), (127, "low_tom_hard"))),
    "crash": (49, -0.5, -8.0, ((127, "crash"),)),
    "ride": (51, 0.45, -13.0, ()),
}
HATS = {"closed hat", "pedal hat", "open hat"}
VELOCITIES = {"g": 30, "s": 58, "m": 80, "x": 100, "X": 118}

#: One line of sixteenths for each drum of a bar; "f" is a flam, a soft hit 30 ms before a hard one.
GROOVE = {
    "closed hat": "X.m.x.m.X.m.x.m.",
    "snare": "....X..g.g..X..g",
    "kick": "X.....m.X.m.....",
}
GROOVE_OPEN = {**GROOVE, "closed hat": "X.m.x...X.m.x...", "open hat": "......x.......x.", "kick": "X..m..x.X.m...m."}
SHORT_FILL = {
    "closed hat": "X.m.x.m.........",
    "snare": "....X..gxmx.....",
    "high tom": "...........xm...",
    "mid tom": ".............x..",
    "low tom": "..............xX",
    "kick": "X.....m.X...x...",
}
RIDE = {
    "ride": "X.m.x.m.X.m.x.m.",
    "pedal hat": "....m.......m...",
    "snare": "....X..g.g..X...",
    "kick": "X..m..x...x.....",
}
RIDE_CRASH = {**RIDE, "crash": "X...............", "ride": "..m.x.m.X.m.x.m."}
LONG_FILL = {
    "crash": "x...............",
    "snare": "sssmmmxx........",
    "high tom": "........f.x.....",
    "mid tom": "..........m.xm..",
    "low tom": "..............Xx",
    "kick": "X...x...X...X...",
}
LAST_HIT = {"crash": "X...............", "kick": "X...............", "snare": "f..............."}
BARS = (GROOVE, GROOVE_OPEN, GROOVE_OPEN, SHORT_FILL, RIDE_CRASH, RIDE, RIDE, LONG_FILL, LAST_HIT)

#: MIDI notes of the chord and the bass note of each bar.
CHORDS = ((57, 60, 64, 71), (53, 57, 60, 64), (55, 60, 64, 67), (55, 59, 62, 66)) * 2 + ((57, 60, 64, 69),)
BASS = (33, 29, 36, 31) * 2 + (33,)
#: Start and length in sixteenths, MIDI note.
LEAD = (
    (64, 6, 76), (70, 4, 74), (74, 2, 72), (76, 4, 71), (80, 8, 72), (88, 4, 69), (92, 4, 67),
    (96, 6, 79), (102, 4, 76), (106, 6, 74), (112, 4, 78), (116, 4, 74), (120, 8, 71), (128, 14, 69),
)  # fmt: skip


@dataclass(frozen=True)
class Hit:
    """One drum hit of the score."""

    tick: int
    drum: str
    velocity: int


def score_hits(rng: np.random.Generator) -> list[Hit]:
    """Play the bars with a little human unevenness in time and strength."""
    hits = []
    for bar_index, bar in enumerate(BARS):
        for drum, line in bar.items():
            for step, symbol in enumerate(line):
                if symbol != ".":
                    tick = (bar_index * SIXTEENTHS_PER_BAR + step) * TICKS_PER_SIXTEENTH
                    hits += play(drum, symbol, tick, rng)
    return sorted(hits, key=lambda hit: (hit.tick, hit.drum))


def play(drum: str, symbol: str, tick: int, rng: np.random.Generator) -> list[Hit]:
    """A hit, or two for a flam."""
    late = int(np.clip(rng.normal(0, 6), -12, 12)) if tick else abs(int(rng.normal(0, 6)))
    velocity = VELOCITIES["X" if symbol == "f" else symbol] + int(rng.integers(-5, 6))
    hits = [Hit(tick + late, drum, velocity)]
    if symbol == "f":
        hits.append(Hit(tick + late - seconds_to_ticks(0.030), drum, velocity // 2))
    return hits


def seconds_to_ticks(duration_s: float) -> int:
    """Nearest tick at the tempo of the song."""
    return round(duration_s * TEMPO_BPM / 60.0 * PPQ)


def tick_to_sample(tick: int) -> int:
    """Sample at which a tick sounds."""
    return round(tick / PPQ * 60.0 / TEMPO_BPM * RATE_HZ)


def write_reference(hits: Sequence[Hit], path: Path) -> None:
    """Write the drum part as MIDI; hits are short, so that those of a flam do not overlap."""
    conductor = mido.MidiTrack(
        [
            mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(TEMPO_BPM)),
            mido.MetaMessage("time_signature", numerator=4, denominator=4),
        ]
    )
    events = []
    for hit in hits:
        note = DRUMS[hit.drum][0]
        events.append((hit.tick, 1, mido.Message("note_on", channel=9, note=note, velocity=hit.velocity)))
        events.append((hit.tick + PPQ // 64, 0, mido.Message("note_off", channel=9, note=note)))
    events.sort(key=lambda event: event[:2])
    drums = mido.MidiTrack([mido.MetaMessage("track_name", name="Drums")])
    before = 0
    for tick, _, message in events:
        drums.append(message.copy(time=tick - before))
        before = tick
    midi = mido.MidiFile(type=1, ticks_per_beat=PPQ)
    midi.tracks += [conductor, drums]
    midi.save(path)


def render_drums(hits: Sequence[Hit], length: int, rng: np.random.Generator) -> Samples:
    """Drum track [2, samples] with a small room around it."""
    track = np.zeros((2, length))
    sounds: dict[str, Samples] = {
        path.stem: soundfile.read(path)[0] for path in sorted((HERE / "sounds").glob("*.flac"))
    }
    sounds["ride"] = ride_sound(rng)
    hat_ticks = [hit.tick for hit in hits if hit.drum in HATS]
    for hit in hits:
        sound = drum_sound(hit, sounds)
        if hit.drum in HATS:
            sound = choke(sound, hit.tick, hat_ticks)
        pan = DRUMS[hit.drum][1]
        add_at(
            track, np.stack([sound * np.sqrt(0.5 - pan / 2), sound * np.sqrt(0.5 + pan / 2)]), tick_to_sample(hit.tick)
        )
    return track + 0.18 * room(track, rng)


def drum_sound(hit: Hit, sounds: dict[str, Samples]) -> Samples:
    """The sound of a hit: layer by velocity, duller and quieter where it is soft."""
    _, _, level_db, layers = DRUMS[hit.drum]
    name = next((name for highest, name in layers if hit.velocity <= highest), hit.drum)
    strength = hit.velocity / 127
    cutoff_hz = 2500 + 16500 * strength
    dulled = lfilter(*butter(1, cutoff_hz / (RATE_HZ / 2)), sounds[name])
    gain: float = 10 ** (level_db / 20) * strength**1.7
    return np.asarray(dulled * gain)


def choke(sound: Samples, tick: int, hat_ticks: Sequence[int]) -> Samples:
    """End a hi-hat at the next hit of it, as the foot does."""
    following = [other for other in hat_ticks if other > tick]
    if not following:
        return sound
    available = tick_to_sample(min(following)) - tick_to_sample(tick)
    fade = np.clip((available - np.arange(len(sound))) / (0.015 * RATE_HZ) + 1, 0, 1)
    return sound * fade


def ride_sound(rng: np.random.Generator) -> Samples:
    """A ride cymbal: the click of the stick, a few strong modes, and a dense wash of weak ones."""
    time_s = np.arange(round(2.2 * RATE_HZ)) / RATE_HZ
    sound = np.zeros_like(time_s)
    for frequency_hz in np.exp(rng.uniform(np.log(420), np.log(14000), 140)):
        decay_s = 0.25 + 1.1 * (900 / frequency_hz) ** 0.4 * rng.uniform(0.5, 1.2)
        level = rng.uniform(0.2, 1.0) * (frequency_hz / 3000) ** -0.15
        sound += level * np.sin(2 * np.pi * frequency_hz * time_s + rng.uniform(0, 6.28)) * np.exp(-time_s / decay_s)
    wash = sosfilt(butter(2, [4000, 12000], "bandpass", fs=RATE_HZ, output="sos"), rng.normal(size=len(time_s)))
    click = sosfilt(butter(2, 2500, "highpass", fs=RATE_HZ, output="sos"), rng.normal(size=len(time_s)))
    sound = sound / np.abs(sound).max()
    body = sound * (0.35 + 0.65 * np.exp(-time_s / 0.06)) + 0.12 * wash * np.exp(-time_s / 0.5)
    ride = (body + 0.5 * click * np.exp(-time_s / 0.004)) * np.minimum(1, time_s / 0.0005)
    return np.asarray(0.9 * ride / np.abs(ride).max())


def room(track: Samples, rng: np.random.Generator) -> Samples:
    """Reverberation of a small room, without the direct sound."""
    time_s = np.arange(round(0.5 * RATE_HZ)) / RATE_HZ
    tail = rng.normal(size=(2, len(time_s))) * np.exp(-time_s / 0.09) * (time_s > 0.006)
    tail = sosfilt(butter(1, [180, 7000], "bandpass", fs=RATE_HZ, output="sos"), tail)
    tail /= np.sqrt(np.sum(tail**2, axis=1, keepdims=True))
    return np.asarray(fftconvolve(track, tail, axes=1)[:, : track.shape[1]])


def note_hz(note: int) -> float:
    """Frequency of a MIDI note, equal temperament, A4 = 440 Hz."""
    return float(440.0 * 2 ** ((note - 69) / 12))


def sixteenths_to_seconds(count: float) -> float:
    """Length of sixteenth notes at the tempo of the song."""
    return count * 15.0 / TEMPO_BPM


def bass_note(note: int, duration_s: float) -> Samples:
    """A plucked bass: saw-like partials that lose their brightness."""
    time_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    tone = np.zeros_like(time_s)
    for partial in range(1, 13):
        decay = np.exp(-time_s * (1.2 + 0.9 * partial))
        tone += np.sin(2 * np.pi * note_hz(note) * partial * time_s) / partial * decay
    return fade(tone, attack_s=0.004, release_s=0.03)


def key_note(note: int, duration_s: float) -> Samples:
    """An electric piano by frequency modulation (Chowning, 1973)."""
    time_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    phase = 2 * np.pi * note_hz(note) * time_s
    bright = 1.4 * np.exp(-time_s / 0.25)
    tone = np.sin(phase + bright * np.sin(phase)) + 0.12 * np.sin(14 * phase) * np.exp(-time_s / 0.05)
    return fade(tone * np.exp(-time_s / 1.3), attack_s=0.003, release_s=0.08)


def lead_note(note: int, duration_s: float) -> Samples:
    """A reed-like lead: odd partials with vibrato that sets in late."""
    time_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    vibrato = 0.006 * np.minimum(1, time_s / 0.35) * np.sin(2 * np.pi * 5.4 * time_s)
    phase = 2 * np.pi * note_hz(note) * np.cumsum(1 + vibrato) / RATE_HZ
    tone = sum((np.sin(partial * phase) / partial**1.4 for partial in (1, 2, 3, 5, 7)), np.zeros_like(time_s))
    return fade(tone, attack_s=0.02, release_s=0.06)


def fade(tone: Samples, attack_s: float, release_s: float) -> Samples:
    """Ramp a tone up and down."""
    position = np.arange(len(tone)) / RATE_HZ
    remaining = position[::-1]
    return tone * np.minimum(1, position / attack_s) * np.minimum(1, remaining / release_s)


def render_band(length: int, rng: np.random.Generator) -> Samples:
    """Bass, keys and lead [2, samples]."""
    bass, keys, lead = (np.zeros((2, length)) for _ in range(3))
    for bar, (root, chord) in enumerate(zip(BASS, CHORDS, strict=True)):
        last = bar == len(BASS) - 1
        for step in (0,) if last else (0, 3, 6, 8, 10, 14):
            note = root + (12 if step in (6, 14) else 0)
            add_note(bass, bass_note(note, sixteenths_to_seconds(14 if last else 2.4)), bar, step)
        for step in (0,) if last else (0, 6, 11):
            for note in chord:
                add_note(keys, key_note(note, sixteenths_to_seconds(14 if last else 4.5)), bar, step)
    for start, count, note in LEAD:
        add_note(lead, lead_note(note, sixteenths_to_seconds(count)), 0, start)
    wet = 0.22 * room(keys * 0.08 + lead * 0.11, rng)
    return 0.30 * bass + np.array([[0.09], [0.07]]) * keys + np.array([[0.09], [0.12]]) * lead + wet


def add_note(track: Samples, tone: Samples, bar: int, sixteenth: int) -> None:
    """Add a mono tone to a stereo track at a place in the score."""
    tick = (bar * SIXTEENTHS_PER_BAR + sixteenth) * TICKS_PER_SIXTEENTH
    add_at(track, np.broadcast_to(tone, (2, len(tone))), tick_to_sample(tick))


def add_at(track: Samples, sound: Samples, start: int) -> None:
    """Add a sound [2, samples] to a track in place, cut off at its end."""
    stop = min(start + sound.shape[1], track.shape[1])
    track[:, start:stop] += sound[:, : stop - start]


def main() -> None:
    """Write the song and its reference."""
    rng = np.random.default_rng(SEED)
    hits = score_hits(rng)
    length = tick_to_sample((len(BARS) - 1) * SIXTEENTHS_PER_BAR * TICKS_PER_SIXTEENTH) + round(TAIL_S * RATE_HZ)
    song = 1.1 * render_drums(hits, length, rng) + render_band(length, rng)
    song = np.tanh(1.2 * song)
    song[:, -RATE_HZ // 2 :] *= np.linspace(1, 0, RATE_HZ // 2)
    soundfile.write(HERE / "song.mp3", 0.9 * song.T / np.abs(song).max(), RATE_HZ, compression_level=0.3)
    write_reference(hits, HERE / "song_reference.mid")


if __name__ == "__main__":
    main()
