from types import SimpleNamespace

import keras
import numpy as np
import pytest

from kfer.training.validation import Validation


def network() -> keras.Model:
    """Its embedding and its logits are the two grey values of an image of two pixels."""
    images = keras.Input((1, 2, 1))
    values = keras.layers.Flatten()(images)
    identity = keras.layers.Dense(2)(values)
    return keras.Model(images, {"expression": values, "embedding": values, "identity": identity})


def test_figures_by_hand() -> None:
    pixels = [[9, 1], [9, 2], [1, 9], [2, 9], [5, 5]]
    examples = SimpleNamespace(
        images=np.array(pixels, np.uint8).reshape(-1, 1, 2, 1),
        expression=np.array([0, 1, 1, -1, -1]),
        # The last person has a number below two: trained on, and left out.
        identity=np.array([2, 2, 3, 3, 1]),
        source=np.zeros(5, int),
    )
    figures = Validation(network(), examples, max_pairs=4, seed=0)()
    assert figures["val_expression_accuracy"] == pytest.approx(2 / 3)
    # Class 0: precision 1/2, recall 1; class 1: precision 1, recall 1/2.
    assert figures["val_expression_macro_f1"] == pytest.approx(2 / 3)
    assert figures["val_verification_accuracy"] == 1.0


def test_a_split_without_labels_gives_no_figures_and_says_so(caplog) -> None:
    missing = np.array([-1, -1])
    examples = SimpleNamespace(
        images=np.zeros((2, 1, 2, 1), np.uint8), expression=missing, identity=missing, source=missing
    )
    assert Validation(network(), examples, max_pairs=4, seed=0)() == {}
    assert "no validation example has an expression label" in caplog.text
    assert "no verification accuracy" in caplog.text
