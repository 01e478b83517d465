"""The kinds of values that kfer's files hold."""

import unicodedata
from pathlib import PurePosixPath, PureWindowsPath
from typing import Annotated

from pydantic import AfterValidator, Field

from kfer import knowledge

# Control characters, half surrogate pairs, line and paragraph separators.
_REFUSED = frozenset({"Cc", "Cs", "Zl", "Zp"})
_LONGEST = 1000
_ROUNDING = 1e-3


#: The threshold that no pair reaches may lie so far above 1.
BEYOND = 1e-5


def _cosine(number: float) -> float:
    if not -1 <= number <= 1 + BEYOND:
        raise ValueError(f"expected a cosine, in [-1, 1]; got {number!r}")
    return number


def _one_line(text: str) -> str:
    if not text.strip() or len(text) > _LONGEST:
        raise ValueError(f"expected text of 1 to {_LONGEST:,} characters; got {len(text):,}")
    if any(unicodedata.category(sign) in _REFUSED for sign in text):
        raise ValueError(f"expected one line without control characters; got {text[:60]!r}")
    return text


def _folder_name(name: str) -> str:
    if name in (".", "..") or "/" in name or "\\" in name:
        raise ValueError(f"expected a name without slashes; got {name[:60]!r}")
    return name


def _within(path: str) -> str:
    if PurePosixPath(path).is_absolute() or PureWindowsPath(path).drive or "\\" in path:
        raise ValueError(f"expected a path within the folder, with / between names; got {path[:60]!r}")
    if ".." in PurePosixPath(path).parts:
        raise ValueError(f"expected a path within the folder; got {path[:60]!r}")
    return path


def _all_different(names: list[str]) -> list[str]:
    twice = next((name for name in names if names.count(name) > 1), None) if names else None
    if twice is not None:
        raise ValueError(f"expected names that differ; got {twice[:60]!r} twice")
    return names


def _kinds(shares: dict[str, float]) -> dict[str, float]:
    unknown = shares.keys() - knowledge.KINDS
    if unknown:
        raise ValueError(
            f"expected shares of {', '.join(knowledge.KINDS)}; got {', '.join(sorted(unknown))[:60]!r}"
        )
    if shares and abs(sum(shares.values()) - 1) > _ROUNDING:
        raise ValueError(f"expected shares that add up to 1; got {sum(shares.values()):g}")
    return shares


#: Text of one line without control characters: a class, a person, a dataset.
Name = Annotated[str, AfterValidator(_one_line)]
#: One that can be the name of a file or a folder.
FolderName = Annotated[Name, AfterValidator(_folder_name)]
#: Names in their order, no two of them equal.
Names = Annotated[list[Name], AfterValidator(_all_different)]
#: A path of a file within the described folder, with / between names.
PathWithin = Annotated[Name, AfterValidator(_within)]
Similarity = Annotated[float, AfterValidator(_cosine)]
Share = Annotated[float, Field(ge=0, le=1)]
#: A share that neither nothing nor all of something is.
Rate = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Size = Annotated[int, Field(ge=1, le=65536)]
#: SHA-256, in hexadecimal digits.
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
#: The share of each kind of training images: see `kfer.knowledge`.
TrainedOn = Annotated[dict[str, Share], AfterValidator(_kinds)]
