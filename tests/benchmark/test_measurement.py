import hashlib
import json
import logging
import os
import signal
from pathlib import Path

import pytest

from kfer.benchmark import BenchmarkSettings, kinds, measure, measurement
from kfer.files import DamagedError

BRIEF = BenchmarkSettings(threads=(1,), rounds=2, seconds=0.01, batch=(4,))


def test_percentiles_are_values_that_so_many_do_not_exceed():
    values = [float(value) for value in range(1, 101)]
    assert [measurement.percentile(values, percent) for percent in (1, 90, 99, 100)] == [1, 90, 99, 100]
    assert measurement.percentile([5.0], 99) == 5.0


def test_models_take_turns_and_have_every_figure(tflite, resizable, caplog):
    settings = BenchmarkSettings(threads=(1, 2), rounds=1, seconds=0.01, batch=(4,))
    with caplog.at_level(logging.INFO, "kfer"):
        found = measure([tflite, str(resizable)], settings)
    assert [(m.path, m.threads) for m in found] == [
        (path, threads) for path in (tflite, resizable) for threads in (1, 2)
    ]
    rounds = [line for line in caplog.messages if line.startswith("round")]
    assert len(rounds) == 4 and rounds[0] == "round 1 of 1: means.tflite, 1 thread"
    for one in found:
        figures = one.figures
        assert figures.runtime.startswith("LiteRT ") and one.failure == ""
        assert 0 < figures.median_ms <= figures.p90_ms <= figures.p99_ms
        assert figures.timed_images >= 3 and min(figures.start_ms, figures.import_ms) > 0
        assert 0 < figures.added_mb < figures.peak_mb
        assert (figures.image_shape, figures.dtype) == ((8, 8, 3), "uint8")
        assert figures.images_per_second.keys() == {4}
        assert one.size_mb == one.path.stat().st_size / 1e6
    assert [m.figures.has_fixed_batch for m in found] == [True, True, False, False]


def test_a_large_parent_is_not_part_of_the_memory(tflite):
    held = bytearray(os.urandom(1)) * 400_000_000
    figures = measure([tflite], BRIEF)[0].figures
    assert figures.peak_mb < len(held) / 1e6


def test_a_model_that_ends_its_process_fails_alone(tflite, resizable, monkeypatch):
    run = measurement.subprocess.run

    def crash(command, **given):
        if str(resizable) in Path(command[-2]).read_text():
            command = ["/bin/sh", "-c", f"kill -{int(signal.SIGSEGV)} $$"]
        return run(command, **given)

    monkeypatch.setattr(measurement.subprocess, "run", crash)
    crashed, whole = measure([resizable, tflite], BRIEF)
    assert crashed.figures is None and crashed.failure == "its process was ended by SIGSEGV"
    assert whole.figures.median_ms > 0


def test_a_number_of_threads_that_fails_leaves_the_others(tflite, monkeypatch):
    run = measurement.subprocess.run

    def crash(command, **given):
        if '"threads": 2' in Path(command[-2]).read_text():
            command = ["/bin/sh", "-c", f"kill -{int(signal.SIGSEGV)} $$"]
        return run(command, **given)

    monkeypatch.setattr(measurement.subprocess, "run", crash)
    one, two = measure([tflite], BenchmarkSettings((1, 2), rounds=1, seconds=0.01, batch=(4,)))
    assert one.figures.median_ms > 0 and one.failure == ""
    assert two.figures is None
    assert two.failure == "with 2 threads: its process was ended by SIGSEGV"


def test_a_missing_package_is_named_and_others_are_measured(tflite, tmp_path, monkeypatch):
    model = tmp_path / "a.onnx"
    model.write_bytes(b"\x08\x08")
    missing = kinds.Kind("ONNX Runtime", "no_such_package", "onnxruntime")
    monkeypatch.setitem(kinds._ENDINGS, ".onnx", missing)
    failed, whole = measure([model, tflite], BRIEF)
    assert failed.failure == (
        "needs onnxruntime, which is not installed; install it by pip install onnxruntime"
    )
    assert whole.figures.timed_images >= 6


def test_a_damaged_file_is_refused_before_anything_is_measured(tflite, tmp_path, caplog):
    damaged = tmp_path / "half.tflite"
    damaged.write_bytes(tflite.read_bytes()[:100])
    with (
        caplog.at_level(logging.INFO, "kfer"),
        pytest.raises(ValueError, match=r"half\.tflite cannot be loaded by LiteRT: "),
    ):
        measure([tflite, damaged], BRIEF)
    assert not any(line.startswith("round") for line in caplog.messages)


def test_a_file_that_is_not_the_described_one_is_never_loaded(tflite, tmp_path, monkeypatch):
    copy = tmp_path / "float32.tflite"
    content = bytearray(tflite.read_bytes())
    facts = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    output = {"kind": "classes", "names": ["calm", "glad"]}
    described = {"name": "a", "weights": "b", "tasks": {"expression": output}}
    (tmp_path / "model.json").write_text(json.dumps({**described, "files": {copy.name: facts}}))
    content[-1] ^= 1
    copy.write_bytes(content)
    monkeypatch.setattr(measurement, "_in_process", lambda *_: pytest.fail("it was loaded"))
    with pytest.raises(DamagedError, match=r"float32\.tflite is damaged, or of another model"):
        measure([copy], BRIEF)


@pytest.mark.slow
def test_a_savedmodel_is_measured(saved_model):
    settings = BenchmarkSettings(threads=(1,), rounds=1, seconds=0.01, batch=(4,), image_size=8)
    (found,) = measure([saved_model], settings)
    assert found.figures.runtime.startswith("TensorFlow ") and not found.figures.has_fixed_batch


def test_an_onnx_file_is_measured(onnx_file):
    (found,) = measure([onnx_file], BRIEF)
    assert found.figures.runtime.startswith("ONNX Runtime ")
    assert (found.figures.image_shape, found.figures.dtype) == ((3, 8, 8), "float32")
    assert not found.figures.has_fixed_batch


def test_files_of_torch_are_measured(torch_files):
    settings = BenchmarkSettings(threads=(1,), rounds=1, seconds=0.01, batch=(4,), image_size=8)
    for found in measure(torch_files, settings):
        assert found.failure == "" and found.figures.runtime.startswith("PyTorch ")
        assert found.figures.image_shape == (1, 8, 8) and not found.figures.has_fixed_batch
