"""The hub: hears, thinks and speaks for every room."""

import os

# The hub's own matrices (spectrograms) are small, and NumPy's BLAS has two threads wait for each
# other over them by spinning: measured on two cores with one of them busy, the spectrogram of 3 s
# takes 16 ms so and 1.4 ms with one thread. It is read when NumPy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
