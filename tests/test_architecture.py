import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).parent.parent
HEAVY = ("tensorflow", "keras", "keras_tuner", "sklearn", "matplotlib", "cv2", "numpy")


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in process.stdout.split()}


def test_importing_kfer_is_light_and_takes_at_most_a_fifth_of_a_second():
    assert loaded_by("import kfer").isdisjoint(HEAVY)
    code = "import time; start = time.perf_counter(); import kfer; print(time.perf_counter() - start)"
    fastest = min(
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout)
        for _ in range(3)
    )
    assert fastest <= 0.2


def test_settings_and_the_graph_load_nothing_heavy():
    assert loaded_by("import kfer.pipeline.__main__").isdisjoint(HEAVY)


def test_inference_loads_no_tensorflow_before_it_is_used():
    assert loaded_by("import kfer.inference").isdisjoint(("tensorflow", "keras", "ai_edge_litert"))


def test_help_is_quick_and_describes_every_setting():
    start = time.perf_counter()
    process = subprocess.run(
        [sys.executable, "-m", "kfer.pipeline", "--help"], capture_output=True, text=True, check=True
    )
    assert time.perf_counter() - start < 2
    for option in ("--training.epochs 10", "--data.sources.0.dataset synthetic", "--from-node"):
        assert option in process.stdout


def test_no_file_has_grown_past_400_lines():
    sources = [*PROJECT.glob("kfer/**/*.py"), *PROJECT.glob("pipelines/*.py")]
    assert sources
    assert [str(file) for file in sources if len(file.read_text().splitlines()) > 400] == []


def test_no_module_is_called_by_a_name_that_says_nothing():
    vague = {"utils", "helpers", "common", "misc", "base"}
    assert [str(file) for file in PROJECT.glob("kfer/**/*.py") if file.stem in vague] == []
