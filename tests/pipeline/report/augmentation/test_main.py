import cv2
import numpy as np
import pytest

from kfer.pipeline.report.augmentation import page
from kfer.pipeline.report.augmentation.__main__ import main


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """What the page was asked for, instead of the page."""
    calls: list[tuple] = []
    monkeypatch.setattr(page, "render", lambda *arguments: calls.append(arguments) or "<html>")
    return calls


def test_writes_the_page(tmp_path, asked, capsys):
    out = tmp_path / "page.html"
    assert main(["--out", str(out), "--size", "32", "--seed", "7", "--strength", "0.5"]) == 0
    assert out.read_text() == "<html>"
    assert asked == [(32, 7, 0.5, None)]
    assert str(out) in capsys.readouterr().out


def test_takes_the_middle_square_of_an_own_image(tmp_path, asked):
    picture = np.zeros([40, 80, 3], np.uint8)
    picture[:, 20:60] = 255
    cv2.imwrite(str(tmp_path / "wide.png"), picture)
    assert main(["--out", str(tmp_path / "p"), "--image", str(tmp_path / "wide.png")]) == 0
    np.testing.assert_array_equal(asked[0][3], np.full([48, 48, 3], 255))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--image", "missing.png"], "missing.png"),
        (["--image", "text.png"], "text.png is no whole JPEG, PNG, BMP or GIF"),
        (["--size", "8"], "--size must be in [24, 1024]; got 8"),
        (["--strength", "-1"], "strength must be at least 0"),
    ],
)
def test_what_cannot_be_shown_is_said(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.png").write_text("no picture")
    assert main(["--out", "page.html", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()
