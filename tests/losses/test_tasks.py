import inspect

import numpy as np
import pytest
import tensorflow as tf

from kfer import losses
from kfer.settings.tasks import LOSSES, PAIRWISE_LOSSES, PRETRAINED, TaskSettings

NAN = float("nan")
LABELS = {
    "classes": np.array([2, -1, 0, 0, 1, 2]),
    "soft_classes": np.array([[0.2, 0.3, 0.5], [NAN] * 3, [1, 0, 3], [0, 1, 0], [1, 1, 1], [NAN] * 3]),
    "multi_label": np.array([[1, 0, 1], [NAN] * 3, [0, NAN, 1], [1, 1, 0], [NAN, NAN, 0], [NAN, 0, 1]]),
    "regression": np.array([[0.3, -2, 1], [NAN] * 3, [1, NAN, 0], [0, 1, 0], [NAN, NAN, 2], [NAN, 0, 1]]),
    "embedding": np.array([2, -1, 0, 0, 3, 2]),
}
NAMES = ("one", "two", "three")
KINDS = [(kind, name) for kind, names in LOSSES.items() for name in names if name != PRETRAINED]
COMPARING = ("concordance", *PAIRWISE_LOSSES)
each_loss = pytest.mark.parametrize(("kind", "name"), KINDS)


def task(kind: str, loss: str = "", **settings) -> TaskSettings:
    return TaskSettings(kind, () if kind == "embedding" else NAMES, loss=loss, **settings)


def outputs_of(name: str) -> np.ndarray:
    shape = (6, 3, 2) if name == "subcenter_arcface" else (6, 3)
    outputs = np.random.default_rng(0).uniform(-0.9, 0.9, shape).astype(np.float32)
    return (
        outputs / np.linalg.norm(outputs, axis=1, keepdims=True) if name in PAIRWISE_LOSSES else outputs
    )


def loss_of(kind: str, name: str, **settings) -> losses.TaskLoss:
    layer = None
    if name == "adacos":
        layer = losses.AdaCos()
        layer.build((None, 3))
    return losses.for_task(task(kind, name, **settings), np.array([5, 1, 3]), layer)


@each_loss
def test_two_sums_are_the_mean_and_its_weight(kind: str, name: str) -> None:
    labels, outputs = LABELS[kind], outputs_of(name)
    total, weight = loss_of(kind, name)(labels, outputs)
    assert total.dtype == weight.dtype == tf.float32
    assert total.shape == weight.shape == ()
    function = getattr(losses, name)
    scale = {"scale": losses.initial_scale(3)} if name == "adacos" else {}
    assert float(total / weight) == pytest.approx(float(function(labels, outputs, **scale)), rel=1e-5)
    counts = {"classes": 5, "soft_classes": 4, "multi_label": 11, "regression": 11, "embedding": 4}
    pairwise = {"triplet_semihard": 5, "triplet_hard": 5, "supervised_contrastive": 4}
    assert float(weight) == pytest.approx(pairwise.get(name, counts[kind]))


@pytest.mark.parametrize(("kind", "name"), [pair for pair in KINDS if pair[1] not in COMPARING])
def test_parts_of_a_batch_add_up_whatever_is_missing_where(kind: str, name: str) -> None:
    imbalance = "balanced" if kind in ("classes", "soft_classes") else "none"
    loss = loss_of(kind, name, imbalance=imbalance)
    labels, outputs = LABELS[kind], outputs_of(name)
    weights = np.array([1.0, 0.5, 2.0, 0.0, 0.3, 1.0])
    total, weight = loss(labels, outputs, weights)
    # The second part is one example, and it has no label.
    parts = [loss(labels[part], outputs[part], weights[part]) for part in ([0, 2, 3], [1], [4, 5])]
    assert float(parts[1][0]) == float(parts[1][1]) == 0
    assert sum(float(part[0]) for part in parts) == pytest.approx(float(total), rel=1e-5)
    assert sum(float(part[1]) for part in parts) == pytest.approx(float(weight), rel=1e-5)


@each_loss
def test_nothing_labelled_weighs_nothing(kind: str, name: str) -> None:
    total, weight = loss_of(kind, name)(LABELS[kind][[1, 1]], outputs_of(name)[:2])
    assert float(total) == float(weight) == 0


