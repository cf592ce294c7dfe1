"""The commands of `parlour-hub`, one file each."""
