"""Every error that mix2midi raises on purpose.

A message is one line: which file, what is wrong with it, and what to do about it. The command line prints it as it
stands, so it must make sense to somebody who has never seen the code.
"""


class Mix2MidiError(Exception):
    """Base of all errors of this package: catch this one to catch them all."""


class AudioError(Mix2MidiError):
    """The input cannot be used as audio: unreadable, not audio, empty, damaged or not finite."""


class ModelError(Mix2MidiError):
    """Weights are missing, damaged, of another version, or cannot be fetched."""


class DeviceError(Mix2MidiError):
    """The requested device is not there or ran out of memory."""


class OutputError(Mix2MidiError):
    """A result cannot be written where it was asked for."""


class OptionError(Mix2MidiError):
    """An option, preset or recipe has a value that is not known or not in range."""


class NoteMapError(OptionError):
    """A drum library has no note for a drum that was heard."""
