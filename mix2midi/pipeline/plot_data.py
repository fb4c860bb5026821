"""What a picture of a transcription shows, as numbers: the part of the song, its waveform, its rows, its hits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mix2midi.audio import AudioSource
from mix2midi.drums import PIECES, PIECES_BY_KEY, piece_of_note
from mix2midi.matching import match_times
from mix2midi.notes import DrumNote
from mix2midi.scores import WINDOWS_S, Reference
from mix2midi.transcription import HeatMap
from mix2midi.units import seconds_to_frames, seconds_to_samples

#: Songs up to this length are drawn whole; more would be too dense to read.
WHOLE_SONG_S = 30.0
EXCERPT_S = 20.0
#: Less than this is drawn of no song, even where its stated length was an overestimate.
SHORTEST_S = 0.01
#: Drums whose activation stays below are not drawn, unless a note or the reference has them.
FAINT_ACTIVATION = 0.2
#: Half-width of the window in which an estimated and a true hit are the same, the field's usual one.
MATCH_WINDOW_S = WINDOWS_S[0]


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a song, in seconds."""

    start_s: float
    end_s: float

    def holds(self, time_s: float) -> bool:
        """Whether a time lies in it."""
        return self.start_s <= time_s < self.end_s


@dataclass(frozen=True, slots=True)
class Comparison:
    """Notes against a reference: found, missed, and not there."""

    hits: Sequence[DrumNote]
    misses: Sequence[DrumNote]
    extras: Sequence[DrumNote]


def choose_span(duration_s: float, notes: Sequence[DrumNote], range_s: tuple[float, float] | None = None) -> Span:
    """The part of a song to draw: as asked for, else all of a short song, else where its notes begin."""
    if range_s is not None:
        start_s = min(range_s[0], max(0.0, duration_s - SHORTEST_S))
        return Span(start_s, max(start_s + SHORTEST_S, min(range_s[1], duration_s)))
    if duration_s <= WHOLE_SONG_S:
        return Span(0.0, duration_s)
    first_s = float(np.floor(notes[0].onset_s)) if notes else 0.0
    start_s = max(0.0, min(first_s, duration_s - EXCERPT_S))
    return Span(start_s, start_s + EXCERPT_S)


def waveform_envelope(
    source: AudioSource, span: Span, rate_hz: int, columns: int
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Lowest and highest sample of each column of a picture.

    Parameters
    ----------
    source : AudioSource
    span : Span
    rate_hz : int
        Rate to read it at.
    columns : int
        At most as many come back; fewer where the span has fewer samples.

    Returns
    -------
    times_s : ndarray [shape=(columns,)]
        Start of each column.
    envelope : ndarray [shape=(2, columns), float32]
        Lowest and highest sample.
    """
    samples = _read_span(source, span, rate_hz)
    size = max(1, -(-len(samples) // columns))
    starts = np.arange(0, len(samples), size)
    envelope = np.stack([np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)])
    return span.start_s + starts / rate_hz, envelope


def _read_span(source: AudioSource, span: Span, rate_hz: int) -> NDArray[np.float32]:
    first, last = seconds_to_samples(span.start_s, rate_hz), seconds_to_samples(span.end_s, rate_hz)
    parts, position = [np.zeros(0, dtype=np.float32)], 0
    for block in source.blocks(rate_hz, mono=True):
        parts.append(block[0, max(0, first - position) : max(0, last - position)])
        position += block.shape[1]
        if position >= last:
            break
    samples = np.concatenate(parts)
    return samples if len(samples) else np.zeros(1, dtype=np.float32)


def frame_range(heat_map: HeatMap, span: Span) -> tuple[int, int]:
    """First frame of a span, and the one after its last."""
    first, last = seconds_to_frames(np.array([span.start_s, span.end_s]), heat_map.hop_length, heat_map.rate_hz)
    frames = heat_map.onset.shape[1]
    start = min(int(first), frames - 1)
    return start, max(start + 1, min(round(float(last)), frames))


def rows_to_draw(heat_map: HeatMap, span: Span, notes: Iterable[DrumNote]) -> list[int]:
    """Rows of the heat map with something in them, in the order of the kit; kick, snare and hat at least."""
    start, end = frame_range(heat_map, span)
    loudest = heat_map.onset[:, start:end].max(axis=1)
    sounding = {"kick", "snare", "closed_hat", *pieces_of(notes)}
    return [row for row, key in enumerate(heat_map.pieces) if key in sounding or loudest[row] >= FAINT_ACTIVATION]


def pieces_of(notes: Iterable[DrumNote]) -> set[str]:
    """Keys of the drums that notes stand for."""
    return {piece.key for note in notes if (piece := piece_of_note(note.note)) is not None}


def pool_columns(rows: NDArray[np.float32], columns: int) -> NDArray[np.float32]:
    """Highest value of the frames that share a column of a picture, so that no peak is lost between pixels.

    Parameters
    ----------
    rows : ndarray [shape=(pieces, frames)]
    columns : int
        At most as many come back.

    Returns
    -------
    ndarray [shape=(pieces, columns)]
    """
    size = max(1, -(-rows.shape[1] // columns))
    return np.maximum.reduceat(rows, np.arange(0, rows.shape[1], size), axis=1)


def target_onset(heat_map: HeatMap, span: Span, notes: Iterable[DrumNote]) -> NDArray[np.float32]:
    """The heat map that true notes ask for, of the same rows and frames as the produced one in a span.

    Returns
    -------
    ndarray [shape=(pieces, frames), float32]
    """
    from mix2midi.transcription.training.recipe import OptimiserRecipe
    from mix2midi.transcription.training.targets import paint_targets

    start, end = frame_range(heat_map, span)
    # [hit, (frame, row, velocity)]
    hits = [
        (
            float(seconds_to_frames(note.onset_s, heat_map.hop_length, heat_map.rate_hz)) - start,
            PIECES.index(piece),
            note.velocity,
        )
        for note in notes
        if span.holds(note.onset_s) and (piece := piece_of_note(note.note)) is not None
    ]
    batch = np.array(hits, dtype=np.float32).reshape(1, -1, 3)
    onset = paint_targets(batch, end - start, OptimiserRecipe.target_width_frames)[0][0].numpy()
    rows = [PIECES.index(PIECES_BY_KEY[key]) for key in heat_map.pieces]
    selected: NDArray[np.float32] = onset[rows]
    return selected


def compare_notes(notes: Sequence[DrumNote], reference: Reference) -> Comparison:
    """Match notes with true ones of the same drum, or of the same family where the reference knows no more."""
    estimated, true = _by_class(notes, reference), _by_class(reference.notes, reference)
    hits, misses, extras = [], [], []
    for name in {*estimated, *true}:
        ours, theirs = estimated[name], true[name]
        rows, columns = match_times([note.onset_s for note in theirs], [note.onset_s for note in ours], MATCH_WINDOW_S)
        found, right = set(rows), set(columns)
        hits += [note for index, note in enumerate(ours) if index in right]
        extras += [note for index, note in enumerate(ours) if index not in right]
        misses += [note for index, note in enumerate(theirs) if index not in found]
    return Comparison(sorted(hits), sorted(misses), sorted(extras))


def _by_class(notes: Iterable[DrumNote], reference: Reference) -> defaultdict[str, list[DrumNote]]:
    classes: defaultdict[str, list[DrumNote]] = defaultdict(list)
    for note in notes:
        piece = piece_of_note(note.note)
        if piece is not None:
            classes[piece.key if reference.knows_pieces else piece.family].append(note)
    return classes
