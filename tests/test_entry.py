"""Exit codes and the one line of an error, in processes of their own where streams count."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kfer import entry
from kfer.arguments import Parser
from kfer.console import after_the_deed, printable

TOY = """
import sys
from kfer import entry
from kfer.commands import print_json, print_table
from kfer.console import after_the_deed, log_to_console
import logging, signal, os

def body():
{body}

sys.exit(entry.run("kfer toy", body))
"""


def raising(error: BaseException):
    def body() -> int:
        raise error

    return body


class OpError(Exception):
    """As TensorFlow's and OpenCV's are: of no built-in kind."""


def toy(body: str, shell: str = 'exec "$@"', **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Runs a command in a process of its own, with its streams as a shell sets them."""
    code = TOY.format(body="".join(f"    {line}\n" for line in body.splitlines()))
    return subprocess.run(
        ["sh", "-c", shell, "sh", sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
    )


@pytest.mark.parametrize("code", [0, 1, 2])
def test_an_answer_is_the_exit_code(code: int):
    assert entry.run("kfer toy", lambda: code) == code


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ValueError("size must be 1; got 2"), 2, "size must be 1; got 2"),
        (FileNotFoundError("there is no file a.png"), 2, "there is no file a.png"),
        (ModuleNotFoundError("a needs b"), 2, "a needs b"),
        (MemoryError(), 2, "there is not enough memory (MemoryError)"),
        (RecursionError("too deep"), 2, "RecursionError: too deep (KFER_DEBUG=1 prints the traceback)"),
        (AttributeError("no a"), 2, "AttributeError: no a (KFER_DEBUG=1 prints the traceback)"),
        (OpError("in C++\n\n  two lines"), 2, "OpError: in C++ two lines (KFER_DEBUG=1 prints"),
        (KeyError("a"), 2, "KeyError: 'a' (KFER_DEBUG=1"),
        (ValueError(), 2, "ValueError (KFER_DEBUG=1"),
        (AssertionError(), 2, "AssertionError (KFER_DEBUG=1"),
        (SystemExit(1), 2, "SystemExit: 1"),
        (SystemExit("no"), 2, "SystemExit: no"),
        (SystemExit(None), 2, "SystemExit"),
        (GeneratorExit(), 2, "GeneratorExit"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (ValueError("x" * 5000), 2, " ... "),
        (ValueError("\x1b[2J\udcff.png"), 2, r"\x1b[2J\xff.png"),
    ],
)
def test_no_exception_is_an_answer(error: BaseException, code: int, line: str, capsys):
    assert entry.run("kfer toy", raising(error)) == code
    said = capsys.readouterr()
    assert said.err.startswith("kfer toy: ") and line in said.err
    assert said.err.count("\n") == 1 and len(said.err) < 2100 and not said.out


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device", "a/b"),
        OpError("RESOURCE_EXHAUSTED: a/b; No space left on device"),
        RuntimeError("database or disk is full"),
    ],
)
def test_a_full_disk_is_named_whatever_the_error(error: BaseException, capsys):
    assert entry.run("kfer toy", raising(error)) == 2
    said = capsys.readouterr().err
    assert said == f"kfer toy: the disk is full ({error})\n"


def test_the_signal_that_ended_it_is_its_exit_code(capsys):
    assert entry.run("kfer toy", raising(SystemExit(128 + signal.SIGTERM))) == 128 + signal.SIGTERM
    assert not capsys.readouterr().err


def test_kfers_own_runtime_error_has_words_for_users(tmp_path: Path, capsys):
    from kfer.pipeline.runner import exclusive

    def body() -> int:
        with exclusive(tmp_path), exclusive(tmp_path):
            return 0

    assert entry.run("kfer toy", body) == 2
    assert "kfer toy: another run holds the pipeline root" in capsys.readouterr().err


def test_an_error_whose_message_fails_is_told(capsys):
    class UnsayableError(Exception):
        def __str__(self) -> str:
            raise KeyError("message")

    assert entry.run("kfer toy", raising(UnsayableError())) == 2
    assert "UnsayableError: its message cannot be shown" in capsys.readouterr().err


def test_debugging_prints_the_traceback_and_the_line(monkeypatch, capsys):
    monkeypatch.setenv("KFER_DEBUG", "1")
    assert entry.run("kfer toy", raising(TypeError("a bug"))) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback") and lines[-1].startswith("kfer toy: TypeError: a bug")


def test_a_parser_ends_a_command_in_one_line(capsys):
    assert entry.run("kfer toy", lambda: Parser(prog="kfer toy").parse_args(["--help"])) == 0
    assert capsys.readouterr().out.startswith("usage: kfer toy")
    assert entry.run("kfer toy", lambda: Parser(prog="kfer toy").parse_args(["--no"])) == 2
    assert capsys.readouterr().err == "kfer toy: there is no option --no. See kfer toy --help\n"


