"""Tables of scores, for a terminal and for Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from mix2midi.pipeline.evaluate import Evaluation
from mix2midi.pipeline.time_scores import TimeScores
from mix2midi.scores import ClassScores, Counts, Scores

if TYPE_CHECKING:
    from rich.table import Table

UNDEFINED = "–"
_SHARES = ("beat_f", "downbeat_f", "tempo_is_right", "signature_is_right", "same_sixteenth")


@dataclass(frozen=True)
class ScoreTable:
    """A title, a header and rows of text; the first column names the row, the others are numbers."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def to_markdown(self) -> str:
        """As a table of GitHub's Markdown, without the title."""
        rule = ["---"] + ["---:"] * (len(self.header) - 1)
        rows = [[cell.replace("|", r"\|") for cell in row] for row in (self.header, rule, *self.rows)]
        return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"

    def to_rich(self) -> Table:
        """As a table that rich prints."""
        from rich.markup import escape
        from rich.table import Table

        table = Table(title=escape(self.title), title_justify="left")
        for position, name in enumerate(self.header):
            table.add_column(name, justify="right" if position else "left")
        for row in self.rows:
            table.add_row(*map(escape, row))  # songs may be called "[live] ..."
        return table


def score_tables(evaluation: Evaluation) -> list[ScoreTable]:
    """One table by song, one by class, one by piece and one of musical time where references have those."""
    pooled = evaluation.pooled
    tables = [_by_song(evaluation), _by_class(pooled)]
    if pooled.pieces:
        tables.append(_by_piece(pooled))
    timed = [(entry.song.name, entry.time) for entry in evaluation.songs if entry.time is not None]
    if timed:
        tables.append(_musical_time(timed))
    return tables


def _by_song(evaluation: Evaluation) -> ScoreTable:
    pooled = evaluation.pooled
    header = ["song", "hits", *_f_names(pooled), *pooled.families]
    named = [(entry.song.name, entry.scores) for entry in evaluation.songs]
    rows = [
        [
            name,
            *_f_values(scores.overall),
            *(_ratio(part.counts[scores.windows_s[0]].f_measure) for part in scores.families.values()),
        ]
        for name, scores in [*named, ("all", pooled)]
    ]
    return ScoreTable(f"F by song; classes within {_milliseconds(pooled.windows_s[0])}", header, rows)


def _by_class(pooled: Scores) -> ScoreTable:
    header = ["class", "hits", *_f_names(pooled), "precision", "recall", "bias ms", "error ms", "calibration"]
    with_velocities = bool(pooled.overall.velocities.size)
    if with_velocities:
        header += ["velocity corr.", "velocity error"]
    correlations = [part.velocity_correlation for part in pooled.families.values()]
    named = [*pooled.families.items(), ("all", pooled.overall)]
    rows = []
    for (name, part), correlation in zip(named, [*correlations, pooled.velocity_correlation], strict=True):
        counts = part.counts[pooled.windows_s[0]]
        row = [name, *_f_values(part), _ratio(counts.precision), _ratio(counts.recall)]
        row += [
            _number(part.bias_s * 1000, "+.1f"),
            _number(part.median_error_s * 1000, ".1f"),
            _ratio(part.calibration_error),
        ]
        if with_velocities:
            row += [_ratio(correlation), _number(part.velocity_error, ".1f")]
        rows.append(row)
    return ScoreTable(f"Pooled over songs; all but F within {_milliseconds(pooled.windows_s[0])}", header, rows)


def _by_piece(pooled: Scores) -> ScoreTable:
    named: list[tuple[str, Counts]] = [
        (key.replace("_", " "), counts) for key, counts in pooled.pieces.items() if counts.reference or counts.estimate
    ]
    rows = [
        [name, str(counts.reference), _ratio(counts.f_measure), _ratio(counts.precision), _ratio(counts.recall)]
        for name, counts in [*named, ("all", pooled.exact)]
    ]
    title = f"Exact pieces within {_milliseconds(pooled.windows_s[0])}"
    return ScoreTable(title, ["piece", "hits", "F", "precision", "recall"], rows)


def _musical_time(timed: Sequence[tuple[str, TimeScores]]) -> ScoreTable:
    """By song, then means; of tempo and time signature the share that is right."""
    header = ["song", "beat F", "downbeat F", "BPM", "true BPM", "signature", "true signature", "same sixteenth"]
    rows = [
        [
            name,
            _ratio(scores.beat_f),
            _ratio(scores.downbeat_f),
            _number(scores.tempo_bpm, ".1f"),
            _number(scores.true_tempo_bpm, ".1f"),
            scores.signature,
            scores.true_signature,
            _ratio(scores.same_sixteenth),
        ]
        for name, scores in timed
    ]
    shares = [_mean_of_defined(getattr(scores, name) for _, scores in timed) for name in _SHARES]
    beat_f, downbeat_f, tempo, signature, grid = (_ratio(share) for share in shares)
    rows.append(["all", beat_f, downbeat_f, f"{tempo} right", "", f"{signature} right", "", grid])
    return ScoreTable("Musical time, within 70 ms; tempo right within 4 %", header, rows)


def _mean_of_defined(values: Iterable[float]) -> float:
    """NaN where none is: a song without hits has no share of them."""
    defined = [float(value) for value in values if not math.isnan(value)]
    return fmean(defined) if defined else math.nan


def _f_names(scores: Scores) -> list[str]:
    return [f"F {_milliseconds(window_s)}" for window_s in scores.windows_s]


def _f_values(part: ClassScores) -> list[str]:
    """Hits of the reference, then F within every window."""
    counts = list(part.counts.values())
    return [str(counts[0].reference), *(_ratio(entry.f_measure) for entry in counts)]


def _milliseconds(window_s: float) -> str:
    return f"{window_s * 1000:g} ms"


def _ratio(value: float) -> str:
    return _number(value, ".3f")


def _number(value: float, form: str) -> str:
    return UNDEFINED if math.isnan(value) else format(value, form)
