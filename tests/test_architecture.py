import ast
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parent.parent
HEAVY = ("tensorflow", "keras", "keras_tuner", "sklearn", "matplotlib", "cv2", "numpy")
HEAVY_FOR_HELP = ("pydantic", "PIL", "tqdm", "tensorflow_datasets", "ai_edge_litert")


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in process.stdout.split()}


def test_importing_kfer_is_light():
    assert loaded_by("import kfer").isdisjoint((*HEAVY, *HEAVY_FOR_HELP))


def test_the_help_of_kfer_loads_nothing_heavy():
    statement = "from kfer.__main__ import main; main(['--help'])"
    assert loaded_by(statement).isdisjoint((*HEAVY, *HEAVY_FOR_HELP))


def test_settings_and_the_graph_load_nothing_heavy():
    assert loaded_by("import kfer.pipeline.command").isdisjoint(HEAVY)


def test_inference_loads_no_tensorflow_before_it_is_used():
    assert loaded_by("import kfer.inference").isdisjoint(("tensorflow", "keras", "ai_edge_litert"))


def test_the_commands_on_pictures_load_what_they_need_alone():
    needless = ("tensorflow", "keras", "sklearn", "scipy", "matplotlib")
    assert loaded_by("import kfer.commands.analyze, kfer.commands.verify").isdisjoint(needless)


def test_what_windows_lacks_is_imported_late():
    of_posix = {"resource", "fcntl", "pwd", "grp", "termios"}
    for file in (PROJECT / "kfer").rglob("*.py"):
        for each in ast.parse(file.read_bytes()).body:
            names = [alias.name for alias in each.names] if isinstance(each, ast.Import) else []
            names += [each.module or ""] if isinstance(each, ast.ImportFrom) and not each.level else []
            assert of_posix.isdisjoint(names), file


def test_help_describes_every_setting():
    process = subprocess.run(
        [sys.executable, "-m", "kfer.pipeline", "--help"], capture_output=True, text=True, check=True
    )
    for option in ("--training.epochs 10", "--data.sources.0.dataset synthetic", "--from-node"):
        assert option in process.stdout


def test_no_module_is_called_by_a_name_that_says_nothing():
    vague = {"utils", "helpers", "common", "misc", "base"}
    assert [str(file) for file in PROJECT.glob("kfer/**/*.py") if file.stem in vague] == []
