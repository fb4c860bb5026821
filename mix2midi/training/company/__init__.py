"""The company that drums keep: music without drums, rendered ahead for training.

Modules, each using only those before it: `score` (chords and melodies in beats), `parts` (what each player makes of
them), `soundfont`, `guitar`, `synth`, `voices`, `recordings` (sound), `production` (mixing), `clips` (one clip of
a kind), `recipe` and `pool` (many clips in a folder with an index).
"""
