import json

import pytest

from kfer.json_text import parse_json


def test_what_json_has_is_returned():
    content = {"a": [1, -2.5, 1e-3, True, None, "\U0001f600 \u00e9"], "b": {"a": 2**63}}
    assert parse_json(json.dumps(content).encode()) == content
    assert parse_json(json.dumps(content, ensure_ascii=False).encode()) == content


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"{", "Expecting property name"),
        (b"{} {}", "Extra data"),
        (b"\xef\xbb\xbf{}", "begins with a byte order mark"),
        (b"\xff", "can't decode byte 0xff"),
        (b'{"a": NaN}', "expected finite numbers; got NaN"),
        (b'{"a": -Infinity}', "got -Infinity"),
        (b'{"a": 1e999}', "got 1e999"),
        (b'{"a": ' + b"9" * 5000 + b"}", "at most 24 digits; got one of 5,000"),
        (b'{"a": 1, "a": 2}', "'a' is twice in an object"),
        (b"[" * 100_000, "nested more than 100 deep"),
        (b"[" * 101 + b"]" * 101, "nested more than 100 deep"),
        (b'{"a": ' * 101 + b"1" + b"}" * 101, "nested more than 100 deep"),
        (b'{"a": "\\ud800"}', "surrogates not allowed"),
    ],
)
def test_what_is_none_is_refused(content, words):
    with pytest.raises(ValueError, match=words):
        parse_json(content)


def test_a_hundred_levels_are_enough():
    assert parse_json(b"[" * 100 + b"]" * 100)