def test_a_module_that_cannot_be_imported_is_told_by_every_command(tmp_path: Path):
    # What all of them import, each in its body.
    (tmp_path / "argparse.py").write_text("raise ImportError('libgl is missing')\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    for command in ("kfer", "kfer.pipeline", "kfer.study", "kfer.comparison", "kfer.tuning"):
        process = subprocess.run(
            [sys.executable, "-m", command, "models"], capture_output=True, text=True, env=environment
        )
        assert process.returncode == 2, command
        assert process.stderr.count("\n") == 1 and "libgl is missing" in process.stderr


@pytest.mark.parametrize(
    "shell", ['exec "$@" 2>&-', 'exec "$@" >&-', 'exec "$@" >&- 2>&-', 'exec "$@" <&-']
)
@pytest.mark.parametrize(("body", "code"), [("print('a'); return 1", 1), ("raise ValueError('a')", 2)])
def test_closed_streams_change_no_exit_code(shell: str, body: str, code: int):
    assert toy(body, shell).returncode == code


def test_nothing_is_written_into_a_file_that_takes_a_closed_streams_place(tmp_path: Path):
    file = tmp_path / "a.txt"
    body = f"file = open({str(file)!r}, 'w')\nprint('for nobody', file=sys.stderr)\nraise ValueError('a')"
    assert toy(body, 'exec "$@" 2>&-').returncode == 2
    assert file.read_bytes() == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_an_answer_that_cannot_be_written_is_none():
    process = toy("print('yes'); return 0", 'exec "$@" >/dev/full')
    assert process.returncode == 2
    assert process.stderr == b"kfer toy: standard output cannot be written: No space left on device\n"
    process = toy(
        "log_to_console()\nlogging.getLogger('kfer.a').info('b')\nreturn 0", 'exec "$@" >/dev/full'
    )
    assert process.returncode == 2 and process.stderr.count(b"\n") == 1
    assert toy("raise ValueError('a')", 'exec "$@" 2>/dev/full').returncode == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_deed_that_is_done_is_no_failure_where_its_line_cannot_be_written():
    process = toy("with after_the_deed():\n    print('done')\nreturn 0", 'exec "$@" >/dev/full')
    assert process.returncode == 0
    assert (
        process.stderr
        == b"kfer: all is done, but standard output cannot be written: No space left on device\n"
    )


def test_an_error_after_the_deed_is_still_one():
    with pytest.raises(ValueError, match="no line"), after_the_deed():
        raise ValueError("no line")


@pytest.mark.parametrize(
    "body", ["print('a' * 100_000); return 0", "for _ in range(9999): print('abc' * 9)"]
)
def test_a_reader_that_has_gone_ends_it_quietly(body: str):
    process = toy(body, '{ "$@"; echo $? >&2; } | true')
    assert process.stderr in (b"141\n", b"0\n")  # where it was quicker than its reader
    process = toy(f"import time; time.sleep(0.5)\n{body}", '{ "$@"; echo $? >&2; } | true')
    assert process.stderr == b"141\n"


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"},
        {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        {"PYTHONIOENCODING": "utf-8"},
    ],
)
def test_any_name_is_printed_on_any_console(environment: dict[str, str]):
    names = [
        "\u674e\u96f7",
        "\udcff.png",
        "a\x1b[31m\x9bb\x07\r\x7f",
        "\u202egnp.exe",
        "\U0001f600",
        "a\nb",
    ]
    body = (
        f"names = {names!a}\nprint_table(['name'], [[name] for name in names])\nprint(names[2])\n"
        "print(names[0], file=sys.stderr)\nprint_json(names)\nraise ValueError(names[2])"
    )
    process = toy(body, **environment)
    assert process.returncode == 2
    for stream in (process.stdout, process.stderr):
        assert not set(stream) & set(b"\x1b\x07\r\x7f") and b"\xc2\x9b" not in stream
    lines = process.stdout.splitlines()
    assert lines[3] == rb"a\x1b[31m\x9bb\x07\x0d\x7f" and lines[6] == rb"a\nb"
    assert process.stderr.splitlines()[-1] == rb"kfer toy: a\x1b[31m\x9bb\x07 \x7f"
    # What programs read is JSON on any console, with the very names.
    import json

    found = json.loads(process.stdout[process.stdout.index(b"[\n") :].decode("utf-8"))
    assert found == names


def test_printable_texts_are_unchanged():
    for text in ("\u674e\u96f7 Zo\u00eb", "a\tb\n", "\u06cc\u200c\u06a9", "\U0001f468\u200d\U0001f469"):
        assert printable(text, keep_lines=True) == text


def test_bars_on_a_closed_standard_error_do_no_harm():
    body = "from tqdm import tqdm\nfor _ in tqdm(range(3), file=sys.stderr): pass\nreturn 0"
    assert toy(body, 'exec "$@" 2>&-').returncode == 0
    shown = toy(body).stderr
    assert b"\r" in shown and b"\\x0d" not in shown


def test_streams_are_given_back(capsys):
    before = sys.stdout, sys.stderr
    with contextlib.suppress(SystemExit):
        entry.run("kfer toy", raising(SystemExit(1)))
    assert (sys.stdout, sys.stderr) == before
