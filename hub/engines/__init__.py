"""The only code that imports a model library, each lazily, one file an engine."""

import os
import threading

# OpenMP threads wait for each other by spinning. Where two engines share two cores, long spins
# stall both: measured on two cores with one of them busy, llama.cpp takes 245 ms a token with
# libgomp's default and 78 ms with this; idle it is 37 ms with either. It is read when libgomp
# is loaded, so it must be set before any engine is.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

importing = threading.Lock()
"""Held by a thread that imports a library which another engine's thread imports, too: where two
enter a package from two ends, Python may find that they wait for each other, and raise."""
