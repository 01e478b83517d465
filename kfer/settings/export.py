"""What is exported."""

from dataclasses import dataclass

from kfer.settings.checks import check_choices, check_numbers


@dataclass(frozen=True)
class ExportSettings:
    """What is exported, and how far it may differ from Keras.

    Attributes:
        tflite: Variants to make: "float32", "float16", "dynamic_range", "int8".
        calibration_images: Training images that calibrate int8.
        parity_images: Test images on which every export is compared with Keras.
        max_probability_difference: For the SavedModel and float32 TFLite; also of numbers that are
            regressed, where some are above 1 as a share of the largest.
        max_accuracy_drop: For int8, in accuracy (0.01 is one point) of the expression or, where it has
            none, of the first task of classes that has.
    """

    tflite: tuple[str, ...] = ("float32", "float16", "dynamic_range", "int8")
    calibration_images: int = 200
    parity_images: int = 500
    max_probability_difference: float = 1e-3
    max_accuracy_drop: float = 0.01

    def __post_init__(self) -> None:
        check_choices(self, ("float32", "float16", "dynamic_range", "int8"), "tflite")
        check_numbers(self, "at least 1", "calibration_images", "parity_images")
        check_numbers(self, "at least 0", "max_probability_difference", "max_accuracy_drop")
