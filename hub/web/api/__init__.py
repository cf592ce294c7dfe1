"""The REST interface: each step alone, and what the page does, for programs.

docs/http-api.md describes it, and the hub itself at /api/docs.
"""
