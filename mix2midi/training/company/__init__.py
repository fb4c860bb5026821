"""The company that drums keep: music without drums, rendered ahead for training.

Modules, each using only those before it: `score` (chords and melodies in beats), `parts` (what each player makes of
them), `production` (mixing), `recipe`, `soundfont`, `guitar`, `synth`, `syllables`, `voices`, `recordings` (sound),
`clips` (one clip of a kind), `pool` (many clips in a folder with an index) and `credits` (whose they are).
"""
