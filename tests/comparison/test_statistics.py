import numpy as np
import pytest

from kfer.comparison import statistics


def test_students_interval_of_three_seeds():
    # Mean 0.5, standard deviation 0.01; t at 0.975 with 2 degrees of freedom is 4.3027.
    interval = statistics.over_seeds([0.49, 0.5, 0.51])
    assert interval.value == pytest.approx(0.5)
    assert interval.high - interval.value == pytest.approx(4.3027 * 0.01 / 3**0.5, rel=1e-4)
    assert interval.value - interval.low == pytest.approx(interval.high - interval.value)


def test_students_interval_of_two_seeds():
    # Standard deviation 0.02 * sqrt(2); its error is 0.02; t with 1 degree of freedom is 12.7062.
    interval = statistics.over_seeds([0.5, 0.54])
    assert interval.high - interval.value == pytest.approx(12.7062 * 0.02, rel=1e-4)


def test_one_seed_has_no_interval():
    with pytest.raises(ValueError, match="at least 2 of them; got 1"):
        statistics.over_seeds([0.5])


def predictions_with(only_first: int, only_second: int, both: int = 5, neither: int = 5):
    labels = np.zeros(only_first + only_second + both + neither, int)
    first = np.repeat([0, 1, 0, 1], [only_first, only_second, both, neither])
    second = np.repeat([1, 0, 0, 1], [only_first, only_second, both, neither])
    return labels, first, second


def test_mcnemar_of_few_discordant_images_is_exact():
    # 2 * (1 + 9) / 2**9
    test = statistics.mcnemar(*predictions_with(1, 8))
    assert (test.only_first, test.only_second, test.exact) == (1, 8, True)
    assert test.p_value == pytest.approx(20 / 512)


def test_mcnemar_of_many_discordant_images_is_chi_squared_with_correction():
    # (|121 - 59| - 1)**2 / 180 = 20.672, whose upper tail with 1 degree of freedom is 5.45e-6.
    test = statistics.mcnemar(*predictions_with(121, 59))
    assert not test.exact
    assert test.p_value == pytest.approx(5.45e-6, rel=1e-2)


def test_mcnemar_changes_its_method_at_25():
    assert statistics.mcnemar(*predictions_with(12, 12)).exact
    assert not statistics.mcnemar(*predictions_with(12, 13)).exact


def test_mcnemar_does_not_care_about_the_order():
    one, other = (
        statistics.mcnemar(*predictions_with(30, 50)),
        statistics.mcnemar(*predictions_with(50, 30)),
    )
    assert one.p_value == other.p_value < 0.05


@pytest.mark.parametrize("count", [0, 3, 40])
def test_networks_that_err_equally_often_do_not_differ(count: int):
    assert statistics.mcnemar(*predictions_with(count, count)).p_value == 1


def test_mcnemar_leaves_out_missing_labels():
    labels, first, second = predictions_with(1, 8)
    more = np.concatenate([labels, [-1, -1]])
    test = statistics.mcnemar(more, np.append(first, [-1, 0]), np.append(second, [0, -1]))
    assert test == statistics.mcnemar(labels, first, second)


def test_mcnemar_needs_the_same_images():
    with pytest.raises(ValueError, match=r"shapes \(3,\), \(3,\) and \(2,\)"):
        statistics.mcnemar(np.zeros(3), np.zeros(3), np.zeros(2))


def test_holm_in_a_worked_example():
    # Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1: 0.04, 0.06, 0.06, 0.04, and never falling.
    assert statistics.holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])


def test_holm_stays_a_probability_and_leaves_one_test_alone():
    assert statistics.holm([0.9, 0.8]) == [1.0, 1.0]
    assert statistics.holm([0.03]) == [0.03]
    assert statistics.holm([]) == []
