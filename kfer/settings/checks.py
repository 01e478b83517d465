"""What settings check of their values: a ValueError says what is expected, and what came."""


def check(allowed: bool, field_name: str, expected: str, value: object) -> None:
    """Raises a ValueError that says what a field must be, where it is not allowed."""
    if not allowed:
        raise ValueError(f"{field_name} must be {expected}; got {value!r}")


def check_folder_name(name: str, field_name: str = "name") -> None:
    """Checks a name that folders are called by."""
    plain = name.replace("_", "").replace("-", "").isalnum()
    check(plain, field_name, "letters, digits, - and _ (it names folders)", name)


def check_numbers(settings: object, expected: str, *names: str) -> None:
    """Checks fields against "at least 1", "above 0", "at least 0", "in [0, 1)", "in [50, 100]", ..."""
    allowed = {
        "at least 1": lambda value: value >= 1,
        "at least 0": lambda value: value >= 0,
        "above 0": lambda value: value > 0,
        "in [0, 1)": lambda value: 0 <= value < 1,
        "in [0, 1]": lambda value: 0 <= value <= 1,
        "in (0, 1]": lambda value: 0 < value <= 1,
        "in [50, 100]": lambda value: 50 <= value <= 100,
    }[expected]
    for name in names:
        check(allowed(getattr(settings, name)), name, expected, getattr(settings, name))


def check_choices(settings: object, choices: tuple[str, ...], name: str) -> None:
    """Checks that a field, or each entry of one that is a tuple, is among the choices."""
    value = getattr(settings, name)
    for item in value if isinstance(value, tuple) else (value,):
        check(item in choices, name, f"among {', '.join(choices)}", item)
