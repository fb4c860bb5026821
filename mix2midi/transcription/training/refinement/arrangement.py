"""Drum parts as long as songs: sections of performances that go on, change and return."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from mix2midi.training.patterns import generate_pattern
from mix2midi.training.performances import Performance
from mix2midi.units import tempo_to_seconds_per_beat

_BEATS_IN_BAR = 4
_SECTION_BARS = (2, 4, 4, 8)
#: How often a section is one that was played before, and how often another performance takes over.
_RETURNS, _CHANGES = 0.4, 0.15
#: A performance that would have to be slowed down or sped up by more than this does not take over.
_SLOWEST, _FASTEST = 0.75, 1.35
#: Played again, a section is not quite the same.
_LOOSENESS_S, _LOOSE_VELOCITY = (0.001, 0.008), 6.0
#: What lies this little before the first beat belongs to it.
_EARLY_S = 0.04
#: Time stretching, and the stretch's random start, use up more than a song lasts.
_SPARE_S = 22.0
_PATTERN_BARS = 48


@dataclass(frozen=True)
class _Section:
    """A stretch of a performance at a speed; times in seconds of the song's tempo."""

    performance: Performance
    stretch: float
    start_s: float
    duration_s: float

    def play(self, at_s: float, rng: Generator | None) -> Performance:
        """Its hits from `at_s` on; with `rng`, a little different."""
        onset_s = self.performance.onset_s * self.stretch
        first = self.start_s - _EARLY_S
        inside = (onset_s >= first) & (onset_s < first + self.duration_s)
        onset_s, velocity = onset_s[inside] - self.start_s + at_s, self.performance.velocity[inside]
        if rng is not None:
            onset_s = onset_s + rng.normal(0.0, rng.uniform(*_LOOSENESS_S), len(onset_s))
            velocity = np.clip(velocity + rng.normal(0.0, _LOOSE_VELOCITY, len(velocity)), 2, 127)
        return Performance(onset_s, self.performance.row[inside], velocity, self.performance.tempo_bpm)


def arrange_song(
    rng: Generator, performances: Sequence[Performance], duration_s: float, pattern_share: float
) -> Performance:
    """A drum part for at least `duration_s`, from one performance and now and then another.

    Parameters
    ----------
    rng : numpy Generator
    performances : sequence of Performance
        Longer ones are drawn more often.
    duration_s : float
    pattern_share : float
        Share of the songs that are a generated pattern throughout.
    """
    if rng.random() < pattern_share:
        return generate_pattern(rng, bars=_PATTERN_BARS)
    lengths = np.array([performance.duration_s for performance in performances])
    chances = lengths / lengths.sum()
    first = performances[int(rng.choice(len(performances), p=chances))]
    bar_s = _BEATS_IN_BAR * tempo_to_seconds_per_beat(first.tempo_bpm)
    current, stretch = first, 1.0
    position_s = bar_s * int(rng.integers(0, max(1, int(first.duration_s / bar_s) - 3)))
    at_s, played, parts = 0.0, list[_Section](), list[Performance]()
    while at_s < duration_s + _SPARE_S:
        wanted_s = bar_s * int(rng.choice(_SECTION_BARS))
        if played and rng.random() < _RETURNS:
            section = played[int(rng.integers(len(played)))]
            parts.append(section.play(at_s, rng))
            at_s += section.duration_s
            continue
        if played and rng.random() < _CHANGES:
            other = performances[int(rng.choice(len(performances), p=chances))]
            if _SLOWEST < other.tempo_bpm / first.tempo_bpm < _FASTEST:
                current, stretch, position_s = other, other.tempo_bpm / first.tempo_bpm, 0.0
        if position_s + bar_s > current.duration_s * stretch:
            position_s = 0.0
        left_bars = np.floor((current.duration_s * stretch - position_s) / bar_s + 0.3)
        section = _Section(current, stretch, position_s, min(wanted_s, max(1.0, left_bars) * bar_s))
        parts.append(section.play(at_s, None))
        played.append(section)
        at_s, position_s = at_s + section.duration_s, position_s + section.duration_s
    return _joined(parts, first)


def _joined(parts: Sequence[Performance], first: Performance) -> Performance:
    onset_s = np.concatenate([part.onset_s for part in parts])
    order = np.argsort(onset_s, kind="stable")
    order = order[onset_s[order] >= 0.0]
    row, velocity = np.concatenate([part.row for part in parts]), np.concatenate([part.velocity for part in parts])
    return Performance(onset_s[order], row[order], velocity[order], first.tempo_bpm, first.name)
