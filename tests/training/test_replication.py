import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from toy_tasks import tasks

from kfer import models
from kfer.settings import ModelSettings, TaskSettings
from kfer.training.devices import Devices
from kfer.training.replication import assign, part_seeds, replicated

TOY = ModelSettings(backbone_arguments={"widths": [4, 8], "blocks": 1}, embedding_size=4)
ONE = Devices(tf.distribute.get_strategy())
# Tasks that part, and layers of each kind that a network may have.
PARTED = tasks() | {
    "identity": TaskSettings("embedding", loss="adacos", parts_after="stage1", layers=(5,)),
    "pose": TaskSettings("regression", names=("yaw",), normalize_features=True, stop_gradient=True),
}


@pytest.mark.parametrize("own", [tasks(), PARTED])
def test_a_copy_is_the_same_network_with_variables_of_its_own(own: dict[str, TaskSettings]) -> None:
    network = models.build(TOY, 8, 1, own, 4, seed=0)
    for variable in network.variables:
        if variable.dtype == "float32":
            variable.assign(variable + 0.1)
    copy = replicated(network, ONE)
    images = np.random.default_rng(0).uniform(0, 255, (3, 8, 8, 1)).astype(np.float32)
    expected, found = network(images), copy(images)
    assert found.keys() == expected.keys()
    for name, output in expected.items():
        np.testing.assert_array_equal(found[name], output, err_msg=name)
    assert [variable.name for variable in copy.variables] == [v.name for v in network.variables]
    assert list(models.stages(copy)) == list(models.stages(network))
    copy.trainable_variables[0].assign_add(np.ones(copy.trainable_variables[0].shape))
    assert not np.allclose(copy.trainable_variables[0], network.trainable_variables[0])
    assign(copy, network)
    for one, other in zip(copy.variables, network.variables, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("fused", [True, False])
def test_on_several_devices_batch_normalization_is_of_all(
    fused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    several = dataclasses.replace(ONE)
    monkeypatch.setattr(Devices, "num_replicas", 2)
    toy = dataclasses.replace(TOY, backbone_arguments={**TOY.backbone_arguments, "fused": fused})
    copy = replicated(models.build(toy, 8, 1, tasks(), 4, seed=0), several)
    own = [
        layer for layer in copy._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert len(own) == (1 if fused else 7)  # that of the embedding; kfer's own layer needs no telling
    assert all(layer.synchronized for layer in own)


def test_a_single_replica_keeps_its_seeds() -> None:
    network = models.build(TOY, 8, 1, tasks(), 4, seed=0)
    before = [np.array(variable) for variable in network.variables]
    part_seeds(network, ONE)
    for variable, old in zip(network.variables, before, strict=True):
        np.testing.assert_array_equal(variable, old)
