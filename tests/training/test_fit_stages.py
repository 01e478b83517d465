import dataclasses
import logging
from pathlib import Path

import keras
import numpy as np
import pytest
from toy_fit import (
    SETTINGS,
    SIZE,
    STAGES,
    STEPS,
    TOY,
    VALIDATION,
    assert_same,
    build,
    cache,
    train,
)
from toy_tasks import tasks

from kfer import models, training
from kfer.backbones.stages import stages
from kfer.settings import (
    FineTuningStage,
)


class Watch(keras.callbacks.Callback):
    """Notes, for each stage, which layers of the backbone's stages train and what they were like."""

    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        self.stages = stages(models.backbone(network))
        self.network, self.training, self.states = network, [], []

    def on_train_begin(self, logs: object = None) -> None:
        self.training.append(
            {name for name, layers in self.stages.items() if any(layer.trainable for layer in layers)}
        )
        self.note()

    def on_train_end(self, logs: object = None) -> None:
        self.note()

    def note(self) -> None:
        self.states.append(
            {
                name: [np.array(variable) for layer in layers for variable in layer.variables]
                for name, layers in self.stages.items()
            }
        )


@pytest.mark.parametrize("fused", [True, False])
def test_what_a_stage_freezes_stays_bit_identical(
    tmp_path: Path, fused: bool, caplog: pytest.LogCaptureFixture
) -> None:
    toy = dataclasses.replace(TOY, backbone_arguments={"widths": [4, 8], "blocks": 1, "fused": fused})
    network = models.build(toy, SIZE, 1, tasks(3), 4, seed=0)
    head = np.array(network.get_layer("expression").kernel)
    watch = Watch(network)
    settings = dataclasses.replace(SETTINGS, stages=STAGES)
    with caplog.at_level(logging.INFO, "kfer"):
        history = train(tmp_path, network, settings=settings, callbacks=[watch])
    assert watch.training == [set(), {"stage2"}]
    for number, trained in enumerate(watch.training):
        before, after = watch.states[2 * number : 2 * number + 2]
        for name in before:
            # Moving statistics among them.
            same = [np.array_equal(a, b) for a, b in zip(before[name], after[name], strict=True)]
            assert not any(same) if name in trained else all(same), (number, name)
    assert not np.allclose(network.get_layer("expression").kernel, head)
    assert all(layer.trainable for layers in watch.stages.values() for layer in layers)
    assert [figures["stage"] for figures in history] == [1, 2, 2]
    counts = [figures["trainable_parameters"] for figures in history]
    assert counts[0] < counts[1] == counts[2] < network.count_params()
    assert f"stage 1 of 2, epochs: 1, training the heads: {counts[0]:,.0f} parameters" in caplog.text
    assert "stage 2 of 2, epochs: 2, training the heads and stage2: " in caplog.text


def test_an_unknown_stage_is_answered_with_those_that_there_are(tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, stages=(FineTuningStage(1, ("layer4",)),))
    with pytest.raises(
        ValueError,
        match=r"'compact' has no stage 'layer4'; expected 'all' or some.*: stem \(88\), stage1",
    ):
        train(tmp_path, settings=settings)


def test_cached_features_change_nothing(tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, stages=STAGES)
    given = cache(memory_budget_gb=0.0)
    results = []
    for cached in (False, True):
        network = build()
        history = training.train(
            network,
            lambda step: given.make_batches(given.examples, step),
            STEPS,
            VALIDATION,
            dataclasses.replace(settings, cache_features=cached),
            tasks(),
            tmp_path / str(cached),
            cache=given if cached else None,
        )
        results.append((history, network))
    (plain, network), (cached, other) = results
    assert_same(cached, other, plain, network)
    assert (tmp_path / "True" / "features_train.npy").exists()
    assert not (tmp_path / "False" / "features_train.npy").exists()


def test_caching_without_what_it_needs_is_refused(tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, cache_features=True)
    with pytest.raises(ValueError, match="expected a FeatureCache as argument `cache`; got None"):
        train(tmp_path, settings=settings)
