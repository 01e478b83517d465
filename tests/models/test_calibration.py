import numpy as np
import pytest
import toy_dlib

from kfer import models
from kfer.backbones.normalization import RestoredBatchNormalization
from kfer.backbones.stages import leaves
from kfer.settings import ModelSettings, TaskSettings


@pytest.fixture
def network(tmp_path):
    (tmp_path / "net.dat").write_bytes(toy_dlib.network())
    toy = {"widths": (3, 4, 5), "blocks": (1, 2, 1), "normalization": "batch"}
    tasks = {
        "identity": TaskSettings("embedding", loss="pretrained"),
        "pose": TaskSettings("regression", ("x",), parts_after="stage1"),
    }
    settings = ModelSettings("dlib_resnet", toy, str(tmp_path / "net.dat"), embedding_size=6)
    return models.build(settings, 40, 3, tasks, 0, seed=0)


def norms(network, trainable: bool) -> list[RestoredBatchNormalization]:
    return [
        layer
        for layer in leaves(network)
        if isinstance(layer, RestoredBatchNormalization) and layer.trainable == trainable
    ]


def test_what_trains_gets_statistics_and_says_what_it_said(network) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 40, 40, 3)).astype(np.float32)
    before = network(images[0])
    kept = [np.array(layer.moving_variance) for layer in norms(network, False)]
    models.calibrate(network, lambda: ((batch, {}) for batch in images))
    for name, value in network(images[0]).items():
        np.testing.assert_allclose(value, before[name], atol=1e-3)
    assert len(norms(network, True)) == 6
    assert all(np.ptp(layer.moving_variance) > 0 for layer in norms(network, True))
    for old, layer in zip(kept, norms(network, False), strict=True):
        np.testing.assert_array_equal(old, layer.moving_variance)


def test_no_image_is_asked_for_where_nothing_was_restored() -> None:
    tasks = {"pose": TaskSettings("regression", ("x",))}
    network = models.build(ModelSettings(backbone_arguments={"widths": (4,)}), 16, 1, tasks, 0, seed=0)
    models.calibrate(network, lambda: pytest.fail("images were asked for"))
