"""The picture of a transcription: waveform, heat map, and the notes taken from it, over one time axis."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mix2midi.audio import AudioSource
from mix2midi.drums import PIECES_BY_KEY, piece_of_note
from mix2midi.files import PROGRAM, atomic_write
from mix2midi.notes import Beat, DrumNote, Transcription
from mix2midi.pipeline.plot_data import (
    MATCH_WINDOW_S,
    Span,
    choose_span,
    compare_notes,
    frame_range,
    pool_columns,
    rows_to_draw,
    target_onset,
    waveform_envelope,
)
from mix2midi.scores import Reference
from mix2midi.transcription import HeatMap
from mix2midi.units import clock

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN = 14.0
DPI = 130
#: Columns of the waveform, and of the heat map, whose onsets would be too thin to be seen at one pixel each.
WAVE_COLUMNS = 1400
HEAT_COLUMNS = 700
#: A beat that is later than this is not on the first line of the file.
_ON_TIME_S = 0.001
_ROW_IN = 0.24
_WAVE_IN = 1.1
_MARGINS_IN = 1.6

_INK, _BAR, _FAINT = "#27313d", "#8b97a5", "#d9dee5"
_HIT, _MISS, _EXTRA = "#0072b2", "#d55e00", "#8a1a5c"  # told apart by colour-blind eyes too
_HEAT = "magma"


def draw_transcription(
    path: Path,
    source: AudioSource,
    heat_map: HeatMap,
    transcription: Transcription,
    *,
    range_s: tuple[float, float] | None = None,
    reference: Reference | None = None,
    played: Sequence[DrumNote] = (),
) -> None:
    """Draw what was heard and what was made of it, on the song's own beats and bars.

    Parameters
    ----------
    path : Path
        PNG file.
    source : AudioSource
        What the transcriber heard.
    heat_map : HeatMap
        What the notes were picked from.
    transcription : Transcription
    range_s : tuple of float, optional
        Start and end in seconds. By default a song of up to half a minute is drawn whole, of a longer one 20 s from
        its first note on, and the title says so.
    reference : Reference, optional
        The true notes: the heat map that they ask for is drawn above the produced one, and hits (within 50 ms), misses
        and extra notes are marked.
    played : sequence of DrumNote
        The notes before they were quantised, drawn behind those of the transcription.

    Raises
    ------
    OutputError
        The file cannot be written there.
    AudioError
        The source turns out to be unreadable.
    """
    span = choose_span(transcription.duration_s, transcription.notes, range_s)
    true_notes = [] if reference is None else reference.notes
    shown = [note for note in (*transcription.notes, *true_notes) if span.holds(note.onset_s)]
    rows = rows_to_draw(heat_map, span, shown)
    start, end = frame_range(heat_map, span)

    figure, axes = _layout(len(rows), with_target=reference is not None)
    figure.suptitle(_title(transcription, span), color=_INK, fontsize=13, parse_math=False)
    _draw_waveform(axes[0], source, span, heat_map.rate_hz)
    if reference is not None:
        _draw_heat(axes[1], target_onset(heat_map, span, true_notes)[rows], span, "target heat map")
    _draw_heat(axes[-2], heat_map.onset[rows, start:end], span, "heat map")
    keys = [heat_map.pieces[row] for row in rows]
    _draw_grid(axes[-1], transcription.beats, len(keys), span)
    _draw_played(axes[-1], played, keys, span)
    _draw_notes(axes[-1], keys, transcription.notes, reference, span)
    for ax in axes[1:]:
        _label_rows(ax, [PIECES_BY_KEY[heat_map.pieces[row]].label for row in rows])
    _finish_time_axis(axes, span)
    _save(figure, path)


def _layout(rows: int, *, with_target: bool) -> tuple[Figure, Sequence[Axes]]:
    from matplotlib.figure import Figure

    heights = [_WAVE_IN, *([rows * _ROW_IN] * (3 if with_target else 2))]
    # A figure of its own: pyplot keeps all figures of a process, and asks for a display.
    figure = Figure(figsize=(WIDTH_IN, sum(heights) + _MARGINS_IN), dpi=DPI, layout="constrained", facecolor="white")
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    return figure, list(axes)


def _title(transcription: Transcription, span: Span) -> str:
    duration_s = transcription.duration_s
    is_whole = span.start_s == 0.0 and span.end_s >= duration_s
    excerpt = f"{_stamp(span.start_s)} to {_stamp(span.end_s)} of {_stamp(duration_s)}"
    part = f"all {clock(duration_s)}" if is_whole else excerpt
    count = sum(span.holds(note.onset_s) for note in transcription.notes)
    # File names may hold bytes that are no text, which cannot be drawn.
    title = transcription.title.encode("utf-8", "replace").decode("utf-8")
    return f"{title}   ·   {part}   ·   {count} notes"


def _stamp(time_s: float) -> str:
    minutes, seconds = divmod(round(time_s, 1), 60.0)
    return f"{int(minutes)}:{seconds:04.1f}".removesuffix(".0")


def _draw_waveform(ax: Axes, source: AudioSource, span: Span, rate_hz: int) -> None:
    times_s, (low, high) = waveform_envelope(source, span, rate_hz, WAVE_COLUMNS)
    ax.fill_between(times_s, low, high, color=_INK, linewidth=0.5, step="post")
    peak = max(float(np.abs(low).max()), float(np.abs(high).max()), 1e-3)
    ax.set_ylim(-1.05 * peak, 1.05 * peak)
    ax.set_yticks([])
    ax.set_ylabel("audio", color=_INK)


def _draw_heat(ax: Axes, rows: NDArray[np.floating], span: Span, label: str) -> None:
    pooled = pool_columns(rows, HEAT_COLUMNS)
    extent = (span.start_s, span.end_s, -0.5, len(rows) - 0.5)
    image = ax.imshow(
        pooled, cmap=_HEAT, vmin=0.0, vmax=1.0, aspect="auto", origin="lower", extent=extent, interpolation="nearest"
    )
    ax.hlines(np.arange(0.5, len(rows) - 1), *extent[:2], color="white", alpha=0.25, linewidth=0.5)
    ax.set_ylabel(label, color=_INK)
    scale = ax.figure.colorbar(image, cax=ax.inset_axes((1.004, 0.0, 0.006, 1.0)), ticks=[0.0, 0.5, 1.0])
    scale.outline.set_visible(False)
    scale.ax.tick_params(length=0, labelsize=8, labelcolor=_INK)


def _draw_grid(ax: Axes, beats: Sequence[Beat], rows: int, span: Span) -> None:
    """A line for each beat, a stronger one for each bar, with the number that a DAW gives it."""
    shown = [beat for beat in beats if span.holds(beat.time_s)]
    bars_s = [beat.time_s for beat in beats if beat.position == 1]
    ax.vlines([beat.time_s for beat in shown], -0.6, rows - 0.4, color=_FAINT, linewidth=0.8, zorder=0)
    for number, time_s in enumerate(bars_s, start=1 + _bars_before_the_first(beats)):
        if span.holds(time_s):
            ax.vlines(time_s, -0.6, rows - 0.4, color=_BAR, linewidth=1.2, zorder=1)
            ax.annotate(str(number), (time_s, 1.0), xycoords=("data", "axes fraction"), fontsize=8, color=_BAR)


def _bars_before_the_first(beats: Sequence[Beat]) -> int:
    """A part of a beat at the start of the file is a bar of its own there, and so is a pick-up."""
    return sum((beats[0].time_s > _ON_TIME_S, beats[0].position != 1)) if beats else 0


def _draw_played(ax: Axes, played: Sequence[DrumNote], keys: Sequence[str], span: Span) -> None:
    """A stroke where each note was before it was quantised."""
    place = {key: row for row, key in enumerate(keys)}
    strokes = [
        (note.onset_s, place[piece.key])
        for note in played
        if span.holds(note.onset_s) and (piece := piece_of_note(note.note)) is not None and piece.key in place
    ]
    if strokes:
        times_s, rows = np.array(strokes, dtype=np.float64).T
        ax.vlines(times_s, rows - 0.4, rows + 0.4, color=_MISS, linewidth=1.2, label="as played, before quantising")


def _draw_notes(
    ax: Axes, keys: Sequence[str], notes: Sequence[DrumNote], reference: Reference | None, span: Span
) -> None:
    place = {key: row for row, key in enumerate(keys)}
    ax.hlines(range(len(keys)), span.start_s, span.end_s, color=_FAINT, linewidth=0.8, zorder=0)
    ax.set_ylim(-0.6, len(keys) - 0.4)
    ax.set_ylabel("notes", color=_INK)
    if reference is None:
        _scatter(ax, notes, place, span, "o", _HIT, "note (area: velocity)")
    else:
        compared = compare_notes(notes, reference)
        _scatter(ax, compared.hits, place, span, "o", _HIT, f"hit (within {MATCH_WINDOW_S * 1000:g} ms)")
        _scatter(ax, compared.misses, place, span, "o", _MISS, "missed", hollow=True)
        _scatter(ax, compared.extras, place, span, "X", _EXTRA, "extra")
    ax.legend(loc="upper left", bbox_to_anchor=(0.0, -0.16), ncols=3, frameon=False, labelcolor=_INK)


def _scatter(
    ax: Axes,
    notes: Sequence[DrumNote],
    place: dict[str, int],
    span: Span,
    marker: str,
    colour: str,
    label: str,
    *,
    hollow: bool = False,
) -> None:
    """One mark per note, its area after its velocity; of misses, whose velocity may be unknown, all alike."""
    shown = [
        (note.onset_s, place[piece.key], 60 if hollow else 10 + 0.6 * note.velocity)
        for note in notes
        if span.holds(note.onset_s) and (piece := piece_of_note(note.note)) is not None and piece.key in place
    ]
    times_s, rows, areas = np.array(shown, dtype=np.float64).reshape(-1, 3).T
    counted = f"{label}: {len(shown)}"
    ax.scatter(
        times_s,
        rows,
        s=areas,
        marker=marker,
        label=counted,
        facecolors="none" if hollow else colour,
        edgecolors=colour if hollow else "none",
        linewidths=1.5 if hollow else 0.0,
        zorder=3,
        alpha=0.9,
    )


def _label_rows(ax: Axes, labels: Sequence[str]) -> None:
    ax.set_yticks(range(len(labels)), labels, fontsize=9, color=_INK)
    ax.tick_params(axis="y", length=0)


def _finish_time_axis(axes: Sequence[Axes], span: Span) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    for ax in axes:
        ax.set_xlim(span.start_s, span.end_s)
        ax.spines[["top", "right", "left", "bottom"]].set_visible(False)
        ax.tick_params(axis="x", length=3, colors=_INK)
    axes[-1].xaxis.set_major_locator(MaxNLocator(nbins=20, steps=[1, 2, 5, 10]))
    if span.end_s >= 60.0:
        axes[-1].xaxis.set_major_formatter(FuncFormatter(lambda time_s, _: _stamp(time_s)))
    axes[-1].set_xlabel("time (min:s)" if span.end_s >= 60.0 else "time (s)", color=_INK)


def _save(figure: Figure, path: Path) -> None:
    with atomic_write(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a title in letters that the font lacks is drawn as boxes
        figure.savefig(temporary, format="png", metadata={"Software": PROGRAM})