@each_loss
def test_works_in_a_graph(kind: str, name: str) -> None:
    loss, labels, outputs = loss_of(kind, name), LABELS[kind], outputs_of(name)
    found = tf.function(loss)(tf.constant(labels), tf.constant(outputs))
    np.testing.assert_allclose(found, loss(labels, outputs), rtol=1e-5)


def test_a_comparison_without_partners_weighs_nothing() -> None:
    outputs = outputs_of("triplet_hard")
    for name in PAIRWISE_LOSSES:
        total, weight = loss_of("embedding", name)(np.array([1, 2, 3, -1, -1, -1]), outputs)
        assert float(total) == float(weight) == 0
    _, weight = loss_of("regression", "concordance")([[1.0, 2.0, NAN], [NAN, 1.0, NAN]], outputs[:2])
    assert float(weight) == 2


def test_pairwise_losses_take_no_sample_weights() -> None:
    for name in PAIRWISE_LOSSES:
        with pytest.raises(ValueError, match=f"{name} compares examples .* takes no sample weights"):
            loss_of("embedding", name)(LABELS["embedding"], outputs_of(name), np.ones(6))


@pytest.mark.parametrize("kind", LOSSES)
def test_without_a_name_it_is_the_first_of_the_kind(kind: str) -> None:
    outputs = outputs_of("")
    np.testing.assert_array_equal(
        losses.for_task(task(kind))(LABELS[kind], outputs),
        losses.for_task(task(kind, LOSSES[kind][0]))(LABELS[kind], outputs),
    )


def test_loss_arguments_get_to_the_loss() -> None:
    labels, outputs = LABELS["embedding"], outputs_of("arcface")
    total, weight = loss_of("embedding", "arcface", loss_arguments={"margin": 0.1, "scale": 5.0})(
        labels, outputs
    )
    assert float(total / weight) == pytest.approx(
        float(losses.arcface(labels, outputs, margin=0.1, scale=5.0)), rel=1e-5
    )


@pytest.mark.parametrize("imbalance", ["balanced", "effective_number"])
@pytest.mark.parametrize("name", ["cross_entropy", "focal", "soft_cross_entropy"])
def test_imbalance_gets_to_the_loss(name: str, imbalance: str) -> None:
    kind = "soft_classes" if name.startswith("soft") else "classes"
    labels, outputs = LABELS[kind], outputs_of(name)
    counts = np.array([500, 100, 30000])
    class_weights = getattr(losses, imbalance)(counts)
    total, weight = losses.for_task(task(kind, name, imbalance=imbalance), counts)(labels, outputs)
    weighted = getattr(losses, name)(labels, outputs, class_weights=class_weights)
    assert float(total / weight) == pytest.approx(float(weighted), rel=1e-5)
    if kind == "classes":
        assert float(weight) == pytest.approx(class_weights[labels[labels >= 0]].sum(), rel=1e-5)


