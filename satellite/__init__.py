"""The satellite: the wake word, microphone and speaker of one room."""
