"""How the refinement network is trained: whole songs, the heat maps of them, and what goes wrong in heat maps."""
