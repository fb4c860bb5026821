"""How the beat network is trained: bars of human performances, changed in every way that songs differ from them."""
