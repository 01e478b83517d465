"""The command itself, in processes of its own, on a few drawn faces."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

PEOPLE = {
    "num_identities": 6,
    "num_heldout_identities": 4,
    "examples_per_identity": 21,
    "heldout_examples_per_identity": 14,
}
SMALL = [
    f"--data.sources.0.arguments={PEOPLE}",
    "--model.backbone_arguments={'widths': [8, 16], 'blocks': 1}",
    "--training.epochs=3",
    "--training.batch_size=32",
    "--training.learning_rate=0.005",
    "--tuning.trials=2",
    "--tuning.epochs=1",
    "--export.parity_images=20",
    "--export.calibration_images=20",
    # Two dozen images cannot tell a point from noise: the bounds are tested on the real default.
    "--export.max_accuracy_drop=1",
]
COMPONENTS = [
    "ExampleGen",
    "StatisticsGen",
    "SchemaGen",
    "ExampleValidator",
    "Transform",
    "Tuner",
    "Trainer",
    "Evaluator",
    "InfraValidator",
    "Pusher",
]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "kfer.pipeline", *SMALL, *arguments]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), cwd=folder, capture_output=True, text=True)


def artifacts(root: Path) -> set[str]:
    """Every artifact's files, whatever the number of their execution."""
    names = set()
    for path in root.glob("*/*/*/**/*"):
        parts = path.relative_to(root).parts
        if path.is_file() and parts[0] in COMPONENTS:
            name = "/".join(part for part in parts if not part.isdecimal())
            names.add(re.sub(r"events\.out\.tfevents\.[^/]*", "events", name))
    return names


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the small pipeline has run, what it printed, and its artifacts' names."""
    folder = tmp_path_factory.mktemp("run")
    process = run(folder)
    assert process.returncode == 0, process.stdout + process.stderr
    (folder / "stdout").write_text(process.stdout)
    (folder / "artifacts").write_text("\n".join(artifacts(folder / "pipeline_output" / "synthetic")))
    return folder


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def test_two_processes_train_one_network_in_a_pipeline(tmp_path: Path):
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    processes = []
    for index in range(2):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        arguments = ["--tuning.trials=0", "--training.strategy=multi_worker", "--to-node=Evaluator"]
        processes.append(
            subprocess.Popen(
                command(*arguments, "--training.worker_timeout_s=240"),
                cwd=tmp_path,
                env={**os.environ, "TF_CONFIG": json.dumps(task)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    said = [process.communicate(timeout=500)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(said)
    assert "2 replicas in 2 processes" in said[0]
    assert "Component Evaluator is finished" in said[0]
    assert "Component Trainer is finished" in said[1] and "Evaluator is running" not in said[1]
    weights = []
    for root in ("synthetic", "synthetic-worker-1"):
        (file,) = (tmp_path / "pipeline_output" / root / "Trainer").rglob("*.keras")
        with zipfile.ZipFile(file) as archive:
            weights.append(archive.read("model.weights.h5"))
    assert weights[0] == weights[1]


def test_every_component_says_where_it_stands(folder: Path):
    said = (folder / "stdout").read_text()
    for position, name in enumerate(COMPONENTS, 1):
        assert f"[{position:>2}/10] Component {name} is running." in said
        assert f"[{position:>2}/10] Component {name} is finished in " in said


def test_the_table_names_what_was_made(folder: Path):
    said = (folder / "stdout").read_text()
    for pattern in (
        r"Trained +compact, [\d,]+ parameters, 3 epochs of 126 images, 6 people",
        r"Expression +accuracy 0\.\d+, macro F1 0\.\d+ on 56 test images",
        r"Identity +verification accuracy 0\.\d+, AUC 0\.\d+ on [\d,]+ pairs of people not trained on",
        r"Model +saved_models/synthetic/1\n",
        r"TFLite +saved_models/synthetic/1/int8\.tflite \(0\.\d+ MB, accuracy",
        r"Report +pipeline_output/synthetic/report\.html\n",
        r"Run +1: [\d.]+ s, peak memory [\d.]+ GB",
    ):
        assert re.search(pattern, said), pattern


def test_the_pushed_folder_is_what_servers_and_phones_take(folder: Path):
    pushed = folder / "saved_models" / "synthetic" / "1"
    names = {path.name for path in pushed.iterdir()}
    variants = {f"{name}.tflite" for name in ("float32", "float16", "dynamic_range", "int8")}
    assert names >= {"saved_model.pb", "variables", "labels.txt", "model.json"} | variants
    described = json.loads((pushed / "model.json").read_text())
    assert described["verification"]["threshold"] <= 1
    for variant in ("saved_model", "float32"):
        assert described["parity"][variant]["max_probability_difference"] <= 1e-3


def test_the_report_is_one_page(folder: Path):
    page = (folder / "pipeline_output" / "synthetic" / "report.html").read_text()
    assert page.rstrip().endswith("</html>")
    assert not re.search(r"(src|href)=[\"']?https?:", page)


def test_a_second_run_is_cached_and_loads_nothing_heavy(folder: Path):
    code = "import sys; from kfer.pipeline.__main__ import main; main(sys.argv[1:]); print(*sys.modules)"
    process = subprocess.run(
        [sys.executable, "-c", code, *SMALL], cwd=folder, capture_output=True, text=True
    )
    said, _, loaded = process.stdout.rstrip().rpartition("\n")
    assert said.count("is cached.") == 10, process.stdout + process.stderr
    assert "saved_models/synthetic/1\n" in said + "\n"
    # What makes it quick; `measure_starts.py` prints the seconds.
    heavy = {"tensorflow", "keras", "keras_tuner", "sklearn", "scipy", "matplotlib", "cv2", "numpy"}
    assert {name.partition(".")[0] for name in loaded.split()}.isdisjoint(heavy)


def test_a_network_is_exported_again_in_other_files(folder: Path):
    export = [sys.executable, "-m", "kfer", "export", *SMALL, "--bundle", "out/faces.zip"]
    other = ["--export.tflite", "int8,int8_io", "--export.single_task", "true", "--serving_dir", "other"]
    process = subprocess.run([*export, *other], cwd=folder, capture_output=True, text=True)
    assert process.returncode == 0, process.stdout + process.stderr
    assert "Trainer" not in process.stdout
    assert re.search(r"Bundle +out/faces\.zip \(\d\.\d+ MB\)", process.stdout)
    with zipfile.ZipFile(folder / "out" / "faces.zip") as archive:
        names = {name.removeprefix("synthetic-1/") for name in archive.namelist()}
    outputs = ("", "expression_", "embedding_")
    files = {f"{output}{variant}.tflite" for output in outputs for variant in ("int8", "int8_io")}
    assert names >= {"model.json", "labels.txt", "MODEL_CARD.md", *files}
    assert not [name for name in names if name.startswith(("variables", "saved_model", "assets"))]
    again = subprocess.run([*export, *other], cwd=folder, capture_output=True, text=True)
    assert again.returncode == 2
    assert "faces.zip exists; name another file, or delete it" in again.stderr


def test_runs_are_listed_and_shown(folder: Path):
    listed = run(folder, "--list-runs").stdout
    assert re.search(r"^1 +synthetic +COMPLETE", listed, re.MULTILINE)
    shown = run(folder, "--show", "1").stdout
    for name in COMPONENTS:
        assert re.search(rf"^{name} +COMPLETE +[\d.]+ s", shown, re.MULTILINE)
    assert "model: pipeline_output/synthetic/Trainer/model/" in shown


def test_a_deleted_push_is_pushed_again_and_versions_go_up(folder: Path):
    retrained = run(folder, "--training.seed=1", "--to-node=Pusher")
    assert "saved_models/synthetic/2" in retrained.stdout, retrained.stdout
    assert sorted(path.name for path in (folder / "saved_models" / "synthetic").iterdir()) == ["1", "2"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--trainin.epochs", "3"], 2, "did you mean training"),
        (["--fom-node", "Trainer"], 2, "did you mean --from-node"),
        (["--training.epochs"], 2, "--training.epochs needs a value"),
        (["--from-node", "Trainr"], 2, "no component 'Trainr'"),
        (["--show", "99"], 2, "no run 99"),
        (["none.py"], 2, "no settings file none.py"),
        (["--data.sources.0.dataset", "fer2013", "--data.sources.0.arguments", "{}"], 1, "archive.zip"),
        (["--data.sources.0.dataset", "fer2014"], 2, "fer2013"),
    ],
)
def test_wrong_usage_is_explained(folder: Path, arguments: list[str], code: int, message: str):
    process = run(folder, *arguments)
    assert process.returncode == code
    assert message in process.stderr
    assert "Traceback" not in process.stderr


@pytest.mark.slow
def test_killed_in_the_middle_of_every_component_it_ends_with_the_same_artifacts(
    folder: Path, tmp_path: Path
):
    root = tmp_path / "pipeline_output" / "synthetic"
    for name in COMPONENTS:
        with subprocess.Popen(
            command(), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                # The Trainer is killed after an epoch, so that the next run has one to go on from.
                if f"Component {name} is running" in line and name != "Trainer":
                    time.sleep(0.3)
                    break
                if name == "Trainer" and "epoch 1/3" in line:
                    break
            process.send_signal(signal.SIGKILL)
        pushed = tmp_path / "saved_models" / "synthetic"
        assert not pushed.exists() or all(path.name == "1" for path in pushed.glob("[!.]*"))
    process = run(tmp_path)
    assert process.returncode == 0, process.stdout + process.stderr
    # Other tests export and train in that folder too.
    assert artifacts(root) == set((folder / "artifacts").read_text().splitlines())
    assert [path.name for path in (tmp_path / "saved_models" / "synthetic").iterdir()] == ["1"]


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["resnet152", "densenet161"])
def test_the_large_backbones_train(backbone: str, tmp_path: Path):
    people = PEOPLE | {"examples_per_identity": 7, "heldout_examples_per_identity": 7}
    arguments = [
        f"--model.backbone={backbone}",
        "--model.backbone_arguments={}",
        f"--data.sources.0.arguments={people}",
        "--training.epochs=1",
        "--training.batch_size=8",
        "--tuning.trials=0",
        "--to-node=Trainer",
    ]
    process = run(tmp_path, *arguments)
    assert process.returncode == 0, process.stdout + process.stderr
    assert re.search(rf"Trained +{backbone}, [\d,]+ parameters, 1 epochs", process.stdout)
