import pytest

from kfer import export
from kfer.export.noise import _keras_layer, _signal_to_noise_db
from kfer.settings import ExportSettings


def test_the_ratio_by_hand():
    # A range of 255 steps of 0.1, and an error of 0.255.
    assert _signal_to_noise_db(0.1, 0.255**2) == pytest.approx(40)
    # Rounding alone is off by a step's share of 1 / sqrt(12).
    assert _signal_to_noise_db(0.5, 0.5**2 / 12) == pytest.approx(58.92, abs=0.01)
    assert _signal_to_noise_db(0.5, 0.0) == 120


@pytest.mark.parametrize(
    ("tensor", "layer"),
    [
        ("exported_1/compact_1/stage4.0.norm2_1/FusedBatchNormV3;exported_1/x/y", "stage4.0.norm2"),
        ("exported_1/expression_1/MatMul;exported_1/expression_1/BiasAdd", "expression"),
        ("exported_1/re_lu_137_1/Relu;exported_1/d/layer1.norm2_1/add;exported_1/x/y", "layer1.norm2"),
        ("exported_1/re_lu_1/Relu;exported_1/activation_1/Relu", "re_lu"),
        ("StatefulPartitionedCall:2", "output 2"),
        ("mul", "mul"),
    ],
)
def test_layers_are_called_as_in_keras(tensor, layer):
    assert _keras_layer(tensor) == layer


def test_layers_are_told_the_worst_first(grey, tmp_path):
    settings = ExportSettings(tflite=("float32", "int8"))
    files = export.save_tflite(
        *(grey.model, tmp_path, grey.tasks, settings, grey.images, 16, 1), measure_noise=True
    )
    assert files["float32"].noise == []
    noise = files["int8"].noise
    ratios = [layer.signal_to_noise_db for layer in noise]
    assert ratios == sorted(ratios) and 30 < ratios[0] < 58
    # Both convolutions, with what was folded into them, and the layers of five outputs.
    convolutions = [layer for layer in noise if layer.operation == "CONV_2D"]
    assert [layer.layer for layer in convolutions] == ["batchnorm", "batchnorm"]
    assert sum(layer.operation == "FULLY_CONNECTED" for layer in noise) == 5
