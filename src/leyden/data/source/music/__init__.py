"""Songs in four voices, from scores and from MIDI files."""
