"""What a search costs beside its trainings: a trial's own cost, resuming, workers, memory.

    python tests/search/measure_costs.py

The training is one that takes no time, or sleeps, so that all that is left is the search's. Memory is of
this process after each of fifty trials of a real small network on drawn faces, with `--memory`.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main() -> None:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--memory", action="store_true", help="measure memory alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.memory:
            memory(Path(folder))
        else:
            cost(Path(folder), options.trials)


def cost(folder: Path, trials: int) -> None:
    from toy_training import ToyTraining, settings

    from kfer import search

    for tuner in ("random", "bayesian"):
        count = trials if tuner == "random" else 40
        start = time.perf_counter()
        search.search(ToyTraining(), settings(tuner=tuner, trials=count), folder / tuner)
        passed = time.perf_counter() - start
        print(f"{tuner}: {1000 * passed / count:.1f} ms a trial beside its training, of {count} trials")
        start = time.perf_counter()
        search.search(ToyTraining(), settings(tuner=tuner, trials=count), folder / tuner)
        print(f"{tuner}: {time.perf_counter() - start:.2f} s to resume a study of {count} trials")


def memory(folder: Path) -> None:
    from kfer import search
    from kfer.pipeline.components.trials import Trials
    from kfer.settings import (
        DataSettings,
        ModelSettings,
        PipelineSettings,
        SourceSettings,
        TrainingSettings,
        TuningSettings,
    )
    from kfer.tuning import TuningStudySettings, study

    people = {"num_identities": 4, "num_heldout_identities": 4, "examples_per_identity": 12}
    base = PipelineSettings(
        data=DataSettings(sources=(SourceSettings("synthetic", arguments=people),)),
        model=ModelSettings(backbone_arguments={"widths": (4, 8), "blocks": 1}, embedding_size=8),
        training=TrainingSettings(epochs=1, batch_size=16),
        tuning=TuningSettings(trials=50),
    )
    settings = TuningStudySettings("memory", base)
    study.prepare(settings, folder)
    held = []

    class Measured(Trials):
        def __call__(self, *arguments: object) -> list[dict[str, float]]:
            history = super().__call__(*arguments)  # type: ignore[arg-type]
            held.append(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE"))
            return history

    train = Measured(*study.trials(settings, folder).__reduce__()[1])
    search.search(train, base, study.search_dir(folder))
    for number in (1, 5, 10, 20, 30, 40, 50):
        print(f"after {number} trials: {held[number - 1] / 1e6:.0f} MB")
    print(f"from the first to the fiftieth: {held[49] / held[0] - 1:+.1%}")


if __name__ == "__main__":
    main()
