"""Third stage: notes to files that a DAW, a spreadsheet or a script opens, and the song's musical time."""

from mix2midi.postprocess.arrange import Arranged, ArrangeOptions, VelocityOptions, arrange
from mix2midi.postprocess.beat_tracking import track_beats
from mix2midi.postprocess.beats import BeatOptions, Beats, TimeSignature
from mix2midi.postprocess.grid import TEMPO_MODES, tempo_map_from_beats
from mix2midi.postprocess.midi import MidiLayout, read_midi_beats, read_midi_notes, write_midi
from mix2midi.postprocess.note_maps import NoteMap, load_note_map, note_map_names
from mix2midi.postprocess.quantize import Quantized, QuantizeOptions, quantize
from mix2midi.postprocess.tables import write_csv, write_json
from mix2midi.postprocess.tempo_map import TempoMap
from mix2midi.postprocess.velocity import bend_velocity, fix_velocity, match_velocity, scale_velocity

__all__ = [
    "TEMPO_MODES",
    "ArrangeOptions",
    "Arranged",
    "BeatOptions",
    "Beats",
    "MidiLayout",
    "NoteMap",
    "QuantizeOptions",
    "Quantized",
    "TempoMap",
    "TimeSignature",
    "VelocityOptions",
    "arrange",
    "bend_velocity",
    "fix_velocity",
    "load_note_map",
    "match_velocity",
    "note_map_names",
    "quantize",
    "read_midi_beats",
    "read_midi_notes",
    "scale_velocity",
    "tempo_map_from_beats",
    "track_beats",
    "write_csv",
    "write_json",
    "write_midi",
]