@pytest.mark.parametrize("counts", [None, np.array([1, 2])])
def test_imbalance_without_a_count_of_each_class_is_refused(counts) -> None:
    with pytest.raises(ValueError, match=r"imbalance balanced needs .* of the 3 classes; got (none|2)"):
        losses.for_task(task("classes", imbalance="balanced"), counts)


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("classes", "cross_entropy", "cross_entropy takes label_smoothing; got 'wrong'"),
        ("classes", "focal", "focal takes gamma; got 'wrong'"),
        ("soft_classes", "soft_cross_entropy", "soft_cross_entropy takes no arguments; got 'wrong'"),
        ("multi_label", "binary_focal", "binary_focal takes gamma, alpha; got 'wrong'"),
        ("regression", "huber", "huber takes delta; got 'wrong'"),
        ("embedding", "arcface", "arcface takes margin, scale; got 'wrong'"),
        ("embedding", "adacos", "adacos takes no arguments; got 'wrong'"),
        ("embedding", "triplet_hard", "triplet_hard takes margin, soft; got 'wrong'"),
        ("embedding", "supervised_contrastive", "supervised_contrastive takes temperature; got 'wrong'"),
        ("embedding", "center", "center takes scale, center_weight; got 'wrong'"),
    ],
)
def test_an_unknown_argument_is_refused(kind: str, name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        loss_of(kind, name, loss_arguments={"wrong": 1.0})


@pytest.mark.parametrize(
    ("name", "argument", "value", "expected"),
    [
        ("cross_entropy", "label_smoothing", 1.0, r"in \[0, 1\)"),
        ("cross_entropy", "label_smoothing", "0.1", r"a finite number in \[0, 1\)"),
        ("focal", "gamma", -1, "at least 0"),
        ("focal", "gamma", True, "a finite number at least 0"),
        ("binary_focal", "alpha", 1.5, r"in \[0, 1\]"),
        ("huber", "delta", 0, "above 0"),
        ("arcface", "margin", -0.1, "at least 0"),
        ("arcface", "scale", 0.0, "above 0"),
        ("center", "center_weight", -1, "at least 0"),
        ("triplet_hard", "soft", "yes", "True or False"),
        ("supervised_contrastive", "temperature", 0, "above 0"),
    ],
)
def test_an_argument_out_of_range_is_refused(name: str, argument: str, value, expected: str) -> None:
    kind = next(kind for kind, names in LOSSES.items() if name in names)
    with pytest.raises(ValueError, match=f"loss_arguments: {argument} of {name} must be {expected}; got"):
        loss_of(kind, name, loss_arguments={argument: value})


def test_none_is_allowed_where_it_means_something() -> None:
    assert loss_of("multi_label", "binary_focal", loss_arguments={"alpha": None})


def test_adacos_needs_its_layer_and_adapts_it() -> None:
    with pytest.raises(ValueError, match="adacos needs the layer that holds its scale"):
        losses.for_task(task("embedding", "adacos"))
    loss = loss_of("embedding", "adacos")
    labels, cosines = LABELS["embedding"], outputs_of("adacos")
    expected = losses.next_scale(labels, cosines, losses.initial_scale(3))
    before = loss(labels, cosines)[0]
    loss.adapt(labels, cosines)
    assert float(loss.layer.scale) == pytest.approx(float(expected), rel=1e-6)
    assert float(loss(labels, cosines)[0]) != float(before)


def test_a_loss_without_state_has_nothing_to_adapt() -> None:
    loss_of("embedding", "arcface").adapt(LABELS["embedding"], outputs_of("arcface"))


@pytest.mark.parametrize("kind", LOSSES)
def test_each_kind_learns_from_teachers(kind: str) -> None:
    student, teacher, other = np.random.default_rng(0).normal(size=(3, 4, 3)).astype(np.float32)
    distill = losses.distillation_for_task(task(kind, distillation_temperature=3.0))
    total, count = distill(student, [teacher, other])
    expected = {
        "classes": lambda: losses.softmax_distillation(student, [teacher, other], 3.0),
        "soft_classes": lambda: losses.softmax_distillation(student, [teacher, other], 3.0),
        "multi_label": lambda: losses.binary_distillation(student, [teacher, other], 3.0),
        "regression": lambda: losses.regression_distillation(student, [teacher, other]),
        "embedding": lambda: losses.embedding_distillation(student, [teacher, other]),
    }[kind]()
    assert float(count) == 4
    assert float(total) == pytest.approx(4 * float(expected), rel=1e-5)


def test_the_directions_of_a_person_are_the_heads() -> None:
    settings = {"margin": 0.1, "scale": 8.0}
    cosines = np.random.default_rng(1).uniform(-1, 1, (6, 3, 5)).astype(np.float32)
    plain = losses.for_task(task("embedding", "subcenter_arcface", loss_arguments=settings))
    five = losses.for_task(
        task("embedding", "subcenter_arcface", loss_arguments=settings | {"sub_centers": 5})
    )
    labels = LABELS["embedding"]
    assert float(five(labels, cosines)[0]) == float(plain(labels, cosines)[0])
    with pytest.raises(ValueError, match="sub_centers of subcenter_arcface must be at least 1"):
        losses.for_task(task("embedding", "subcenter_arcface", loss_arguments={"sub_centers": 0}))


def test_the_arguments_that_settings_know_are_those_of_the_losses() -> None:
    from kfer.losses.tasks import _MEANS
    from kfer.settings.tasks import LOSS_ARGUMENTS, OF_HEADS

    for name, mean in _MEANS.items():
        own = [each for each in LOSS_ARGUMENTS.get(name, ()) if each not in OF_HEADS]
        taken = inspect.signature(mean).parameters
        assert [each for each in taken if each in own] == own
        of_tensors = {
            "labels",
            "logits",
            "cosines",
            "embeddings",
            "values",
            "outputs",
            "votes",
            "numbers",
        }
        assert set(taken) - set(own) <= of_tensors | {"sample_weight", "class_weights"}, name
