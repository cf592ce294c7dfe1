"""What goes on in the hub, as it is shown: on the page, to programs, in the record."""
