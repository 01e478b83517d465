"""A trained generator in use: faces of nobody, drawn from noise and classes.

    generator = load("saved_models/faces_gan")
    images = generator.draw("disgust", count=64, seed=7)

A SavedModel runs with TensorFlow, a `.tflite` file with LiteRT alone; either is imported when a generator
is loaded.
"""

from kfer.generator.description import FILE as FILE
from kfer.generator.description import OF_READERS as OF_READERS
from kfer.generator.description import TFLITE as TFLITE
from kfer.generator.description import Description as Description
from kfer.generator.description import find as find
from kfer.generator.description import read as read
from kfer.generator.drawing import Generator as Generator
from kfer.generator.drawing import load as load
from kfer.generator.room import check_room as check_room
