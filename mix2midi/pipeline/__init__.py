"""The stages put together: one song, many songs, the picture, the evaluation.

>>> converter = Converter(separator="htdemucs")                                    # doctest: +SKIP
>>> converter.convert("song.mp3", Outputs.beside(Path("song.mid"), ["csv"]))       # doctest: +SKIP
"""

from mix2midi.pipeline.batch import Failure, Job, Outcome, Skipped, plan_jobs, run_jobs
from mix2midi.pipeline.converter import Conversion, Converter
from mix2midi.pipeline.midi_options import MidiOptions
from mix2midi.pipeline.one_call import convert, transcribe
from mix2midi.pipeline.outputs import Outputs, Picture

__all__ = [
    "Conversion",
    "Converter",
    "Failure",
    "Job",
    "MidiOptions",
    "Outcome",
    "Outputs",
    "Picture",
    "Skipped",
    "convert",
    "plan_jobs",
    "run_jobs",
    "transcribe",
]
