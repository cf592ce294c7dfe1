"""What hub and satellite share on the wire; knows nothing of models or devices."""
