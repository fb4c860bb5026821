"""How the transcriber's weights are made: sounds, performances, company, slices, and the loop that learns from them.

Nothing here is needed to transcribe a song.
"""
