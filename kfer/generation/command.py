"""What `python -m kfer.generation` does."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from kfer.arguments import Parser
from kfer.comparison import command as shared
from kfer.generation.settings import GenerationSettings


def run(arguments: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    return shared.run("generation", arguments, _run)


def _run(arguments: list[str], typed: str) -> list[str]:
    parser = _parser()
    options, overrides = shared.parse(parser, arguments, GenerationSettings)
    settings = shared.load(options, overrides, GenerationSettings)
    if options.serving_dir is not None:
        base = dataclasses.replace(settings.base, serving_dir=options.serving_dir)
        settings = dataclasses.replace(settings, base=base)
    output_dir = Path(options.output_dir or Path("generation_output") / settings.name).absolute()
    # Late: --help and wrong settings need no TensorFlow.
    from kfer.generation import generation

    made = generation.make(settings, output_dir)
    print(generation.summary(made, output_dir))
    return []


def _parser() -> Parser:
    made = Parser(
        prog="python -m kfer.generation",
        description="Trains a generator of faces against a discriminator, draws samples after each "
        "epoch, judges it, and pushes it for `kfer generate` and the dataset `generated`. A training "
        "that was stopped goes on after its last epoch.",
        epilog="Any setting can be given by its name, such as --adversarial.epochs 3, "
        "--network.upsampling resize or --measures.num_images 1000, and so can those of the pipeline "
        "that its examples come from: --data.image_size 64.",
    )
    made.add_argument(
        "settings_file",
        help=f"a Python file that defines `settings`, of class {GenerationSettings.__name__}",
    )
    made.add_argument("--data-dir", help="folder with the downloaded datasets, one subfolder each")
    made.add_argument("--output-dir", help="folder of the results [generation_output/<name>]")
    made.add_argument("--serving-dir", help="folder that the generator is pushed to [saved_models]")
    return made
