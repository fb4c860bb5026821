"""Options of the commands, named once so that they read the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

INPUT, OUTPUT, MODELS, PICTURE, RUN = "Input", "Output", "Models", "Picture", "Run"

Songs = Annotated[
    list[Path],
    typer.Argument(metavar="SONG", help="Audio or video files, and folders of them.", rich_help_panel=INPUT),
]
StemOnly = Annotated[
    bool, typer.Option("--stem-only", help="The input is drums alone: separate nothing.", rich_help_panel=INPUT)
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="PATH", help="Folder, or a .mid file for one song.", rich_help_panel=OUTPUT),
]
Bpm = Annotated[
    float | None,
    typer.Option("--bpm", metavar="BPM", help="Tempo of the MIDI file; estimated by default.", rich_help_panel=OUTPUT),
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
        help="auto, htdemucs, htdemucs_ft, umxhq, umxl, none, or a folder with an open-unmix.",
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
