"""Faces from noise and classes: how good they are."""
