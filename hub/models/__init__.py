"""Models by digest: which there are, where they come from, whether what is on disk is them."""
