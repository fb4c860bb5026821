"""From an isolated drum track (or a mix) to notes: features, network, heat map, peaks.

>>> transcriber = Transcriber.load()                                # doctest: +SKIP
>>> heat_map = transcriber.heat_map(samples)                        # doctest: +SKIP
>>> notes = pick_notes(heat_map, transcriber.pickings["clean"])     # doctest: +SKIP
"""

from mix2midi.transcription.heat_map import HeatMap
from mix2midi.transcription.peaks import Picking, pick_notes
from mix2midi.transcription.tom_pitch import name_toms
from mix2midi.transcription.transcriber import Transcriber

__all__ = ["HeatMap", "Picking", "Transcriber", "name_toms", "pick_notes"]
