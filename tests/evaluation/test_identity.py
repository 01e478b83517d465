"""Reports on worked examples, and properties of pairs."""

import json

import numpy as np
import pytest

from kfer import evaluation


def _strict_json(report):
    return json.loads(json.dumps(report, allow_nan=False))


def test_verification_report_of_separable_pairs():
    same = np.arange(400) % 2 == 0
    report = _strict_json(
        evaluation.verification_report(np.where(same, 0.7, 0.1), same, None, 10, (0.1, 0.01))
    )
    assert report["num_pairs"] == 400 and report["num_genuine"] == 200
    assert report["num_folds"] == 10
    assert report["accuracy"] == 1.0 and report["accuracy_std"] == 0.0
    assert report["auc"] == 1.0 and report["eer"] == 0.0
    assert report["tar_at_far"] == [
        {"far": 0.1, "tar": 1.0, "reliable": True},  # 20 of 200 impostors may pass
        {"far": 0.01, "tar": 1.0, "reliable": False},
    ]
    edges, histogram = report["histogram"]["edges"], report["histogram"]
    assert len(edges) == len(histogram["genuine"]) + 1
    assert sum(histogram["genuine"]) == sum(histogram["impostor"]) == 200
    filled = histogram["genuine"].index(200)
    assert edges[filled] <= 0.7 <= edges[filled + 1]


def test_verification_report_keeps_the_folds_of_the_protocol():
    # The threshold of either fold fails on the other one.
    similarities = np.array([0.6, 0.4, 0.2, 0.0])
    same = np.array([True, False, True, False])
    own = evaluation.verification_report(similarities, same, np.array([0, 0, 1, 1]), 10, (0.1,))
    assert own["num_folds"] == 2 and own["accuracy"] == 0.5
    none = np.full(4, -1)
    assert evaluation.verification_report(similarities, same, none, 2, (0.1,))["num_folds"] == 2


def test_verification_report_thins_the_curve_between_its_ends():
    rng = np.random.default_rng(0)
    same = rng.random(5000) < 0.5
    similarities = rng.normal(0.2 * same, 0.3)  # some lie outside [-1, 1]
    report = evaluation.verification_report(similarities, same, None, 10, (0.1,))
    points = np.array(report["roc"])
    assert 150 < len(points) <= 200
    assert points[0].tolist() == [0, 0] and points[-1].tolist() == [1, 1]
    assert (np.diff(points, axis=0) >= 0).all()
    assert np.trapezoid(points[:, 1], points[:, 0]) == pytest.approx(report["auc"], abs=0.005)
    assert sum(report["histogram"]["genuine"]) == same.sum()


def test_verification_report_needs_both_kinds():
    with pytest.raises(ValueError, match="got 3 genuine and 0 impostor pairs"):
        evaluation.verification_report(np.ones(3), np.ones(3, bool), None, 10, (0.1,))


def test_identification_report_by_hand():
    embeddings = np.array([[1, 0], [0, 1], [2, 0.1], [0.1, 3], [-1, 0], [0.9, 1], [1, 0]])
    identities = np.array([5, 6, 5, 6, 7, 5, -1])
    report = _strict_json(evaluation.identification_report(embeddings, identities))
    # The last probe of person 5 is closer to the gallery image of person 6.
    assert report == {
        "num_people": 3,
        "num_distractors": 1,
        "num_probes": 3,
        "rank1": pytest.approx(2 / 3),
    }


@pytest.mark.parametrize(
    ("identities", "message"),
    [
        ([1, 2, -1], "at least one person with two images.*got 2 labelled images of 2 people"),
        ([-1, -1, -1], "got 0 labelled images of 0 people"),
        ([1, 1], "got 2 identities and 3 embeddings"),
    ],
)
def test_identification_report_refuses(identities, message):
    with pytest.raises(ValueError, match=message):
        evaluation.identification_report(np.eye(3), np.array(identities))


def test_threshold_for_use_measures_what_it_asks():
    similarities = np.array([0.9, 0.8, 0.3, 0.7, 0.2, 0.1, 0.0])
    same = np.array([True, True, True, False, False, False, False])
    assert _strict_json(evaluation.choose_threshold(similarities, same, 0.1)) == {
        "threshold": pytest.approx(0.75),
        "false_accept_rate": 0.1,
        "measured_false_accept_rate": 0.0,
        "true_accept_rate": pytest.approx(2 / 3),
        "num_pairs": 7,
    }
    loose = evaluation.choose_threshold(similarities, same, 0.25)
    assert loose["threshold"] == pytest.approx(0.25)
    assert loose["measured_false_accept_rate"] == 0.25 and loose["true_accept_rate"] == 1.0
