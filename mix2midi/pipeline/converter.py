"""One song from file to file: the stages one after the other."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from mix2midi.audio import AudioFile, AudioSource
from mix2midi.device import memory_guard, resolve_device
from mix2midi.errors import AudioError, OptionError, OutputError
from mix2midi.notes import Beat, Transcription
from mix2midi.pipeline.meter import MeteredSource
from mix2midi.pipeline.midi_options import MidiOptions
from mix2midi.pipeline.outputs import Outputs, Picture
from mix2midi.pipeline.stem import separated, with_own_sounds
from mix2midi.pipeline.write import Heard, write_midi_file, write_tables
from mix2midi.postprocess import Arranged, arrange
from mix2midi.separation import BUILTIN, Choice, NoSeparator, choose_separator
from mix2midi.separation.download import OnDownload
from mix2midi.transcription import HeatMap, Transcriber, name_toms, pick_notes

#: Called with the stage, ``"separate"`` or ``"transcribe"``, and the fraction of it that is done, 0 to 1.
OnStage = Callable[[str, float], None]

#: No drum hit fits into less, so what is shorter is a mistake and not a song.
MIN_DURATION_S = 0.01

#: What a separator's stem counts for beside the mix that it was taken from. The built-in one loses more.
STEM_SHARE, BUILTIN_SHARE = 2.0 / 3.0, 1.0 / 3.0
#: Of the progress of separating, what the network takes where the mix is heard after it.
_NETWORK_SHARE = 0.7
#: A bar line this close to the downbeat that was asked for is that one.
DOWNBEAT_TOLERANCE_S = 0.05
#: Beats that lie this far beside the heard ones are worth a word.
BENT_S = 0.02


@dataclass(frozen=True, slots=True)
class Conversion:
    """What became of one song.

    Attributes
    ----------
    song : str
        Its path, or the name of the array.
    transcription : Transcription
    files : tuple of Path
        What was written.
    separator_reason : str
        Why this separator.
    arranged : Arranged
        Its hits in musical time: beats, the file's tempos, and the grid that hits were moved to.
    midi_options : MidiOptions
        What was asked for.
    remarks : tuple of str
        What the user should know, such as why there are no notes.
    """

    song: str
    transcription: Transcription
    files: tuple[Path, ...]
    separator_reason: str
    arranged: Arranged = field(compare=False)  # == of its arrays is no single truth value
    midi_options: MidiOptions
    remarks: tuple[str, ...] = ()


class Converter:
    """Converts songs; the models are loaded when the first song needs them, and once.

    Parameters
    ----------
    separator : str
        One of `mix2midi.separation.NAMES`, or a folder with an open-unmix.
    stem_only : bool
        The input is drums alone: nothing is separated.
    device : str
        One of `mix2midi.device.DEVICES`.
    weights : Path, optional
        Of the transcriber; the shipped ones by default.
    model_dir : Path, optional
        Folder with weights of separators, for machines without network.
    on_download : callable, optional
        Called with a model's name, the bytes fetched so far and in total.

    Raises
    ------
    DeviceError, OptionError
        The device is not there or not known; a separator is named for what is drums alone.
    """

    def __init__(
        self,
        *,
        separator: str = "auto",
        stem_only: bool = False,
        device: str = "auto",
        weights: Path | str | None = None,
        model_dir: Path | str | None = None,
        on_download: OnDownload | None = None,
    ) -> None:
        for name, value in (("separator", separator), ("device", device)):
            if not isinstance(value, str) or not value:  # an empty separator would be the current folder
                raise OptionError(f"{name} is {value!r}; give its name, or leave it out")
        if not isinstance(stem_only, bool):
            raise OptionError(f"stem_only is {stem_only!r}; give True or False")
        if stem_only and separator not in ("auto", NoSeparator.name):
            raise OptionError(f"--stem-only means that nothing is separated; leave it out, or --separator {separator}")
        self.device = resolve_device(device)
        self._separator_name = NoSeparator.name if stem_only else separator
        self._stem_only = stem_only
        self._weights = Path(weights) if weights is not None else None
        self._model_dir = Path(model_dir) if model_dir is not None else None
        self._on_download = on_download

    @cached_property
    def choice(self) -> Choice:
        """The separator, and why this one. Raises `ModelError` or `DeviceError` where it cannot be had."""
        if self._stem_only:
            return Choice(NoSeparator(), NoSeparator.name, "none: the input is drums alone")
        return choose_separator(
            self._separator_name, device=self.device, model_dir=self._model_dir, on_download=self._on_download
        )

    @property
    def saves_stems(self) -> bool:
        """Whether there is a stem to save. Raises what `choice` raises."""
        return self.choice.name != NoSeparator.name

    @cached_property
    def transcriber(self) -> Transcriber:
        """The transcriber. Raises `ModelError` or `DeviceError` where it cannot be loaded."""
        with memory_guard(self.device, "loading the transcriber"):
            return Transcriber.load(self._weights, self.device)

    @property
    def view(self) -> str:
        """What the transcriber is given, one of `mix2midi.transcription.peaks.VIEWS`."""
        if self._stem_only:
            return "clean"
        # What the built-in separator leaves of the band is heard better with the cautions of a mix.
        return "mix" if self.choice.name in (NoSeparator.name, BUILTIN) else "separated"

    def transcribe(
        self,
        source: AudioSource,
        *,
        midi: MidiOptions | None = None,
        title: str = "",
        on_progress: OnStage | None = None,
    ) -> Transcription:
        """Transcribe a song and write nothing.

        Parameters
        ----------
        source : AudioSource
            `mix2midi.audio.AudioFile` of a path, or `mix2midi.audio.AudioArray` of samples.
        midi, on_progress
            See `convert`, as for errors.
        title : str
            Name of the song.
        """
        if not hasattr(source, "blocks"):
            raise OptionError(f"{source!r} is no source of audio; hand over AudioFile(path), or call convert(path)")
        midi = midi or MidiOptions()
        return self._convert_source(source, Outputs(), midi, title, Picture(), on_progress).transcription

    def convert(
        self,
        path: Path | str,
        outputs: Outputs | Path | str | None = None,
        *,
        midi: MidiOptions | None = None,
        picture: Picture | None = None,
        on_progress: OnStage | None = None,
    ) -> Conversion:
        """Transcribe a file and write what is asked for.

        Parameters
        ----------
        path : Path or str
            Audio or video file.
        outputs : Outputs, Path or str, optional
            What to write where; a path is that of the MIDI file. Nothing by default. Files that are there are replaced.
        midi : MidiOptions, optional
            Musical time, velocities and layout of the MIDI file.
        picture : Picture, optional
            What `outputs.plot` shows.
        on_progress : callable, optional
            See `OnStage`.

        Returns
        -------
        Conversion

        Raises
        ------
        AudioError
            The file cannot be used as a song, or ends before the downbeat or the picture that is asked for.
        ModelError, DeviceError
            Weights cannot be loaded; memory runs out.
        OutputError
            A result cannot be written, or is the song itself.
        OptionError
            A value is not known or out of range.
        NoteMapError
            The drum library lacks a drum that was heard; the other files are written by then.
        """
        if not isinstance(outputs, Outputs):
            outputs = Outputs(None if outputs is None else Path(outputs))
        if not isinstance(path, str | os.PathLike):
            raise OptionError(f"{type(path).__name__} is no path of a song; give audio in memory to transcribe")
        source = AudioFile(path)
        if any(os.path.realpath(output) == os.path.realpath(path) for output in outputs.paths()):
            raise OutputError(f"{path}: is the song itself and would be replaced; write elsewhere")
        outputs.check()
        midi = midi or MidiOptions()
        done = self._convert_source(source, outputs, midi, source.path.stem, picture or Picture(), on_progress)
        if not source.seems_cut_off:
            return done
        cut_off = f"seems to be cut off at {source.duration_s:.1f} s; if it should be longer, copy or download it again"
        return replace(done, remarks=(cut_off, *done.remarks))

    def _convert_source(
        self,
        source: AudioSource,
        outputs: Outputs,
        midi: MidiOptions,
        title: str,
        picture: Picture,
        on_progress: OnStage | None,
    ) -> Conversion:
        started = time.perf_counter()
        _check_before_work(source, midi, picture)
        report = on_progress or _no_report
        remarks = []
        if outputs.stem is not None and not self.saves_stems:
            outputs = outputs.without_stem()
            remarks.append("nothing was separated, so there is no stem to save")
        song = MeteredSource(source)
        with self._separated(song, source, outputs.stem, partial(report, "separate")) as (stem, of_mix):
            heard = self._hear(stem, source, of_mix, partial(report, "transcribe"), keep_heat_map=outputs.need_heat_map)
            arranged = arrange(heard.notes, heard.duration_s, midi.to_arrange())
            transcription = replace(
                _transcription_of(arranged, heard.duration_s),
                separator=self.choice.name,
                device=self.device,
                title=title,
            )
            write_tables(transcription, heard, stem, outputs, picture)
            write_midi_file(transcription, arranged, outputs, midi)
        return Conversion(
            song=source.name,
            transcription=replace(transcription, elapsed_s=time.perf_counter() - started),
            files=tuple(outputs.paths()),
            separator_reason=self.choice.reason,
            arranged=arranged,
            midi_options=midi,
            remarks=(*remarks, *_remarks(heard, song), *_remarks_on_time(arranged, midi)),
        )

    def heat_map(self, source: AudioSource) -> HeatMap:
        """What is heard in a song as `convert` hears it, separator and all; its `view` says how to pick notes."""
        with self._separated(source, source, None, _tell_nobody) as (stem, of_mix):
            return self._paint(stem, source, of_mix, _tell_nobody)

    @contextmanager
    def _separated(
        self, song: AudioSource, source: AudioSource, keep: Path | None, report: Callable[[float], None]
    ) -> Iterator[tuple[AudioSource, HeatMap | None]]:
        """The drums of a song for as long as the block runs, and how the mix is painted where that is known by then.

        The low end of what the built-in separator gives is restored from what is heard in the mix.
        """
        if self.choice.name != BUILTIN:
            with separated(song, self.choice.separator, keep, report) as stem:
                yield stem, None
            return
        channels = 1 if keep is None else 2
        with separated(song, self.choice.separator, None, lambda done: report(_NETWORK_SHARE * done), channels) as stem:
            of_mix = self.transcriber.paint(source, lambda done: report(_NETWORK_SHARE + (1.0 - _NETWORK_SHARE) * done))
            notes = pick_notes(self.transcriber.refine(of_mix), self.transcriber.pickings[self.view])
            with with_own_sounds(stem, source, notes, keep) as restored:
                yield restored, of_mix

    def _paint(
        self, stem: AudioSource, song: AudioSource, of_mix: HeatMap | None, on_progress: Callable[[float], None]
    ) -> HeatMap:
        if self.choice.name == NoSeparator.name:
            return self.transcriber.heat_map_of(stem, on_progress)
        if of_mix is not None:
            return self.transcriber.fuse(self.transcriber.paint(stem, on_progress), of_mix, BUILTIN_SHARE)
        return self.transcriber.heat_map_of_both(stem, song, STEM_SHARE, on_progress)

    def _hear(
        self,
        stem: AudioSource,
        song: AudioSource,
        of_mix: HeatMap | None,
        on_progress: Callable[[float], None],
        *,
        keep_heat_map: bool,
    ) -> Heard:
        metered = MeteredSource(stem)
        heat_map = self._paint(metered, song, of_mix, on_progress)
        notes = [] if metered.is_silent else pick_notes(heat_map, self.transcriber.pickings[self.view])
        notes = name_toms(notes, heat_map, stem)
        return Heard(notes, metered.measured_s, heat_map if keep_heat_map else None)


def _check_before_work(source: AudioSource, midi: MidiOptions, picture: Picture) -> None:
    """What can be known to fail is not to fail after minutes."""
    if not isinstance(midi, MidiOptions):
        raise OptionError(f"midi is {midi!r}; give MidiOptions, such as MidiOptions(quantize='1/16')")
    if source.duration_s < MIN_DURATION_S:
        raise AudioError(f"{source.name}: is only {source.duration_s * 1000:.2g} ms long; give a whole song")
    if midi.downbeat_s is not None and midi.downbeat_s > source.duration_s:
        raise AudioError(
            f"{source.name}: ends at {source.duration_s:.1f} s, before the downbeat at {midi.downbeat_s:g} s"
        )
    if picture.range_s is not None and picture.range_s[0] >= source.duration_s:
        raise AudioError(
            f"{source.name}: ends at {source.duration_s:.1f} s, before the picture starts at {picture.range_s[0]:g} s"
        )


def _remarks(heard: Heard, song: MeteredSource) -> Iterator[str]:
    if song.is_silent:
        yield "the song is silent, so there are no notes"
    elif not heard.notes:
        yield "no drums were heard, so there are no notes"


def _remarks_on_time(arranged: Arranged, midi: MidiOptions) -> Iterator[str]:
    if not arranged.notes:
        return
    if midi.downbeat_s is not None:
        bar_lines_s = arranged.beats.downbeats_s
        nearest_s = float(bar_lines_s[np.argmin(np.abs(bar_lines_s - midi.downbeat_s))])
        if abs(nearest_s - midi.downbeat_s) > DOWNBEAT_TOLERANCE_S:
            yield (
                f"no beat was heard at {midi.downbeat_s:g} s, where a bar was to begin; the nearest begins at "
                f"{max(0.0, nearest_s):.2f} s"
            )
        elif arranged.bent_s > BENT_S:
            yield (
                f"for a bar to begin at {midi.downbeat_s:g} s, beats lie {arranged.bent_s * 1000:.0f} ms beside those "
                "that were heard; leave --downbeat out, or give another, if that is not meant"
            )
    if midi.tempo == "constant" and not _has_bars_on_lines(arranged):
        yield (
            "a constant tempo counts from the start of the file; the song's own bars, and hits quantised to them, do "
            "not lie on its lines: --tempo map has lines that do"
        )


def _has_bars_on_lines(arranged: Arranged) -> bool:
    """Whether the bars of the song lie on bar lines of a file with one tempo."""
    bar_s = arranged.tempo_map.seconds(arranged.beats.signature.bar_quarters)
    bars = arranged.beats.downbeats_s / bar_s
    return bool(np.all(np.abs(bars - np.rint(bars)) * bar_s < DOWNBEAT_TOLERANCE_S / 2))


def _transcription_of(arranged: Arranged, duration_s: float) -> Transcription:
    """The hits of a song and its time, as plain values."""
    beats = arranged.beats
    inside = (beats.times_s >= 0.0) & (beats.times_s <= duration_s)
    listed = zip(beats.times_s[inside].tolist(), beats.position[inside].tolist(), strict=True)
    return Transcription(
        arranged.notes,
        duration_s,
        arranged.tempo_bpm,
        time_signature=str(beats.signature),
        beats=[Beat(time_s, position) for time_s, position in listed],
    )


def _no_report(stage: str, fraction: float) -> None:
    pass


def _tell_nobody(fraction: float) -> None:
    pass
