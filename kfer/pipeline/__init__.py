"""A TFX-style pipeline of ten components over kfer's own modules."""
