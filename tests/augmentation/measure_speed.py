"""Images a second of kfer's input pipeline or of torchvision's, for a comparison in turn on one machine.

In an environment with kfer, and in another with torch 2.14.1 and torchvision 0.29.1:

    python tests/augmentation/measure_speed.py kfer
    python tests/augmentation/measure_speed.py torchvision

Each prints the median and the best of several runs. Both sides start from uint8 images in memory, of
FER2013's number and size, and end with shuffled batches, in floating point, of images that were flipped,
shifted, turned and scaled by one bilinear interpolation, changed in brightness and contrast, and of
which some have an erased rectangle. kfer changes a batch at once, on all cores; torchvision's transforms
change one image after the other, in two processes of a DataLoader.
"""

import argparse
import os
import statistics
import time
from collections.abc import Iterable, Iterator

import numpy as np

EXAMPLES = 28_709
FLIP, SHIFT, ROTATION, SCALE = 0.5, 0.1, 0.25, 0.15
BRIGHTNESS, CONTRAST, ERASE = 0.2, 0.2, 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("side", choices=["kfer", "torchvision"])
    parser.add_argument("--size", type=int, default=48)
    parser.add_argument("--channels", type=int, default=1, choices=[1, 3])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each run")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2, help="torchvision's processes")
    options = parser.parse_args()
    random = np.random.default_rng(0)
    shape = (EXAMPLES, options.size, options.size, options.channels)
    images = random.integers(0, 256, shape, np.uint8)
    labels = random.integers(0, 7, EXAMPLES, np.int32)
    side = kfer_batches if options.side == "kfer" else torchvision_batches
    batches = iter(side(images, labels, options))
    for _ in range(20):
        next(batches)
    speeds = [images_a_second(batches, options) for _ in range(options.runs)]
    print(
        f"{options.side}, {options.size} px, {options.channels} channels, batch {options.batch}: "
        f"median {statistics.median(speeds):,.0f}, best {max(speeds):,.0f} images a second"
    )


def images_a_second(batches: Iterator[object], options: argparse.Namespace) -> float:
    start = time.perf_counter()
    count = 0
    while (passed := time.perf_counter() - start) < options.seconds:
        next(batches)
        count += options.batch
    return count / passed


def kfer_batches(images: np.ndarray, labels: np.ndarray, options: argparse.Namespace) -> Iterable[object]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from kfer.input_pipeline import Decoded, for_training
    from kfer.settings import AugmentationSettings

    settings = AugmentationSettings(FLIP, SHIFT, ROTATION, SCALE, BRIGHTNESS, CONTRAST, ERASE)
    missing = np.full(EXAMPLES, -1, np.int32)
    source, names = np.zeros(EXAMPLES, np.int32), np.array([""] * EXAMPLES)
    decoded = Decoded(images, labels, missing, source, names)
    return for_training(decoded, options.batch, 0, settings)


def torchvision_batches(
    images: np.ndarray, labels: np.ndarray, options: argparse.Namespace
) -> Iterator[object]:
    import math

    import torch
    from torchvision.transforms import v2

    transform = v2.Compose(
        [
            v2.RandomHorizontalFlip(FLIP),
            v2.RandomAffine(
                degrees=math.degrees(ROTATION),
                translate=(SHIFT, SHIFT),
                scale=(1 - SCALE, 1 + SCALE),
                interpolation=v2.InterpolationMode.BILINEAR,
            ),
            v2.ColorJitter(brightness=BRIGHTNESS, contrast=CONTRAST),
            v2.ToDtype(torch.float32, scale=True),
            v2.RandomErasing(ERASE, scale=(0.02, 0.2), value="random"),
        ]
    )
    pixels = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    classes = torch.from_numpy(labels.astype(np.int64))

    class Faces(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(pixels)

        def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
            return transform(pixels[index]), classes[index]

    loader = torch.utils.data.DataLoader(
        Faces(),
        batch_size=options.batch,
        shuffle=True,
        num_workers=options.workers,
        drop_last=True,
        persistent_workers=options.workers > 0,
    )
    while True:
        yield from loader


if __name__ == "__main__":
    main()
