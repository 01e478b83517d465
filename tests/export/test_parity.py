import numpy as np
import pytest

from kfer.export import check_parity, parity_report
from kfer.settings import ExportSettings, TaskSettings

TASKS = {
    "expression": TaskSettings(names=("calm", "glad")),
    "identity": TaskSettings("embedding"),
}
REFERENCE = {
    "expression": np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]]),
    "embedding": np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [1.0, 0.0]]),
}
EXPORTED = {
    "expression": np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]]),
    "embedding": np.array([[1.0, 0.0], [0.0, 1.0], [0.8, 0.6], [1.0, 0.0]]),
}
# What pairs are judged by, where no identity is known.
NO_PAIRS = {
    "num_pairs": None,
    "verification_accuracy": None,
    "reference_verification_accuracy": None,
    "verification_accuracy_change": None,
    "tar_at_far_0.01": None,
    "reference_tar_at_far_0.01": None,
    "tar_at_far_0.01_change": None,
}


def test_worked_example():
    report = parity_report(REFERENCE, EXPORTED, TASKS, {"expression": np.array([0, 0, 0, -1])})
    assert report == {
        "num_images": 4,
        "max_probability_difference": pytest.approx(0.2),
        "mean_probability_difference": pytest.approx(0.4 / 8),
        "top_class_agreement": 0.75,
        "accuracy": pytest.approx(1 / 3),
        "reference_accuracy": pytest.approx(2 / 3),
        "accuracy_change": pytest.approx(-1 / 3),
        # Right are the first of three; before, the first two: F1 1/2 and 0, and 4/5 and 0.
        "macro_f1": pytest.approx(1 / 2),
        "reference_macro_f1": pytest.approx(4 / 5),
        "macro_f1_change": pytest.approx(-3 / 10),
        "embedding_cosine_min": pytest.approx(0.96),
        "embedding_cosine_mean": pytest.approx(3.96 / 4),
        **NO_PAIRS,
        "tasks": {},
    }


def test_worked_example_of_further_tasks():
    tasks = {
        "eyes": TaskSettings(names=("open", "sunglasses")),
        "votes": TaskSettings("soft_classes", ("young", "old")),
        "units": TaskSettings("multi_label", ("brow", "lips")),
        "angles": TaskSettings("regression", ("yaw", "pitch")),
    }
    probabilities, exported = REFERENCE["expression"], EXPORTED["expression"]
    reference = dict.fromkeys(("eyes", "votes", "units"), probabilities)
    outputs = dict.fromkeys(("eyes", "votes", "units"), exported)
    reference["angles"] = np.array([[-40.0, 0.0], [10.0, 0.0], [0.0, 0.0], [0.0, 5.0]])
    outputs["angles"] = reference["angles"] + [[0.5, 0.0], [0.0, 0.0], [0.0, -1.5], [0.0, 0.0]]
    # The second example's votes tie, and nobody voted on the last: two are left, the third told wrong.
    votes = np.array([[7, 1], [3, 3], [5, 4], [np.nan, np.nan]])
    report = parity_report(
        reference, outputs, tasks, {"eyes": np.array([0, 0, 0, -1]), "votes": votes, "units": votes}
    )
    differences = {
        "max_probability_difference": pytest.approx(0.2),
        "mean_probability_difference": pytest.approx(0.4 / 8),
    }
    assert report["tasks"] == {
        "eyes": {
            "kind": "classes",
            **differences,
            "top_class_agreement": 0.75,
            "accuracy": pytest.approx(1 / 3),
            "reference_accuracy": pytest.approx(2 / 3),
            "accuracy_change": pytest.approx(-1 / 3),
            "macro_f1": pytest.approx(1 / 2),
            "reference_macro_f1": pytest.approx(4 / 5),
            "macro_f1_change": pytest.approx(-3 / 10),
        },
        "votes": {
            "kind": "soft_classes",
            **differences,
            "top_class_agreement": 0.75,
            "accuracy": 0.5,
            "reference_accuracy": 0.5,
            "accuracy_change": 0,
            # The first is right; the third is of the first class too, and told as the second.
            "macro_f1": pytest.approx(2 / 3),
            "reference_macro_f1": pytest.approx(2 / 3),
            "macro_f1_change": 0,
        },
        "units": {"kind": "multi_label", **differences},
        "angles": {
            "kind": "regression",
            "max_difference": 1.5,
            "mean_difference": 2 / 8,
            "largest_number": 40,
        },
    }
    assert report["num_images"] == 4
    assert report["max_probability_difference"] is report["embedding_cosine_min"] is None


