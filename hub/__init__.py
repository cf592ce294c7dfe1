"""The hub: hears, thinks and speaks for every room."""
