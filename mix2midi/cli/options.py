"""Options of the commands, named once so that they read the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

INPUT, OUTPUT, MODELS, PICTURE, RUN = "Input", "Output", "Models", "Picture", "Run"
TIME, VELOCITY, MIDI_FILE = "Musical time", "Velocities", "MIDI file"

Songs = Annotated[
    list[Path],
    # Not checked by the parser: one that cannot be read must not stop the others.
    typer.Argument(
        metavar="SONG", help="Audio or video files, and folders of them.", readable=False, rich_help_panel=INPUT
    ),
]
StemOnly = Annotated[
    bool, typer.Option("--stem-only", help="The input is drums alone: separate nothing.", rich_help_panel=INPUT)
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="PATH", help="Folder, or a .mid file for one song.", rich_help_panel=OUTPUT),
]
Csv = Annotated[bool, typer.Option("--csv", help="Also write the notes as NAME.csv.", rich_help_panel=OUTPUT)]
Json = Annotated[bool, typer.Option("--json", help="Also write the notes as NAME.json.", rich_help_panel=OUTPUT)]
SaveStem = Annotated[
    bool, typer.Option("--save-stem", help="Keep the separated drums as NAME.drums.wav.", rich_help_panel=OUTPUT)
]
Activations = Annotated[
    bool, typer.Option("--activations", help="Also write the raw heat map as NAME.npz.", rich_help_panel=OUTPUT)
]
SkipExisting = Annotated[
    bool, typer.Option("--skip-existing", help="Leave out songs whose files are all there.", rich_help_panel=OUTPUT)
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace files that mix2midi did not make as well.", rich_help_panel=OUTPUT),
]
Tempo = Annotated[
    str,
    typer.Option(
        "--tempo",
        metavar="MODE",
        help="map: tempo follows the song's beats. constant: one tempo, hits where they were played.",
        rich_help_panel=TIME,
    ),
]
Bpm = Annotated[
    float | None,
    typer.Option(
        "--bpm",
        metavar="BPM",
        help="Quarter notes per minute: where to look for beats, or the constant tempo.",
        rich_help_panel=TIME,
    ),
]
Signature = Annotated[
    str | None,
    typer.Option("--time-signature", metavar="N/D", help="Such as 3/4; heard by default.", rich_help_panel=TIME),
]
Downbeat = Annotated[
    float | None,
    typer.Option("--downbeat", metavar="SECONDS", help="Time of a bar line, any of them.", rich_help_panel=TIME),
]
Quantize = Annotated[
    str | None,
    typer.Option(
        "--quantize",
        metavar="GRID",
        help="1/4, 1/8, 1/16, 1/32; triplets as 1/8t, dotted as 1/8d; or auto.",
        rich_help_panel=TIME,
    ),
]
Strength = Annotated[
    float | None,
    typer.Option("--strength", metavar="PERCENT", help="How much of the way hits move.", rich_help_panel=TIME),
]
SwingPercent = Annotated[
    str | None,
    typer.Option("--swing", metavar="PERCENT", help="50 (straight) to 75, or auto.", rich_help_panel=TIME),
]
KeepFlams = Annotated[
    bool,
    typer.Option(
        "--keep-flams/--no-keep-flams", help="Grace notes keep their distance to the main hit.", rich_help_panel=TIME
    ),
]
VelocityMode = Annotated[
    str,
    typer.Option(
        "--velocity",
        metavar="MODE",
        help="model: as heard. fixed:100: all alike. match:FILE.mid: distributed as in that file, drum by drum.",
        rich_help_panel=VELOCITY,
    ),
]
VelocityRange = Annotated[
    tuple[int, int] | None,
    typer.Option(
        "--velocity-range", metavar="LOW HIGH", help="Of the softest and loudest hit.", rich_help_panel=VELOCITY
    ),
]
VelocityCurve = Annotated[
    float | None,
    typer.Option(
        "--velocity-curve",
        metavar="EXPONENT",
        help="Below 1 lifts soft hits, above 1 lowers them.",
        rich_help_panel=VELOCITY,
    ),
]
NoteMapName = Annotated[
    str | None,
    typer.Option(
        "--note-map",
        metavar="NAME",
        help="Notes of a drum library, such as superior-drummer-3, or a YAML file.",
        rich_help_panel=MIDI_FILE,
    ),
]
Tracks = Annotated[str, typer.Option("--tracks", metavar="MODE", help="one, or per-drum.", rich_help_panel=MIDI_FILE)]
MidiFormat = Annotated[int, typer.Option("--format", metavar="0|1", help="MIDI format.", rich_help_panel=MIDI_FILE)]
Ppq = Annotated[int, typer.Option("--ppq", metavar="TICKS", help="Per quarter note.", rich_help_panel=MIDI_FILE)]
Channel = Annotated[int, typer.Option("--channel", metavar="NUMBER", help="1 to 16.", rich_help_panel=MIDI_FILE)]
Plot = Annotated[
    bool, typer.Option("--plot", help="Draw waveform, heat map and notes as NAME.png.", rich_help_panel=PICTURE)
]
PlotRange = Annotated[
    str | None,
    typer.Option(
        "--plot-range", metavar="START-END", help="Part to draw, as 10-20 or 1:05-1:20.", rich_help_panel=PICTURE
    ),
]
ReferenceFile = Annotated[
    Path | None,
    typer.Option("--reference", metavar="MIDI", help="The song's true notes, drawn beside.", rich_help_panel=PICTURE),
]
SeparatorName = Annotated[
    str,
    typer.Option(
        "--separator",
        metavar="NAME",
        help="auto, htdemucs, htdemucs_ft, umxhq, umxl, builtin, none, or a folder with an open-unmix.",
        rich_help_panel=MODELS,
    ),
]
ModelDir = Annotated[
    Path | None,
    typer.Option(
        "--model-dir", metavar="DIR", help="Folder with separators, for work without network.", rich_help_panel=MODELS
    ),
]
WeightsFile = Annotated[
    Path | None,
    typer.Option("--weights", metavar="FILE", help="Weights for the transcriber.", rich_help_panel=MODELS),
]
DeviceName = Annotated[
    str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda or mps.", rich_help_panel=RUN)
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.", rich_help_panel=RUN)]
