"""Third stage: notes to files that a DAW, a spreadsheet or a script opens, and the song's musical time."""

from mix2midi.postprocess.midi import read_midi_notes, write_midi
from mix2midi.postprocess.tables import write_csv, write_json
from mix2midi.postprocess.tempo import TempoEstimate, estimate_tempo
from mix2midi.postprocess.tempo_map import TempoMap

__all__ = ["TempoEstimate", "TempoMap", "estimate_tempo", "read_midi_notes", "write_csv", "write_json", "write_midi"]
