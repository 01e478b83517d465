"""The precision that layers compute in, for all that are made within a block."""

import contextlib
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Makes layers with Keras's policy of this name, and then leaves the global one as it was.

    Args:
        name: "float32", "mixed_bfloat16" or "mixed_float16".
    """
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(previous)
