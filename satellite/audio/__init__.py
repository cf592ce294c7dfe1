"""Microphones, speakers, and the buffers between them and the rest of the satellite."""
