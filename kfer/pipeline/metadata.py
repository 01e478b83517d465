"""What ran, when, from what and into what: ML Metadata's nouns in an SQLite file.

Executions use and make artifacts (events); contexts group executions into runs. An execution's
outputs count only once its state is COMPLETE, which one transaction writes after all its folders are
in place.
"""

import contextlib
import dataclasses
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kfer.pipeline.artifacts import TYPES, Artifact

RUNNING, COMPLETE, CACHED, FAILED, INTERRUPTED = (
    "RUNNING",
    "COMPLETE",
    "CACHED",
    "FAILED",
    "INTERRUPTED",
)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS contexts (
    id INTEGER PRIMARY KEY AUTOINCREMENT, type TEXT NOT NULL, name TEXT NOT NULL,
    state TEXT NOT NULL, settings TEXT NOT NULL, started REAL NOT NULL, finished REAL);
CREATE TABLE IF NOT EXISTS executions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, component TEXT NOT NULL, key TEXT NOT NULL,
    state TEXT NOT NULL, message TEXT NOT NULL DEFAULT '', started REAL NOT NULL, finished REAL);
CREATE INDEX IF NOT EXISTS executions_by_key ON executions (component, key, state);
CREATE TABLE IF NOT EXISTS artifacts (
    id INTEGER PRIMARY KEY AUTOINCREMENT, type TEXT NOT NULL, uri TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS events (
    execution INTEGER NOT NULL REFERENCES executions (id),
    artifact INTEGER NOT NULL REFERENCES artifacts (id),
    kind TEXT NOT NULL CHECK (kind IN ('INPUT', 'OUTPUT')), name TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS events_by_execution ON events (execution, kind);
CREATE INDEX IF NOT EXISTS events_by_artifact ON events (artifact, kind);
CREATE TABLE IF NOT EXISTS associations (
    context INTEGER NOT NULL REFERENCES contexts (id),
    execution INTEGER NOT NULL REFERENCES executions (id));
"""


@dataclass(frozen=True)
class Stored:
    """An artifact as the store knows it.

    Attributes:
        id: Its number, unique in the pipeline root.
        artifact: Its kind and absolute folder.
    """

    id: int
    artifact: Artifact


@dataclass(frozen=True)
class Execution:
    """One row of a run: a component, how it went, and what it made."""

    id: int
    component: str
    state: str
    message: str
    seconds: float
    outputs: Mapping[str, Stored]


@dataclass(frozen=True)
class Run:
    """One call of the pipeline; `settings` is the JSON of all its settings."""

    id: int
    name: str
    state: str
    settings: str
    started: float
    seconds: float


class MetadataStore:
    """The metadata of one pipeline root.

    Args:
        root: The pipeline root; folders inside it are stored relative to it, so that it can move.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        try:
            self._db = sqlite3.connect(root / "metadata.sqlite", isolation_level=None)
            self._db.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            raise OSError(
                f"{root / 'metadata.sqlite'} cannot be used ({error}). Free some space if the disk is "
                "full; if the file is damaged, move it away or take another --pipeline-root."
            ) from error

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def start_run(self, name: str, settings: str) -> int:
        """Records a new run and returns its number."""
        cursor = self._db.execute(
            "INSERT INTO contexts (type, name, state, settings, started) VALUES ('run', ?, ?, ?, ?)",
            (name, RUNNING, settings, time.time()),
        )
        return int(cursor.lastrowid or 0)

    def finish_run(self, run: int, state: str) -> None:
        """Records how a run ended."""
        self._db.execute(
            "UPDATE contexts SET state = ?, finished = ? WHERE id = ?", (state, time.time(), run)
        )

    def start_execution(self, run: int, component: str, key: str, inputs: Mapping[str, Stored]) -> int:
        """Records that a component starts, with what it takes, and returns its number."""
        return self._record_execution(run, component, key, RUNNING, inputs, {})

    def reuse_execution(
        self,
        run: int,
        component: str,
        key: str,
        inputs: Mapping[str, Stored],
        outputs: Mapping[str, Stored],
    ) -> int:
        """Records that earlier outputs serve this run too."""
        return self._record_execution(run, component, key, CACHED, inputs, outputs)

    def _record_execution(
        self,
        run: int,
        component: str,
        key: str,
        state: str,
        inputs: Mapping[str, Stored],
        outputs: Mapping[str, Stored],
    ) -> int:
        now = time.time()
        with self._transaction():
            cursor = self._db.execute(
                "INSERT INTO executions (component, key, state, started, finished) "
                "VALUES (?, ?, ?, ?, ?)",
                (component, key, state, now, now if state == CACHED else None),
            )
            execution = int(cursor.lastrowid or 0)
            self._db.execute("INSERT INTO associations VALUES (?, ?)", (run, execution))
            self._add_events(execution, "INPUT", ((n, s.id) for n, s in inputs.items()))
            self._add_events(execution, "OUTPUT", ((n, s.id) for n, s in outputs.items()))
        return execution

    def _add_events(self, execution: int, kind: str, named: Iterable[tuple[str, int]]) -> None:
        self._db.executemany(
            "INSERT INTO events VALUES (?, ?, ?, ?)",
            [(execution, artifact, kind, name) for name, artifact in named],
        )

    def complete_execution(
        self, execution: int, outputs: Mapping[str, Artifact], message: str
    ) -> dict[str, Stored]:
        """Publishes an execution's outputs, all at once."""
        stored = {}
        with self._transaction():
            for name, artifact in outputs.items():
                cursor = self._db.execute(
                    "INSERT INTO artifacts (type, uri) VALUES (?, ?)",
                    (type(artifact).__name__, artifact.path.relative_to(self.root).as_posix()),
                )
                stored[name] = Stored(int(cursor.lastrowid or 0), artifact)
            self._add_events(execution, "OUTPUT", ((n, s.id) for n, s in stored.items()))
            self._end_execution(execution, COMPLETE, message)
        return stored

    def fail_execution(self, execution: int, message: str) -> None:
        """Records why an execution failed."""
        self._end_execution(execution, FAILED, message)

    def _end_execution(self, execution: int, state: str, message: str) -> None:
        self._db.execute(
            "UPDATE executions SET state = ?, message = ?, finished = ? WHERE id = ?",
            (state, message, time.time(), execution),
        )

    def interrupt_unfinished(self) -> list[tuple[int, str]]:
        """Marks what a killed process left running, and returns its (execution, component)s.

        Only the holder of the pipeline root's lock may call this.
        """
        with self._transaction():
            left = self._db.execute(
                "SELECT id, component FROM executions WHERE state = ?", (RUNNING,)
            ).fetchall()
            self._db.execute(
                "UPDATE executions SET state = ?, finished = started WHERE state = ?",
                (INTERRUPTED, RUNNING),
            )
            self._db.execute(
                "UPDATE contexts SET state = ?, finished = started WHERE state = ?",
                (INTERRUPTED, RUNNING),
            )
        return left

    def find_outputs(self, component: str, key: str | None = None) -> dict[str, Stored] | None:
        """The outputs of a component's newest complete execution (of that key, if one is given)."""
        row = self._db.execute(
            "SELECT id FROM executions WHERE component = ? AND state = ? AND (? IS NULL OR key = ?) "
            "ORDER BY id DESC LIMIT 1",
            (component, COMPLETE, key, key),
        ).fetchone()
        return None if row is None else self.outputs(row[0])

    def outputs(self, execution: int) -> dict[str, Stored]:
        """The artifacts that an execution made."""
        return self._artifacts(execution, "OUTPUT")

    def _artifacts(self, execution: int, kind: str) -> dict[str, Stored]:
        rows = self._db.execute(
            "SELECT events.name, artifacts.id, artifacts.type, artifacts.uri FROM events "
            "JOIN artifacts ON artifacts.id = events.artifact "
            "WHERE events.execution = ? AND events.kind = ?",
            (execution, kind),
        )
        return {
            name: Stored(number, TYPES[type_name](self.root / uri))
            for name, number, type_name, uri in rows
        }

    def newest_executions(self, component: str) -> Iterator[tuple[dict[str, Stored], dict[str, Stored]]]:
        """The inputs and outputs of a component's complete executions, newest first."""
        rows = self._db.execute(
            "SELECT id FROM executions WHERE component = ? AND state = ? ORDER BY id DESC",
            (component, COMPLETE),
        ).fetchall()
        for (execution,) in rows:
            yield self._artifacts(execution, "INPUT"), self._artifacts(execution, "OUTPUT")

    def runs(self) -> list[Run]:
        """Every run, oldest first."""
        rows = self._db.execute(
            "SELECT id, name, state, settings, started, COALESCE(finished, ?) - started "
            "FROM contexts WHERE type = 'run' ORDER BY id",
            (time.time(),),
        )
        return [Run(*row) for row in rows]

    def executions(self, run: int) -> list[Execution]:
        """A run's executions in the order in which they started."""
        rows = self._db.execute(
            "SELECT executions.id, component, state, message, COALESCE(finished, ?) - started "
            "FROM executions JOIN associations ON associations.execution = executions.id "
            "WHERE associations.context = ? ORDER BY executions.id",
            (time.time(), run),
        ).fetchall()
        return [Execution(*row, outputs=self.outputs(row[0])) for row in rows]  # type: ignore[misc]


def plain(value: Any) -> Any:
    """Dataclasses, also those in a mapping, as dictionaries; anything else as it is."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value  # type: ignore[arg-type]


def canonical_json(value: object) -> str:
    """A JSON text that is the same for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
