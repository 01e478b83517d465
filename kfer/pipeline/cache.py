"""When earlier outputs may be used again: the key of an execution."""

import hashlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kfer import source_code
from kfer.pipeline.component import Component
from kfer.pipeline.metadata import Stored, canonical_json, plain


def execution_key(
    component: Component, values: Mapping[str, Any], inputs: Mapping[str, Stored | None]
) -> str:
    """A hash of all that decides what an execution makes.

    Args:
        component: The component; its source counts, with every kfer module that it imports, directly
            or not.
        values: Its plain values.
        inputs: Its input artifacts; None where there is none yet.
    """
    parts = {
        "source": source_code.digest(Path(inspect.getfile(component.function))),
        "values": {name: plain(value) for name, value in values.items()},
        "inputs": {name: stored and stored.id for name, stored in inputs.items()},
        "outside": component.fingerprint(values),
    }
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()
