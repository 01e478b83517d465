"""What a search costs beside its trainings: a trial's own cost, resuming, memory, workers.

    python tests/search/measure_costs.py [trial] [memory] [workers]

Nothing: the search alone, with a training that takes no time. `trial`: what a real trial needs beside its
steps and validation, on the faces that kfer draws. `memory`: of this process, after each of fifty real
trials of a small network. `workers`: how long three take for twelve such trials, and how long one.
"""

import argparse
import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from kfer.settings import (
    DataSettings,
    ModelSettings,
    PipelineSettings,
    SourceSettings,
    TrainingSettings,
    TuningSettings,
)


def main() -> None:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", nargs="*", choices=[[], *_MEASURES], metavar="what")
    for what in parser.parse_args().what or ["search"]:
        with tempfile.TemporaryDirectory() as folder:
            _MEASURES[what](Path(folder))


def cost(folder: Path) -> None:
    from toy_training import ToyTraining, settings

    from kfer import search

    for tuner in ("random", "bayesian"):
        count = 200 if tuner == "random" else 40
        start = time.perf_counter()
        search.search(ToyTraining(), settings(tuner=tuner, trials=count), folder / tuner)
        passed = time.perf_counter() - start
        print(f"{tuner}: {1000 * passed / count:.1f} ms a trial beside its training, of {count} trials")
        start = time.perf_counter()
        search.search(ToyTraining(), settings(tuner=tuner, trials=count), folder / tuner)
        print(f"{tuner}: {time.perf_counter() - start:.2f} s to resume a study of {count} trials")


def trial(folder: Path) -> None:
    """Of two epochs of one step each, what is no second epoch: that has all that training needs."""
    from kfer import search
    from kfer.pipeline.components.trials import Trials
    from kfer.tuning import TuningStudySettings, study

    base = dataclasses.replace(
        PipelineSettings(), tuning=TuningSettings(trials=6, epochs=2, example_share=1e-6)
    )
    settings = TuningStudySettings("trial", base)
    study.prepare(settings, folder)
    ends, calls = [], []

    class Measured(Trials):
        def __call__(self, settings, work_dir, score, until):  # type: ignore[no-untyped-def]
            def ended(figures):  # type: ignore[no-untyped-def]
                ends.append(time.perf_counter())
                return score(figures)

            start = time.perf_counter()
            history = super().__call__(settings, work_dir, ended, until)
            calls.append(time.perf_counter() - start)
            return history

    train = Measured(*study.trials(settings, folder).__reduce__()[1])
    start = time.perf_counter()
    search.search(train, base, study.search_dir(folder))
    passed = time.perf_counter() - start
    epochs = [2 * (ends[index + 1] - ends[index]) for index in range(0, len(ends), 2)]
    own, built = (passed - sum(calls)) / len(calls), (sum(calls) - sum(epochs)) / len(calls)
    print(f"of {len(calls)} trials, what the search itself takes: {own:.2f} s a trial")
    print(f"building and tracing the network, checkpoints: {built:.2f} s a trial")


def workers(folder: Path) -> None:
    file = folder / "toy.py"
    file.write_text(_TOY)
    command = [sys.executable, "-m", "kfer.tuning", str(file), "--output-dir", str(folder / "toy")]
    for count in (1, 3, 3, 1):
        start = time.perf_counter()
        more = ["--workers", str(count)] if count > 1 else []
        subprocess.run([*command, *more], check=True, capture_output=True)
        print(f"{count} at a time: {time.perf_counter() - start:.0f} s for 12 trials")
        shutil.rmtree(folder / "toy")


def memory(folder: Path) -> None:
    from kfer import search
    from kfer.pipeline.components.trials import Trials
    from kfer.tuning import TuningStudySettings, study

    people = {"num_identities": 4, "num_heldout_identities": 4, "examples_per_identity": 12}
    base = PipelineSettings(
        data=DataSettings(sources=(SourceSettings("synthetic", arguments=people),)),
        model=ModelSettings(backbone_arguments={"widths": (8, 16), "blocks": 1}, embedding_size=8),
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


_MEASURES = {"search": cost, "trial": trial, "memory": memory, "workers": workers}
_TOY = """
from kfer.settings import PipelineSettings, TuningSettings
from kfer.tuning import TuningStudySettings

settings = TuningStudySettings("toy", PipelineSettings(tuning=TuningSettings(trials=12, epochs=2)))
"""

if __name__ == "__main__":
    main()
