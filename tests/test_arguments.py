import pytest

from kfer.arguments import Parser, nearest, number, whole, wholes
from kfer.entry import Ended


@pytest.fixture
def parser() -> Parser:
    made = Parser(prog="kfer toy")
    made.add_argument("image", nargs="?")
    made.add_argument("--size", type=whole("at least 16"))
    made.add_argument("--share", type=number("in (0, 1]"))
    made.add_argument("--threads", type=wholes("at least 1"))
    made.add_argument("--detector", choices=("mtcnn", "blazeface"))
    return made


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--size", "15"], "--size must be at least 16; got 15"),
        (["--size", "1e3"], "--size must be a whole number; got 1e3"),
        (["--size", "1_000"], "--size must be a whole number; got 1_000"),
        (["--size", "0x20"], "--size must be a whole number; got 0x20"),
        (["--size", "\u0661\u0662\u0663"], "--size must be a whole number; got"),
        (["--size", " 20"], "--size must be a whole number; got"),
        (["--size", "True"], "--size must be a whole number; got True"),
        (["--size", "9" * 19], "--size must be at most 2,147,483,647 in size; got"),
        (["--size", "9" * 5000], "(5,002 characters)"),
        (["--share", "nan"], "--share must be a finite number; got nan"),
        (["--share=-inf"], "--share must be a finite number; got -inf"),
        (["--share", "infinity"], "--share must be a finite number; got infinity"),
        (["--share", "1e400"], "--share must be a finite number; got 1e400"),
        (["--share", "0"], "--share must be in (0, 1]; got 0"),
        (["--share", "-0.0"], "--share must be in (0, 1]; got -0.0"),
        (["--threads", "1,0"], "--threads must be at least 1; got 0"),
        (["--threads", "1,,2"], "--threads must be a whole number; got"),
        (["--detector", "mtcn"], "must be among mtcnn, blazeface; got 'mtcn'; did you mean mtcnn?"),
        (["--sise", "20"], "there is no option --sise; did you mean --size?"),
        (["--sise=20"], "there is no option --sise; did you mean --size?"),
        (["a.png", "b.png"], "nothing is expected after the other arguments; got 'b.png'"),
    ],
)
def test_a_wrong_argument_is_told_in_one_line(parser: Parser, arguments: list[str], line: str, capsys):
    with pytest.raises(Ended) as ended:
        parser.parse_args(arguments)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("kfer toy: ") and line in said and said.count("\n") == 1 and len(said) < 400


def test_right_arguments_are_numbers(parser: Parser):
    parsed = parser.parse_args(["--size", "016", "--share", "1e-3", "--threads", "1,2"])
    assert (parsed.size, parsed.share, parsed.threads) == (16, 0.001, (1, 2))


def test_nothing_near_suggests_nothing():
    assert nearest("xyzzy", ["analyze", "verify"]) == ""
    assert nearest("analyse", ["analyze", "verify"]) == "; did you mean analyze?"
