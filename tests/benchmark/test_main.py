import subprocess
import sys

from kfer.benchmark.__main__ import main

BRIEF = ("--threads", "1", "--rounds", "1", "--seconds", "0.01", "--batch", "2")


def test_kfer_benchmark_prints_a_table_and_writes_a_csv(tflite, resizable, tmp_path):
    path = tmp_path / "figures.csv"
    command = [sys.executable, "-m", "kfer", "benchmark", tflite, resizable, *BRIEF, "--csv", path]
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert "resizable0/means.tflite" in process.stdout and "CPU: " in process.stdout
    assert len(path.read_text().splitlines()) == 3


def test_wrong_usage_ends_with_code_2_before_measuring(tflite, tmp_path, capsys):
    (tmp_path / "old.csv").touch()
    for arguments, message in (
        (["nowhere.tflite"], "there is no model at nowhere.tflite"),
        ([tflite, "--threads", "0"], "--threads must be at least 1; got 0"),
        ([tflite, "--csv", tmp_path / "old.csv"], "old.csv exists"),
        ([tflite, "--csv", tmp_path / "no" / "a.csv"], "there is no folder"),
    ):
        assert main([str(argument) for argument in arguments]) == 2
        said = capsys.readouterr()
        assert message in said.err and "round" not in said.out
    assert main([str(tflite), "--threads", "one"]) == 2
    assert "--threads must be a whole number; got one" in capsys.readouterr().err


def test_a_model_that_fails_makes_code_1(tflite, tmp_path, monkeypatch, capsys):
    from kfer.benchmark import kinds

    missing = kinds.Kind("ONNX Runtime", "no_such_package", "onnxruntime")
    monkeypatch.setitem(kinds._ENDINGS, ".onnx", missing)
    (tmp_path / "a.onnx").write_bytes(b"\x08\x08")
    assert main([str(tflite), str(tmp_path / "a.onnx"), *BRIEF]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "needs onnxruntime, which is not installed" in said
