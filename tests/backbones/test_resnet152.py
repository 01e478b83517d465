from kfer import backbones


def test_is_that_of_keras_applications() -> None:
    model = backbones.build("resnet152", (32, 32, 1))
    assert model.output_shape == (None, 1, 1, 2048)
    assert model.count_params() == 58_370_944
