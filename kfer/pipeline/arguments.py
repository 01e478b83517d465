"""Settings on the command line, beside a parser's own options."""

from collections.abc import Collection, Sequence

from kfer.arguments import Parser


def separate(
    arguments: Sequence[str],
    parser: Parser,
    fields: Collection[str],
    names: Sequence[str],
) -> tuple[list[str], dict[str, str]]:
    """Returns the parser's own arguments, and the settings that others name with their values.

    Args:
        arguments: The command line's.
        parser: Knows its own options.
        fields: Settings that may be named without a dot.
        names: Settings that an unknown option may have meant.

    Raises:
        Ended: An option is neither the parser's nor a setting, or has no value.
    """
    known = parser._option_string_actions
    own: list[str] = []
    overrides = {}
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        option, equals, value = argument.partition("=")
        if not option.startswith("--"):
            own.append(argument)
        elif option in known:
            own.append(argument)
            if known[option].nargs != 0 and not equals and waiting:
                own.append(waiting.pop(0))
        else:
            name = option.removeprefix("--")
            if "." not in name and name not in fields:
                parser.error(parser.unknown([option], [f"--{name}" for name in names]))
            if not equals and not waiting:
                parser.error(f"{option} needs a value after it")
            overrides[name] = value if equals else waiting.pop(0)
    return own, overrides
