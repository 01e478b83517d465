"""Images a second of kfer's networks or of torchvision's, for a comparison in turn on one machine.

In an environment with kfer, and in another with torch 2.14.1 and torchvision 0.29.1:

    python tests/backbones/measure_speed.py kfer resnet152 --size 64 --batch 32
    python tests/backbones/measure_speed.py torchvision resnet152 --size 64 --batch 32

Each prints the median and the best step. A training step is forward, backward and SGD with momentum, for
a thousand classes; `--inference` times the forward pass alone.
"""

import argparse
import os
import resource
import statistics
import time
from collections.abc import Callable


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("side", choices=["kfer", "torchvision"])
    parser.add_argument("network", choices=["resnet152", "densenet161"])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--inference", action="store_true")
    parser.add_argument("--bfloat16", action="store_true")
    parser.add_argument("--recompute", action="store_true", help="kfer's densenet161 only")
    options = parser.parse_args()
    step = kfer_step(options) if options.side == "kfer" else torchvision_step(options)
    for _ in range(2):
        step()
    times = []
    for _ in range(options.steps):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    print(
        f"{options.side} {options.network}, {options.size} px, batch {options.batch}, "
        f"{'inference' if options.inference else 'training'}, "
        f"{'bfloat16' if options.bfloat16 else 'float32'}: "
        f"median {options.batch / statistics.median(times):.2f}, best {options.batch / min(times):.2f} "
        f"images a second; peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB"
    )


def kfer_step(options: argparse.Namespace) -> Callable[[], object]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from kfer import backbones  # first, for it sets what TensorFlow reads when it is imported

    # isort: split
    import keras
    import tensorflow as tf

    from kfer.training.optimizers import LayerWiseSGD

    if options.bfloat16:
        keras.config.set_dtype_policy("mixed_bfloat16")
    arguments = {"recompute": True} if options.recompute else {}
    shape = (options.size, options.size, 3)
    network = backbones.build(options.network, shape, num_classes=1000, **arguments)
    images = tf.random.normal((options.batch, *shape))
    if options.inference:
        forward = tf.function(lambda: network(images, training=False))
        return lambda: forward().numpy()
    labels = tf.random.uniform([options.batch], 0, 1000, tf.int32)
    optimizer = LayerWiseSGD(
        factor=lambda variable: 1.0, kernel_decay=0.0, learning_rate=0.01, momentum=0.9
    )
    optimizer.build(network.trainable_variables)

    @tf.function
    def train() -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = tf.cast(network(images, training=True), tf.float32)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        variables = network.trainable_variables
        optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)
        return loss

    return lambda: train().numpy()


def torchvision_step(options: argparse.Namespace) -> Callable[[], object]:
    import torch
    import torchvision

    network = getattr(torchvision.models, options.network)(weights=None)
    images = torch.randn(options.batch, 3, options.size, options.size)
    labels = torch.randint(0, 1000, (options.batch,))
    optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9)
    network.train(not options.inference)

    def forward() -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=options.bfloat16):
            return network(images)

    def infer() -> None:
        with torch.inference_mode():
            forward()

    def train() -> None:
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(forward().float(), labels).backward()
        optimizer.step()

    return infer if options.inference else train


if __name__ == "__main__":
    main()
