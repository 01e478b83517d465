"""Recordings of pictures and sound, read from what users have."""
