"""Makes the golden files of the last stage, postprocess/, from a few bars that use every feature of the format.

Run ``python tests/golden/make_midi.py`` and read the difference before committing it: the files are the promise that a
DAW project made with one version opens the same with the next.
"""

from __future__ import annotations

from pathlib import Path

from mix2midi.notes import Beat, DrumNote, Transcription
from mix2midi.postprocess import write_csv, write_json, write_midi

FOLDER = Path(__file__).parent


def song() -> Transcription:
    """Two bars at 97.3 BPM, a tempo that whole microseconds cannot hold, with a flam and a long pause."""
    beat_s = 60 / 97.3
    notes = [DrumNote(beat * beat_s, 36 if beat % 2 == 0 else 38, 100 - beat, 0.9) for beat in range(8)]
    notes += [DrumNote(half * beat_s / 2, 42, 60 + half, 0.75) for half in range(16)]
    notes += [DrumNote(beat_s - 0.028, 38, 41, 0.5), DrumNote(30.0, 49, 127)]
    return Transcription(
        sorted(notes),
        duration_s=33.25,
        tempo_bpm=97.3,
        separator="htdemucs",
        title="Zwölf “Takte”",
        time_signature="6/8",
        beats=[Beat(0.3, 6), Beat(0.3 + beat_s / 2, 1)],
    )


def main() -> None:
    write_midi(song(), FOLDER / "bars.mid")
    write_csv(song(), FOLDER / "bars.csv")
    write_json(song(), FOLDER / "bars.json")


if __name__ == "__main__":
    main()
