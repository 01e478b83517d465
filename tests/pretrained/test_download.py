import hashlib
import http.server
import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kfer.pretrained import download, published

CONTENT = bytes(range(256)) * 12_000
DIGITS = hashlib.sha256(CONTENT).hexdigest()[:8]
NAME = f"toy-{DIGITS}.pth"


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT; what it does is set by attributes."""

    content = CONTENT
    resumes = True
    stops_after: int | None = None

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges: list[str | None] = []


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        content, start = self.server.content, 0
        if self.path != f"/{NAME}":
            return self.send_error(404)
        if asked and self.server.resumes:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                return self.send_error(416)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : self.server.stops_after])
        return None

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    with Server() as running:
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setattr(download, "SITE", f"http://127.0.0.1:{running.server_port}/")
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path) -> Path:
    monkeypatch.setattr(download, "_FILES", {("toy", "imagenet"): NAME})
    monkeypatch.setenv("KFER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def leftovers(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if path.suffix != ".lock")


def test_a_file_is_downloaded_once(server: Server, cache: Path, caplog) -> None:
    with caplog.at_level(logging.INFO):
        path = published("toy", "imagenet")
    assert path == cache / NAME
    assert path.read_bytes() == CONTENT
    assert f"downloading {download.SITE}{NAME} to {path}" in caplog.text
    assert published("toy", "imagenet") == path
    assert server.ranges == [None]
    assert leftovers(cache) == [NAME]


def test_progress_is_logged(server: Server, caplog, monkeypatch) -> None:
    monkeypatch.setattr("kfer.progress._SECONDS_BETWEEN_LINES", 0.0)
    with caplog.at_level(logging.INFO):
        published("toy", "imagenet")
    assert f"1 of 3 (33%) MiB of {NAME.removesuffix('.pth')}" in caplog.text


@pytest.mark.parametrize("resumes", [True, False])
def test_an_interrupted_download_goes_on_or_begins_anew(
    server: Server, cache: Path, resumes: bool
) -> None:
    server.stops_after = 1_000_000
    match = (
        f"could not download .*{NAME} .it stopped after 1,000,000 of 3,072,000 bytes.. Run again to go on"
    )
    with pytest.raises(OSError, match=match):
        published("toy", "imagenet")
    assert not (cache / NAME).exists()
    server.stops_after, server.resumes = None, resumes
    assert published("toy", "imagenet").read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1000000-"]
    assert leftovers(cache) == [NAME]


@pytest.mark.parametrize("beginning", [CONTENT, CONTENT + b"more"])
def test_a_whole_partial_file_begins_anew(server: Server, cache: Path, beginning: bytes) -> None:
    cache.mkdir()
    (cache / NAME).with_suffix(".partial").write_bytes(beginning)
    assert published("toy", "imagenet").read_bytes() == CONTENT
    assert server.ranges == [f"bytes={len(beginning)}-", None]


def test_what_has_another_hash_is_not_kept(server: Server, cache: Path) -> None:
    server.content = CONTENT[:-1] + b"x"
    came = hashlib.sha256(server.content).hexdigest()
    with pytest.raises(
        ValueError, match=f"expected a SHA-256 of {DIGITS}..., got {came}. Nothing was kept"
    ):
        published("toy", "imagenet")
    assert leftovers(cache) == []


def test_a_wrong_file_in_the_cache_is_neither_used_nor_replaced(server: Server, cache: Path) -> None:
    cache.mkdir()
    (cache / NAME).write_bytes(b"other")
    came = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(ValueError, match=f"{cache / NAME} is not .* {DIGITS}..., got {came}. Delete it"):
        published("toy", "imagenet")
    assert (cache / NAME).read_bytes() == b"other"
    assert server.ranges == []


def test_a_file_that_was_put_there_needs_no_network(cache: Path) -> None:
    cache.mkdir()
    (cache / NAME).write_bytes(CONTENT)
    assert published("toy", "imagenet") == cache / NAME


def test_without_a_network_the_place_is_told(cache: Path, monkeypatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        site = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "SITE", site)
    match = f"could not download {site}{NAME} .*refused.*put the file at {cache / NAME}; .*KFER_CACHE"
    with pytest.raises(OSError, match=match):
        published("toy", "imagenet")


def test_a_file_that_the_site_lacks_is_told(server: Server, monkeypatch) -> None:
    monkeypatch.setattr(download, "_FILES", {("toy", "imagenet"): "gone-00.pth"})
    with pytest.raises(OSError, match=r"could not download .*gone-00.pth \(HTTP Error 404"):
        published("toy", "imagenet")


def test_two_at_once_download_it_once(server: Server, cache: Path) -> None:
    results: list[bytes] = []
    workers = [
        threading.Thread(target=lambda: results.append(published("toy", "imagenet").read_bytes()))
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert results == [CONTENT] * 4
    assert server.ranges == [None]


def test_what_is_not_published_lists_what_is(monkeypatch) -> None:
    monkeypatch.undo()
    with pytest.raises(
        ValueError,
        match=r"no weights 'imagenet' are published for 'compact'. Published are "
        "'imagenet' for densenet161; 'imagenet' for resnet152; 'imagenet-v2' for resnet152; "
        "otherwise give None or a file",
    ):
        published("compact", "imagenet")
    with pytest.raises(ValueError, match="no weights 'imagenet-v2' are published for 'densenet161'"):
        published("densenet161", "imagenet-v2")


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path) -> None:
    assert download.cache() == tmp_path / "cache"
    monkeypatch.delenv("KFER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert download.cache() == tmp_path / "xdg" / "kfer"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert download.cache() == tmp_path / ".cache" / "kfer"
