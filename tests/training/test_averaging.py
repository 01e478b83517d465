import keras
import numpy as np
import tensorflow as tf

from kfer.training.averaging import Average


def network(value: float) -> keras.Model:
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5, seed=1)]
    )
    for variable in model.variables:
        if variable.dtype == "float32":
            variable.assign(np.full(variable.shape, value))
    return model


def test_weights_and_statistics_are_averaged_and_random_states_copied() -> None:
    averaged, model = network(1.0), network(0.0)
    state = model.layers[1].seed_generator.state
    state.assign(state + 7)
    average = Average(averaged, model, decay=0.5)
    # Early on the decay is (1 + steps) / (10 + steps).
    for steps, expected in ((1, 2 / 11), (2, 2 / 11 * 3 / 12), (1000, 2 / 11 * 3 / 12 * 0.5)):
        tf.function(lambda steps=steps: average.update(tf.constant(steps, tf.int64)))()
        for variable in averaged.layers[0].variables:
            np.testing.assert_allclose(variable, expected, rtol=1e-5, err_msg=variable.path)
    np.testing.assert_array_equal(averaged.layers[1].seed_generator.state, state)
    assert all(np.all(np.array(variable) == 0.0) for variable in model.layers[0].variables)
