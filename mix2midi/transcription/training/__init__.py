"""How the transcriber's weights are made: views of drums in company, targets, and the loop that learns from them.

Nothing here is needed to transcribe a song.
"""