@pytest.mark.parametrize("labels", [{}, {"expression": np.array([-1, -1, -1, -1])}])
def test_without_labels_there_is_no_accuracy(labels):
    report = parity_report(REFERENCE, EXPORTED, TASKS, labels)
    assert report["accuracy"] is report["reference_accuracy"] is report["accuracy_change"] is None
    assert report["top_class_agreement"] == 0.75


def test_verification_is_compared_on_pairs_of_labelled_people():
    tasks = {"identity": TASKS["identity"]}
    # Six people, each with four images in one direction, and somebody unknown.
    people = np.repeat(np.arange(6), 4)
    reference = {"embedding": np.vstack([np.eye(6)[people], np.eye(6)[:1]])}
    labels = {"identity": np.append(people, -1)}
    same = parity_report(reference, reference, tasks, labels)
    assert same["num_pairs"] == 2 * 6 * 6
    assert same["verification_accuracy"] == same["reference_tar_at_far_0.01"] == 1
    assert same["verification_accuracy_change"] == same["tar_at_far_0.01_change"] == 0
    # The export takes one image of the first person for the second: three genuine pairs are missed.
    outputs = {"embedding": reference["embedding"].copy()}
    outputs["embedding"][0] = np.eye(6)[1]
    report = parity_report(reference, outputs, tasks, labels)
    assert report["reference_verification_accuracy"] == 1
    assert report["verification_accuracy"] <= 1 - 3 / 72
    assert report["verification_accuracy_change"] == report["verification_accuracy"] - 1
    assert report["tar_at_far_0.01_change"] < 0
    nowhere = {"embedding": np.full((25, 6), np.nan)}
    assert parity_report(reference, nowhere, tasks, labels)["verification_accuracy"] is None


def test_the_threshold_is_not_chosen_on_the_pairs_that_it_judges():
    """Pairs that tell nothing: the best threshold on themselves would be right more often than not."""
    random = np.random.default_rng(0)
    embeddings = random.normal(size=(60, 8))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    labels = {"identity": np.arange(60) // 2}
    report = parity_report(
        *({"embedding": embeddings}, {"embedding": embeddings}, {"identity": TASKS["identity"]}, labels)
    )
    assert report["num_pairs"] == 60
    assert abs(report["reference_verification_accuracy"] - 0.5) < 0.13


def test_without_a_task_its_figures_are_missing():
    embedding = {"embedding": REFERENCE["embedding"]}
    report = parity_report(embedding, embedding, {"identity": TASKS["identity"]}, {})
    assert report["embedding_cosine_min"] == 1
    assert report["max_probability_difference"] is report["accuracy"] is None
    expression = {"expression": REFERENCE["expression"]}
    report = parity_report(expression, expression, {"expression": TASKS["expression"]}, {})
    assert report["max_probability_difference"] == 0
    assert report["embedding_cosine_min"] is None


def test_embedding_of_another_length_is_seen():
    longer = EXPORTED | {"embedding": 1.01 * REFERENCE["embedding"]}
    report = parity_report(REFERENCE, longer, TASKS, {})
    assert report["embedding_cosine_min"] == pytest.approx(1.01)
    assert "cosine with Keras's is 1.01" in check_parity({"float32": report}, ExportSettings())[1]


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match=r"Keras gives .*\(4, 2\).*the export gives .*\(3, 2\)"):
        parity_report(REFERENCE, {name: array[:3] for name, array in EXPORTED.items()}, TASKS, {})
    with pytest.raises(ValueError, match="must be the same"):
        parity_report(REFERENCE, {"expression": EXPORTED["expression"]}, TASKS, {})
    with pytest.raises(ValueError, match="no images"):
        parity_report({}, {}, {}, {})


