"""Drum kits of other programs, and folders of one-shots, into one library of samples.

Each kind of source is a module with a `read_...` function that returns `source.SourceKit`: which samples there are and
which drum and velocity each stands for. `library.extend_library` reads, trims and writes them. To add a format: a
module here and a line in `formats.read_source`.
"""
