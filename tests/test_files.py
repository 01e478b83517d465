import csv
import dataclasses
import errno
import os
import zlib
from pathlib import Path

import pytest

from kfer import files
from kfer.settings import TaskSettings, TrainingSettings, default_tasks


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def differences(value: object, found: object) -> list[str]:
    return list(files.differences(value, found, "given"))


def test_equal_settings_do_not_differ():
    for value in (TrainingSettings(), default_tasks(), (1, 2), 0.5):
        assert differences(value, files.plain(value)) == []


def test_a_changed_field_is_named():
    found = files.plain(TrainingSettings(epochs=3))
    assert differences(TrainingSettings(epochs=4), found) == ["given.epochs was 3 and is 4"]


def test_a_changed_field_of_settings_in_a_mapping_is_named():
    tasks = default_tasks()
    changed = {**tasks, "identity": dataclasses.replace(tasks["identity"], weight=0.0)}
    assert differences(changed, files.plain(tasks)) == ["given.identity.weight was 0.1 and is 0.0"]


def test_another_key_makes_mappings_different():
    (said,) = differences({"a": 1, "b": 2}, {"a": 1})
    assert said == "given was {'a': 1} and is {'a': 1, 'b': 2}"


def test_a_setting_that_came_later_must_have_its_default():
    found = {"expression": files.plain(TaskSettings(names=("a", "b")))}
    del found["expression"]["dropout"]
    assert differences({"expression": TaskSettings(names=("a", "b"))}, found) == []
    (said,) = differences({"expression": TaskSettings(names=("a", "b"), dropout=0.5)}, found)
    assert said == "given.expression.dropout was None and is 0.5"


def test_a_table_has_the_columns_of_all_rows(tmp_path: Path):
    files.write_csv(tmp_path / "table.csv", [{"a": 1}, {"a": 2, "b": "x"}])
    with (tmp_path / "table.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [{"a": "1", "b": ""}, {"a": "2", "b": "x"}]
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_of_files_that_fit_the_newest_is_taken(tmp_path):
    for number, written in ((1, 30), (2, 50), (3, 40)):
        (tmp_path / str(number)).mkdir()
        file = tmp_path / str(number) / "model.keras"
        file.touch()
        os.utime(file, (written, written))
    assert files.newest(str(tmp_path / "*" / "model.keras")) == tmp_path / "2" / "model.keras"
    assert files.newest(str(tmp_path / "3" / "model.keras")) == tmp_path / "3" / "model.keras"
    with pytest.raises(FileNotFoundError, match=r"there is no file .*/\*\.h5"):
        files.newest(str(tmp_path / "*.h5"))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("no such\nblock"), "(no such block)"),
        (KeyError("name"), "(KeyError 'name')"),
        (zlib.error("bad data"), "(bad data)"),
        (AttributeError("it has no x"), "(it has no x)"),
        (MemoryError(), "(reading it takes more memory than there is)"),
        (RecursionError("maximum"), "(its content is nested too deep)"),
        (OSError("file signature not found"), "(file signature not found)"),
        (OSError(errno.EINVAL, "Invalid argument"), "([Errno 22] Invalid argument)"),
        (StopIteration(), "(StopIteration)"),
        (RuntimeError("\x1b[2J" + 1000 * "x"), "(\\x1b[2J" + 293 * "x" + "...)"),
        (type("PanicException", (BaseException,), {})("index out of range"), "(index out of range)"),
    ],
)
def test_any_failure_of_a_reader_names_the_file_and_what_to_do(error, words):
    with (
        pytest.raises(files.DamagedError) as raised,
        files.named_if_damaged("faces.zip", "fetch it anew"),
    ):
        raise error
    assert str(raised.value) == f"faces.zip is damaged {words}: fetch it anew"
    assert raised.value.__cause__ is error


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_interrupts_are_no_damage(interrupt):
    with pytest.raises(interrupt), files.named_if_damaged("faces.zip", "fetch it anew"):
        raise interrupt


def test_what_the_system_refuses_stays_what_it_is_and_names_the_file():
    full = OSError(errno.ENOSPC, "No space left on device")
    with (
        pytest.raises(OSError, match="left on device: 'faces") as raised,
        files.named_if_damaged("faces", "-"),
    ):
        raise full
    assert raised.value.errno == errno.ENOSPC
    with pytest.raises(FileNotFoundError, match="other"), files.named_if_damaged("faces", "-"):
        Path("other").read_bytes()


def test_the_name_of_an_inner_file_is_kept():
    inner, outer = files.named_if_damaged("inner", "mend it"), files.named_if_damaged("outer", "-")
    with pytest.raises(files.DamagedError, match=r"^inner is damaged \(x\): mend it$"), outer, inner:
        raise ValueError("x")


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1+1",
        "-1+1",
        "@SUM(1)",
        "\t=1",
        "\r=1",
        "  =1",
        "'=1",
        "''=1",
        " \t@a",
        "\uff1d1",
        "-",
        "\n=1",
    ],
)
def test_formulas_are_written_as_texts_and_read_as_they_were(tmp_path: Path, text: str):
    files.write_csv(tmp_path / "a.csv", [{"name": text, text: 1}])
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["name", f"'{text}"], [f"'{text}", "1"]]
    assert files.read_csv(tmp_path / "a.csv") == [{"name": text, text: "1"}]


@pytest.mark.parametrize(
    "value", ["Ada", "O'Neil", "'Ada'", "", "a=1", -0.5, "-0.5", "+5", "-1e-05", None, "nan"]
)
def test_other_cells_are_written_unchanged(tmp_path: Path, value):
    files.write_csv(tmp_path / "a.csv", [{"name": value, "last": "x"}])
    written = "" if value is None else str(value)
    assert (tmp_path / "a.csv").read_text() == f"name,last\n{written},x\n"
    assert files.read_csv(tmp_path / "a.csv") == [{"name": written, "last": "x"}]
