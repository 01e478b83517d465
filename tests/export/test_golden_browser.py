"""The page that checks golden vectors, run for real: LiteRT.js in Chromium without a window."""

import functools
import http.server
import json
import re
import shutil
import subprocess
import threading

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.download]
VARIANTS = ("float32", "int8")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class SilentHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def litert_js(tmp_path_factory):
    """The folder of LiteRT.js's packages, as npm installs it."""
    if shutil.which("npm") is None or CHROMIUM is None:
        pytest.skip("npm and Chromium are needed, and not both are here")
    folder = tmp_path_factory.mktemp("npm")
    command = ["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", "@litertjs/core@2.5"]
    process = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if process.returncode:
        pytest.skip(f"npm cannot install @litertjs/core: {process.stderr[-300:]}")
    return folder / "node_modules" / "@litertjs"


@pytest.fixture
def model(colour, litert_js, tmp_path):
    folder = tmp_path / "model"
    colour.write_golden(folder, VARIANTS)
    shutil.copytree(litert_js, folder / "golden" / "litert")
    return folder


def open_page(folder, profile):
    """The page's text in the element "verdict" and the cells of its rows, and its title."""
    handler = functools.partial(SilentHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [
            *(CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu"),
            f"--user-data-dir={profile}",
            "--virtual-time-budget=1200000",
            "--dump-dom",
            f"http://127.0.0.1:{server.server_port}/golden/check_golden.html",
        ]
        process = subprocess.run(command, capture_output=True, text=True, timeout=300)
        server.shutdown()
    page = process.stdout
    assert 'id="verdict"' in page, process.stderr[-2000:]
    (verdict,) = re.findall(r'id="verdict"[^>]*>([^<]*)<', page)
    (title,) = re.findall(r"<title>([^<]*)<", page)
    rows = [re.findall(r"<td[^>]*>([^<]*)<", row) for row in re.findall(r"<tr.*?</tr>", page, re.DOTALL)]
    return verdict, [row for row in rows if row], title


def change(folder, change_content):
    path = folder / "golden" / "golden.json"
    content = json.loads(path.read_text())
    change_content(content["files"])
    path.write_text(json.dumps(content))


def test_every_output_passes(model, tmp_path):
    verdict, rows, title = open_page(model, tmp_path / "profile")
    assert verdict == "PASS: 4 outputs agree, 0 differ or fail, 0 files not run (4 images)"
    assert title == "PASS - golden vectors"
    assert [(row[1], row[4]) for row in rows] == 2 * [("embedding", "PASS"), ("expression", "PASS")]
    assert [row[0] for row in rows] == ["float32.tflite", "", "int8.tflite", ""]
    assert all(float(row[2]) <= float(row[3]) for row in rows)


def test_another_number_and_another_file_fail(model, tmp_path):
    def move(files):
        files[0]["outputs"][1]["expected"][2][1] += 0.01

    change(model, move)
    path = model / "int8.tflite"
    path.write_bytes(path.read_bytes() + b"\0")
    verdict, rows, title = open_page(model, tmp_path / "profile")
    assert verdict == "FAIL: 1 outputs agree, 2 differ or fail, 0 files not run (4 images)"
    assert title.startswith("FAIL")
    assert [row[4] for row in rows[:2]] == ["PASS", "FAIL"]
    assert float(rows[1][2]) == pytest.approx(0.01, rel=0.01)
    assert rows[2][4].startswith("FAIL: another file than the vectors are of")


def test_int8_input_is_said_not_to_run(model, tmp_path):
    # What LiteRT.js knows of a type is asked of golden.json; the file need not have it.
    change(model, lambda files: files[1]["input"].update(type="int8", zero_point=-128))
    verdict, rows, _ = open_page(model, tmp_path / "profile")
    assert verdict == "PASS: 2 outputs agree, 0 differ or fail, 1 files not run (4 images)"
    assert rows[2][4] == "not run: LiteRT.js exchanges no int8"


def test_without_litert_js_the_page_says_so(model, tmp_path):
    shutil.rmtree(model / "golden" / "litert")
    verdict, rows, title = open_page(model, tmp_path / "profile")
    assert verdict.startswith("ERROR: LiteRT.js is not in the folder litert beside this page")
    assert title.startswith("ERROR") and not rows
