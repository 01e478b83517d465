"""What `python -m kfer.benchmark`, and `kfer benchmark` does."""

from collections.abc import Sequence
from pathlib import Path

from kfer import entry
from kfer.arguments import Parser, number, whole, wholes
from kfer.benchmark import BenchmarkSettings, measure, table, write
from kfer.console import after_the_deed, log_to_console
from kfer.files import check_new


def run(arguments: Sequence[str]) -> int:
    """Runs the command and returns its exit code: 0 done, 1 a model failed."""
    options = _parser().parse_args(arguments)
    log_to_console()
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
        with after_the_deed():
            print(f"CSV: {options.csv}")
    return entry.NO if any(m.failure for m in measurements) else entry.YES


def _parser() -> Parser:
    defaults = BenchmarkSettings()
    parser = Parser(
        prog="kfer benchmark",
        description="Measures exported models side by side on this machine's CPU: latency, start, "
        "memory, size, images per second. Let nothing else run meanwhile.",
        epilog="It takes about models x threads x rounds x seconds x (1 + sizes of batches), and each "
        "time the import of the runtime.",
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
        "--threads", type=wholes("at least 1"), default=defaults.threads, metavar="N,...", help="[1,2]"
    )
    parser.add_argument(
        "--rounds",
        type=whole("at least 1"),
        default=defaults.rounds,
        help="how often the models take turns [3]",
    )
    parser.add_argument(
        "--seconds",
        type=number("above 0"),
        default=defaults.seconds,
        help="of timing in a round for single images, and for each size of batch [1]",
    )
    parser.add_argument(
        "--batch",
        type=wholes("at least 1"),
        default=defaults.batch,
        metavar="N,...",
        help="sizes of batches [8,32]",
    )
    parser.add_argument(
        "--image-size",
        type=whole("at least 1"),
        metavar="PIXELS",
        help="of the images, for models that take any size",
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write every figure to this new file")
    return parser
