"""Keeps requests' bodies until their engine has read them: a little in memory, the rest in files without a name."""
