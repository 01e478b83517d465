"""What is exported."""

from dataclasses import dataclass
from typing import Annotated

from kfer.settings.checks import check_choices, checked

#: What TFLite files can compute in.
TFLITE_VARIANTS = ("float32", "float16", "dynamic_range", "int8", "int8_io", "int16")


def variant_of(export: str) -> str:
    """What an export computes in, by its name, which may begin with that of its one output."""
    found = [kind for kind in TFLITE_VARIANTS if export == kind or export.endswith(f"_{kind}")]
    return found[0] if found else export


@dataclass(frozen=True)
@checked
class ExportSettings:
    """What is exported, and how far it may differ from Keras.

    Attributes:
        tflite: Variants to make: "float32", "float16", "dynamic_range", "int8" (uint8 pixels in, float32
            out), "int8_io" (int8 in and out), "int16" (activations of int16, weights of int8).
        single_task: Whether each output also has TFLite files of its own, `expression_int8.tflite` for
            one: what MediaPipe Tasks want.
        output_signatures: Whether each output of a TFLite file also has a signature of its own. They
            share all weights in the file; a runtime may prepare each for itself when it loads.
        resizable: Whether TFLite files take any number of images; else one, which more delegates run.
        normalize_embedding: Whether TFLite files L2-normalise the embedding; else the app must.
        calibration_images: Training images that calibrate the integer variants.
        calibration_percentile: In [50, 100]: which share of these images stays within each end of an
            activation's range in int8; 100 keeps the widest range that any of them needs, which makes
            the steps of all others coarse. Of int8 alone; int16 has steps enough.
        parity_images: Test images on which every export is compared with Keras; int16, which LiteRT has
            no fast kernels for, on 500 of them.
        max_probability_difference: For the SavedModel and float32 TFLite; also of numbers that are
            regressed, where some are above 1 as a share of the largest.
        max_accuracy_drop: Of integer variants, in accuracy (0.01 is one point) of the expression or,
            where it has none, of the first task of classes that has, and in accuracy of verification.
        face_margin: What the training images show of a face's surroundings: how far their sides are from
            those of ArcFace's 112 pixels, as a share of them; negative where they show less. Faces that
            `kfer align` cut have the margin that it was given. `kfer.inference` cuts as this says.
        face_shift: How far the middle of the training images is below that of ArcFace's 112 pixels, as a
            share of them.
        license: What MODEL_CARD.md and model.json say of the licence of the exported weights.
        data_license: The licence of the training data.
        pretrained_on: Which weights the training started from, whose they are and what they learned from.
        limits: Whom the model was trained and measured on, and where it fails; the card adds it to its
            general text.
        intended_use: What the model is for; empty for a general text.
    """

    tflite: tuple[str, ...] = ("float32", "float16", "dynamic_range", "int8")
    single_task: bool = False
    output_signatures: bool = True
    resizable: bool = False
    normalize_embedding: bool = True
    calibration_images: Annotated[int, "at least 1"] = 200
    calibration_percentile: Annotated[float, "in [50, 100]"] = 90.0
    parity_images: Annotated[int, "at least 1"] = 1500
    max_probability_difference: Annotated[float, "at least 0"] = 1e-3
    max_accuracy_drop: Annotated[float, "at least 0"] = 0.01
    face_margin: Annotated[float, "in [-0.3, 2]"] = 0.0
    face_shift: Annotated[float, "in [-0.5, 0.5]"] = 0.0
    license: str = ""
    data_license: str = ""
    pretrained_on: str = ""
    limits: str = ""
    intended_use: str = ""

    def __post_init__(self) -> None:
        check_choices(self, TFLITE_VARIANTS, "tflite")
