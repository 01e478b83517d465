"""The command `python -m kfer.benchmark`, and `kfer benchmark`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from kfer.benchmark import BenchmarkSettings, measure, table, write
from kfer.console import log_to_console
from kfer.files import check_new


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 0 done, 1 a model failed, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    log_to_console()
    try:
        settings = BenchmarkSettings(
            options.threads, options.rounds, options.seconds, options.batch, options.image_size
        )
        if options.csv is not None:
            check_new(options.csv, ".csv")
            if not options.csv.parent.is_dir():
                raise FileNotFoundError(f"there is no folder {options.csv.parent} for --csv")
        measurements = measure(options.files, settings)
        print(f"\n{table(measurements)}")
        if options.csv is not None:
            write(options.csv, measurements)
            print(f"CSV: {options.csv}")
    except (OSError, ValueError) as error:
        print(f"kfer benchmark: {error}", file=sys.stderr)
        return 2
    return int(any(m.failure for m in measurements))


def _parser() -> argparse.ArgumentParser:
    defaults = BenchmarkSettings()
    parser = argparse.ArgumentParser(
        prog="kfer benchmark",
        description="Measures exported models side by side on this machine's CPU: latency, start, "
        "memory, size, images per second. Let nothing else run meanwhile.",
        epilog="It takes about models x threads x rounds x seconds x (1 + sizes of batches), and each "
        "time the import of the runtime.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="FILE",
        help=".tflite, .onnx (with onnxruntime), TorchScript .pt or torch.export .pt2 (with torch), or "
        "the folder of a SavedModel; the others are compared with the first",
    )
    parser.add_argument(
        "--threads", type=_numbers, default=defaults.threads, metavar="N,...", help="[1,2]"
    )
    parser.add_argument(
        "--rounds", type=int, default=defaults.rounds, help="how often the models take turns [3]"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=defaults.seconds,
        help="of timing in a round for single images, and for each size of batch [1]",
    )
    parser.add_argument(
        "--batch", type=_numbers, default=defaults.batch, metavar="N,...", help="sizes of batches [8,32]"
    )
    parser.add_argument(
        "--image-size", type=int, metavar="PIXELS", help="of the images, for models that take any size"
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write every figure to this new file")
    return parser


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(number) for number in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected whole numbers like 1,2; got {text!r}") from error


if __name__ == "__main__":
    sys.exit(main())
