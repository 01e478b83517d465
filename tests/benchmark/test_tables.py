import csv
from pathlib import Path

import pytest

import kfer
from kfer.benchmark import Measurement, table, write
from kfer.benchmark.measurement import Figures


def measured(path: str, threads: int, median_ms: float, fixed: bool) -> Measurement:
    figures = Figures(
        runtime="LiteRT 2.3.0",
        image_shape=(48, 48, 3),
        dtype="uint8",
        timed_images=100,
        median_ms=median_ms,
        p90_ms=2 * median_ms,
        p99_ms=3 * median_ms,
        import_ms=200.0,
        start_ms=12345.0,
        peak_mb=1234.5,
        added_mb=100.25,
        images_per_second=dict.fromkeys((8, 16, 32, 128), 12345.0),
        has_fixed_batch=fixed,
    )
    return Measurement(Path(path), threads, 2.5, figures)


@pytest.fixture
def measurements():
    return [
        measured("a/float32.tflite", 1, 2.0, True),
        measured(f"a/{'long' * 30}/int8.tflite", 1, 0.5, False),
        Measurement(Path("a/b.onnx"), 1, 1.0, None, "needs onnxruntime, " * 10),
    ]


def test_the_table_fits_and_compares_with_the_first(measurements):
    lines = table(measurements).splitlines()
    assert max(map(len, lines)) <= 106
    assert lines[1].split()[:3] == ["model", "threads", "ms"]
    assert lines[2].split()[1:4] == ["1", "2.00", "1.00"] and "12345*" in lines[2]
    assert lines[3].startswith("…") and lines[3].split()[1:4] == ["1", "0.500", "0.25"]
    assert "int8.tflite"[-6:] in lines[3] and "*" not in lines[3]
    assert lines[4].split()[-3:] == ["1", "failed", "1.00"]
    text = "\n".join(lines)
    assert "CPU: " in text and "runtimes: LiteRT 2.3.0" in text
    assert "* takes only single images" in text and "failed: a/b.onnx: needs onnxruntime" in text


def test_where_the_first_failed_there_is_no_ratio(measurements):
    lines = table(measurements[::-1]).splitlines()
    assert "failed" in lines[2]
    # The 90th percentile follows the median at once.
    assert lines[4].split()[1:4] == ["1", "2.00", "4.00"]


def test_only_failures_make_a_table_too(measurements):
    assert "failed" in table(measurements[2:])


def test_the_csv_has_every_figure(measurements, tmp_path):
    write(tmp_path / "a.csv", measurements)
    first, second, failed = csv.DictReader((tmp_path / "a.csv").open(newline=""))
    assert first["model"] == "a/float32.tflite" and first["threads"] == "1"
    assert (first["median_ms"], second["ratio_to_first"]) == ("2.0", "0.25")
    assert first["image_shape"] == "48x48x3" and first["images_per_second_batch_128"] == "12345.0"
    assert failed["kfer"].startswith(kfer.__version__) and failed["date"].startswith("20")
    assert failed["median_ms"] == "" and failed["failure"].startswith("needs onnxruntime")
