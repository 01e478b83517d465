"""Networks in dlib's format, as its own code would write them: small, random, or wrong on purpose."""

from collections.abc import Sequence

import numpy as np

MEANS = (122.782, 117.001, 104.298)
_ONE, _ZERO = (16, -4), (0, 11)  # of floats, mantissa and exponent


def integer(value: int) -> bytes:
    content = abs(value).to_bytes(max(1, (abs(value).bit_length() + 7) // 8), "little")
    return bytes([len(content) | (0x80 if value < 0 else 0)]) + content


def integers(*values: int) -> bytes:
    return b"".join(map(integer, values))


def text(name: str) -> bytes:
    return integer(len(name)) + name.encode()


def tensor(values: np.ndarray | None = None, shape: Sequence[int] = (0, 0, 0, 0)) -> bytes:
    content = b"" if values is None else values.astype("<f4").tobytes()
    return integers(2, *shape) + content


def state(marks: bytes = b"110") -> bytes:
    return marks + 3 * tensor()


def four_numbers() -> bytes:
    return integers(*_ONE, *_ONE, *_ONE, *_ZERO)


def convolution(
    generator: np.random.Generator, outputs: int, inputs: int, kernel: int, stride: int, padding: int
) -> bytes:
    size = outputs * inputs * kernel * kernel
    spread = np.sqrt(1 / (inputs * kernel * kernel))
    values = np.concatenate(
        [generator.normal(0, spread, size), generator.normal(0, 0.1, outputs)]
    ).astype(np.float32)
    return (
        text("con_4")
        + tensor(values, (len(values), 1, 1, 1))
        + integers(outputs, kernel, kernel, stride, stride, padding, padding)
        + integers(1, outputs, inputs, kernel, kernel)
        + integers(1, 1, outputs, 1, 1)
        + four_numbers()
    )


def affine(generator: np.random.Generator, size: int) -> bytes:
    values = np.concatenate([generator.uniform(0.5, 1.5, size), generator.normal(0, 0.1, size)])
    shape = integers(1, 1, size, 1, 1)
    return text("affine_") + tensor(values, (2 * size, 1, 1, 1)) + shape + shape + integer(0)


def pool(kind: str, side: int, stride: int) -> bytes:
    return text(kind) + integers(side, side, stride, stride, 0, 0)


def layers(
    generator: np.random.Generator, widths: Sequence[int], blocks: Sequence[int], embedding: int
) -> list[bytes]:
    """The layers from the input to the embedding, without what training left in them."""

    def convolved(outputs: int, inputs: int, kernel: int, stride: int, padding: int) -> list[bytes]:
        return [
            convolution(generator, outputs, inputs, kernel, stride, padding),
            affine(generator, outputs),
        ]

    found = [*convolved(widths[0], 3, 7, 2, 0), text("relu_"), pool("max_pool_2", 3, 2)]
    before = widths[0]
    for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
        for block in range(count):
            down = stage > 0 and block == 0
            found += [*convolved(width, before, 3, 2 if down else 1, 0 if down else 1), text("relu_")]
            found += convolved(width, width, 3, 1, 1)
            found += [pool("avg_pool_2", 2, 2)] if down else []
            found += [text("add_prev_"), text("relu_")]
            before = width
    values = generator.normal(0, 0.3, before * embedding)
    last = (
        text("fc_2")
        + integers(embedding, before)
        + tensor(values, (before, embedding, 1, 1))
        + integers(1, before, embedding, 1, 1)
        + integers(1, 0, 0, 0, 0)
        + integer(1)
        + four_numbers()
    )
    return [*found, pool("avg_pool_2", 0, 1), last]


def file(layers: Sequence[bytes], loss: str = "loss_metric_2") -> bytes:
    """A whole file of these layers."""
    means = [(round(mean * 2**16), -16) for mean in MEANS]
    start = integer(1) + text(loss) + integers(10737418, -28, 10066330, -24)
    # Between the layers stand marks, which the way around them needs.
    versions = integers(*[2, 1] * (len(layers) - 1), 3)
    image = text("input_rgb_image_sized") + integers(*(number for mean in means for number in mean))
    first, *others = layers
    return (
        start
        + versions
        + image
        + integers(150, 150)
        + first
        + state()
        + integer(1)
        + b"".join(layer + state(b"111") for layer in others)
    )


def network(
    seed: int = 0,
    widths: Sequence[int] = (3, 4, 5),
    blocks: Sequence[int] = (1, 2, 1),
    embedding: int = 6,
) -> bytes:
    """A random network of the form of dlib's face recognition."""
    return file(layers(np.random.default_rng(seed), widths, blocks, embedding))
