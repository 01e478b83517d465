import numpy as np

from kfer.datasets.drawing import sample_view


def test_views_are_random_but_moderate():
    views = [sample_view(np.random.default_rng(seed)) for seed in range(200)]
    for name, limit in (("yaw", 0.32), ("pitch", 0.16), ("roll", 0.14), ("asymmetry", 0.12)):
        values = np.array([getattr(view, name) for view in views])
        assert np.abs(values).max() <= limit
        assert values.min() < -0.8 * limit
        assert values.max() > 0.8 * limit
    assert all(0.94 <= view.scale <= 1.06 for view in views)
    assert all(view.background.dtype == np.uint8 for view in views)


def test_same_generator_state_gives_the_same_view():
    first, second = (sample_view(np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first.background, second.background)
    assert first.yaw == second.yaw
    assert first.noise_seed == second.noise_seed
