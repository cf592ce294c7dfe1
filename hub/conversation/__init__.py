"""One spoken turn, from the first sound to the last word."""
