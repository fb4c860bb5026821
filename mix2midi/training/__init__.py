"""What every training run shares: kits, performances and company, rendered to slices; recipes; how networks learn.

The separator and the transcriber, its refinement and the beat network are trained from it. Nothing here is needed to
transcribe a song.
"""
