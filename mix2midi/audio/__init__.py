"""Reading audio and video files, streamed in blocks at any sampling rate.

Time zero is the first sample that a DAW plays. Containers and headers that state how many samples an encoder put in
front of the music (LAME and iTunes tags, edit lists, the codec delay of Matroska and Opus) are obeyed, so that the same
song as wav, mp3 and m4a starts at the same sample. An mp3 without such a tag and a raw .aac or .ts stream do not state
it: players and DAWs then play everything that was encoded, 1105 samples of silence with the usual mp3 encoder and 1024
with the usual AAC encoder, and so does this package. A track that starts late in a video is preceded by silence.
"""

from mix2midi.audio.find import AUDIO_SUFFIXES, find_audio, walk_files
from mix2midi.audio.source import AudioArray, AudioFile, AudioSource, read_audio

__all__ = ["AUDIO_SUFFIXES", "AudioArray", "AudioFile", "AudioSource", "find_audio", "read_audio", "walk_files"]
