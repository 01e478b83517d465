import subprocess
import sys

import numpy as np
import pytest

from kfer.inference.__main__ import main


@pytest.fixture
def images_path(tmp_path, images):
    path = tmp_path / "images.npy"
    np.save(path, images)
    return path


def test_tflite_runs_without_tensorflow(tflite, images_path, expected, tmp_path):
    output = tmp_path / "outputs.npz"
    arguments = [str(tflite), str(images_path), str(output)]
    code = (
        "import sys; from kfer.inference.__main__ import main; main(sys.argv[1:]); "
        "assert not {'tensorflow', 'keras', 'tf_keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)
    np.testing.assert_allclose(np.load(output)["expression"], expected, atol=1e-6)


def test_saved_model_runs(saved_model, images_path, expected, tmp_path):
    output = tmp_path / "outputs"
    main([str(saved_model), str(images_path), str(output)])
    np.testing.assert_allclose(np.load(output)["expression"], expected, atol=1e-6)


def test_wrong_model_ends_with_code_2(images_path, tmp_path):
    command = [sys.executable, "-m", "kfer.inference", "nowhere", images_path, tmp_path / "o.npz"]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    assert run.returncode == 2
    assert "kfer.inference: there is no model at nowhere" in run.stderr
    assert "Traceback" not in run.stderr


def test_wrong_files_end_with_code_2(tflite, images_path, tmp_path, capsys):
    text = tmp_path / "text.npy"
    text.write_text("no array")
    folder = tmp_path / "no" / "o.npz"
    for arguments, message in (
        ([tflite, text, tmp_path / "o.npz"], "expected a .npy file of images"),
        ([tflite, tmp_path / "none.npy", tmp_path / "o.npz"], "No such file or directory"),
        ([tflite, images_path, folder], "No such file or directory"),
        ([tflite, images_path], "the following arguments are required: output"),
    ):
        assert main([str(argument) for argument in arguments]) == 2
        assert message in capsys.readouterr().err


def test_help_explains_the_arguments(capsys):
    assert main(["--help"]) == 0
    assert "RGB uint8 [n, height, width, 3]" in capsys.readouterr().out
