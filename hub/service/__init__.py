"""What Wyoming peers see of the hub."""
