"""What leaves kfer: a SavedModel, TFLite files, what describes them, and the proof that they agree."""

from kfer.export.bundle import write_bundle as write_bundle
from kfer.export.clips import write_clip_model as write_clip_model
from kfer.export.description import write_labels as write_labels
from kfer.export.description import write_model_json as write_model_json
from kfer.export.generator import write_generator as write_generator
from kfer.export.golden import golden_images as golden_images
from kfer.export.golden import write_golden as write_golden
from kfer.export.metadata import read_metadata as read_metadata
from kfer.export.metadata import with_metadata as with_metadata
from kfer.export.network import exported_tasks as exported_tasks
from kfer.export.network import keras_outputs as keras_outputs
from kfer.export.package import write_model as write_model
from kfer.export.parity import check_parity as check_parity
from kfer.export.parity import parity_report as parity_report
from kfer.export.saved_model import save_saved_model as save_saved_model
from kfer.export.tflite import TFLiteFile as TFLiteFile
from kfer.export.tflite import save_tflite as save_tflite
