"""Parler-TTS, in a process and an environment of its own: torch never comes near the hub.

Only `voices` and `descriptions` may be imported by the hub: all else needs torch, once it loads.
"""
