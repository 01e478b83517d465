import cv2

from kfer.datasets.drawing.__main__ import main


def test_writes_a_png_file(tmp_path, monkeypatch, capsys):
    file = tmp_path / "sheet.png"
    monkeypatch.setattr("sys.argv", ["drawing", str(file), "--people", "1", "--size", "32"])
    main()
    assert cv2.imread(str(file)).shape == (24 + 36, 4 + 7 * 36, 3)
    assert "1 people" in capsys.readouterr().out


def test_too_small_a_size_is_refused(tmp_path, capsys):
    assert main([str(tmp_path / "sheet.png"), "--size", "3"]) == 2
    assert "--size must be at least 24; got 3" in capsys.readouterr().err