def test_float_exports_must_agree_in_probability():
    far, near = {"max_probability_difference": 2e-3}, {"max_probability_difference": 1e-3}
    settings = ExportSettings(max_probability_difference=1e-3)
    assert check_parity({"saved_model": near, "float32": near, "float16": far}, settings) == []
    (reason,) = check_parity({"saved_model": far, "float32": near}, settings)
    assert reason.startswith(
        "saved_model: a probability of expression differs from Keras by 0.002; at most 0.001 is allowed"
    )
    assert len(check_parity({"saved_model": far, "float32": far}, settings)) == 2
    (reason,) = check_parity({"float32": {"tasks": {"units": far}}}, settings)
    assert reason.startswith("float32: a probability of units differs")


# A tenth of a degree is far where no angle is above 10, and near where one is 200.
@pytest.mark.parametrize(
    ("largest", "allowed", "near"), [(0.01, "0.001", 9e-4), (10.0, "0.01", 9e-3), (200.0, "0.2", 0.1)]
)
def test_float_exports_must_agree_in_numbers(largest, allowed, near):
    settings = ExportSettings(max_probability_difference=1e-3)

    def check(difference):
        figures = {"max_difference": difference, "largest_number": largest}
        return check_parity({"float32": {"tasks": {"angles": figures}}}, settings)

    assert check(near) == []
    (reason,) = check(0.3)
    assert f"a number of angles differs from Keras by 0.3; at most {allowed} is allowed" in reason
    assert f"with {largest:.4g} as the largest" in reason
    assert len(check(float("nan"))) == 1


def test_not_a_number_never_agrees():
    nowhere = {name: np.full_like(array, np.nan) for name, array in EXPORTED.items()}
    report = parity_report(REFERENCE, nowhere, TASKS, {"expression": np.array([1, 1, 0, 0])})
    assert len(check_parity({"float32": report}, ExportSettings())) == 2


def test_int8_must_keep_its_accuracy():
    settings = ExportSettings(max_accuracy_drop=0.01)
    # 0.99 - 1 is a little less than -0.01 in floating point.
    assert check_parity({"int8": {"accuracy_change": 0.99 - 1}}, settings) == []
    assert check_parity({"int8": {"accuracy_change": 0.5}}, settings) == []
    assert check_parity({"int8": {"accuracy_change": None}}, settings) == []
    assert check_parity({"float16": {"accuracy_change": -0.5}}, settings) == []
    (reason,) = check_parity({"int8": {"accuracy_change": -0.02}}, settings)
    assert reason.startswith("int8: the accuracy of expression falls by 0.0200; at most 0.01 is allowed")


@pytest.mark.parametrize("name", ["int8", "int8_io", "int16", "embedding_int8", "embedding_int8_io"])
def test_integer_files_must_keep_the_accuracy_of_verification(name):
    settings = ExportSettings(max_accuracy_drop=0.01)
    assert check_parity({name: {"verification_accuracy_change": -0.01}}, settings) == []
    (reason,) = check_parity({name: {"verification_accuracy_change": -0.03}}, settings)
    assert reason.startswith(f"{name}: the verification accuracy falls by 0.0300; at most 0.01 is")
    assert check_parity({"float16": {"verification_accuracy_change": -0.03}}, settings) == []


def test_files_of_one_output_are_held_to_what_the_others_are():
    far = {"max_probability_difference": 0.5}
    assert len(check_parity({"expression_float32": far}, ExportSettings())) == 1
    assert check_parity({"expression_float16": far}, ExportSettings()) == []


def test_without_expressions_int8_must_keep_the_accuracy_of_the_first_task_that_has_one():
    worse = {"accuracy_change": -0.02}
    tasks = {"angles": {"max_difference": 9.0}, "votes": {"accuracy_change": None}, "eyes": worse}
    (reason,) = check_parity({"int8": {"accuracy_change": None, "tasks": tasks}}, ExportSettings())
    assert reason.startswith("int8: the accuracy of eyes falls by 0.0200")
    assert check_parity({"int8": {"accuracy_change": 0.0, "tasks": tasks}}, ExportSettings()) == []
    later = {"brows": {"accuracy_change": 0.0}, "eyes": worse}
    assert check_parity({"int8": {"accuracy_change": None, "tasks": later}}, ExportSettings()) == []
