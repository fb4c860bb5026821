"""Whom the sounds are owed to: a table for the model card, from the recipe and the tags of the files."""

from __future__ import annotations

from pathlib import Path

from mix2midi.training.company.recipe import Recipe, Source

TITLE = "# Sources of the company in training"
_HEADER = f"""{TITLE}

Music without drums that the transcriber and the separator were trained on was rendered from these sources, by the
recipe `mix2midi/configs/company.yaml`. This file is written by
`mix2midi company RECIPE --credits FILE`. Titles and authors of single pieces
are their files' own tags; the licences are those that the Debian packages' copyright files state.
"""


def credits_table(recipe: Recipe) -> str:
    """Markdown: one row for each source, then one for each piece of recorded music."""
    rows = ["| source | title | author | licence | files |", "|---|---|---|---|---|"]
    rows += [
        f"| {source.name} | {source.title} | {source.author} | {source.licence} | {len(source.files) or ''} |"
        for source in recipe.sources
    ]
    pieces = ["| piece | title | author | licence |", "|---|---|---|---|"]
    for source in (*recipe.of_kind("recording"), *recipe.of_kind("stem")):
        pieces += [_piece_row(source, file) for file in source.files]
    return "\n".join([_HEADER, *rows, "", "## Recorded music", "", *pieces, ""])


def _piece_row(source: Source, file: Path) -> str:
    tags = read_tags(file)
    # Tracks of songs are called after their instrument, and their folder after the song.
    name = file.parent.name if source.kind == "stem" else file.stem
    title = tags.get("title", name)
    author = tags.get("artist") or tags.get("composer") or _author_of(source)
    return f"| {source.name}/{name} | {title} | {author} | {source.licence} |"


def _author_of(source: Source) -> str:
    return source.author if source.kind == "stem" else "not stated; see the package's credits"


def read_tags(file: Path) -> dict[str, str]:
    """Tags of a sound file, keys in lower case; empty where it has none or cannot be read."""
    import av

    try:
        with av.open(str(file)) as container:
            tags = {**container.metadata, **container.streams[0].metadata}
    except (av.error.FFmpegError, IndexError):
        return {}
    return {key.lower(): " ".join(value.split()) for key, value in tags.items()}
