"""Wake words: what to say to make the room listen."""
