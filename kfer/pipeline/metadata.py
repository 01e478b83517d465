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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from kfer.files import DamagedError, DiskFullError, is_disk_full, named_if_damaged
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
_ADVICE = (
    "restore it from a copy, or move it away and run again, which starts anew; the folders of artifacts "
    "stay as they are"
)
#: What SQLite may not do, by its codes.
_REFUSED = {
    sqlite3.SQLITE_BUSY: "is locked by another process: let that end, and run again",
    sqlite3.SQLITE_LOCKED: "is locked by another process: let that end, and run again",
    sqlite3.SQLITE_READONLY: "cannot be written: its permissions or its folder's forbid it",
    sqlite3.SQLITE_PERM: "cannot be opened: its permissions or its folder's forbid it",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: its permissions or its folder's forbid it",
}
# Bytes of the settings of a run, and more; and seconds since 1970, up to the year 10,000.
_LONGEST_VALUE = 64 * 2**20
_LATEST = 253_402_300_800.0


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
        """Opens the file, or writes a new one.

        Raises:
            DamagedError: The file is damaged, or is not a pipeline's metadata.
            DiskFullError: There is no room on the disk.
            OSError: The file cannot be opened, or another process keeps it locked.
        """
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self._db = _Database(root / "metadata.sqlite")

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    def start_run(self, name: str, settings: str) -> int:
        """Records a new run and returns its number."""
        return self._db.execute(
            "INSERT INTO contexts (type, name, state, settings, started) VALUES ('run', ?, ?, ?, ?)",
            (name, RUNNING, settings, time.time()),
        )

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
        with self._db.transaction():
            execution = self._db.execute(
                "INSERT INTO executions (component, key, state, started, finished) "
                "VALUES (?, ?, ?, ?, ?)",
                (component, key, state, now, now if state == CACHED else None),
            )
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
        with self._db.transaction():
            for name, artifact in outputs.items():
                number = self._db.execute(
                    "INSERT INTO artifacts (type, uri) VALUES (?, ?)",
                    (type(artifact).__name__, artifact.path.relative_to(self.root).as_posix()),
                )
                stored[name] = Stored(number, artifact)
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
        with self._db.transaction():
            left = self._db.rows(
                "SELECT id, component FROM executions WHERE state = ?", (RUNNING,), (int, str)
            )
            self._db.execute(
                "UPDATE executions SET state = ?, finished = started WHERE state = ?",
                (INTERRUPTED, RUNNING),
            )
            self._db.execute(
                "UPDATE contexts SET state = ?, finished = started WHERE state = ?",
                (INTERRUPTED, RUNNING),
            )
        return left  # type: ignore[return-value]

    def find_outputs(self, component: str, key: str | None = None) -> dict[str, Stored] | None:
        """The outputs of a component's newest complete execution (of that key, if one is given)."""
        rows = self._db.rows(
            "SELECT id FROM executions WHERE component = ? AND state = ? AND (? IS NULL OR key = ?) "
            "ORDER BY id DESC LIMIT 1",
            (component, COMPLETE, key, key),
            (int,),
        )
        return self.outputs(rows[0][0]) if rows else None

    def outputs(self, execution: int) -> dict[str, Stored]:
        """The artifacts that an execution made."""
        return self._artifacts(execution, "OUTPUT")

    def _artifacts(self, execution: int, kind: str) -> dict[str, Stored]:
        rows = self._db.rows(
            "SELECT events.name, artifacts.id, artifacts.type, artifacts.uri FROM events "
            "JOIN artifacts ON artifacts.id = events.artifact "
            "WHERE events.execution = ? AND events.kind = ?",
            (execution, kind),
            (str, int, str, str),
        )
        return {name: Stored(number, self._artifact(kind, uri)) for name, number, kind, uri in rows}

    def _artifact(self, kind: str, uri: str) -> Artifact:
        place = PurePosixPath(uri)
        if kind not in TYPES or place.is_absolute() or ".." in place.parts or not uri.isprintable():
            found = f"it has an artifact {kind[:40]!r} at {uri[:200]!r}"
            raise DamagedError(f"{self._db.path} is damaged ({found}): {_ADVICE}")
        return TYPES[kind](self.root / uri)

    def newest_executions(self, component: str) -> Iterator[tuple[dict[str, Stored], dict[str, Stored]]]:
        """The inputs and outputs of a component's complete executions, newest first."""
        rows = self._db.rows(
            "SELECT id FROM executions WHERE component = ? AND state = ? ORDER BY id DESC",
            (component, COMPLETE),
            (int,),
        )
        for (execution,) in rows:
            yield self._artifacts(execution, "INPUT"), self._artifacts(execution, "OUTPUT")

    def runs(self) -> list[Run]:
        """Every run, oldest first."""
        rows = self._db.rows(
            "SELECT id, name, state, settings, started, COALESCE(finished, ?) - started "
            "FROM contexts WHERE type = 'run' ORDER BY id",
            (time.time(),),
            (int, str, str, str, float, float),
        )
        return [Run(*row) for row in rows]

    def executions(self, run: int) -> list[Execution]:
        """A run's executions in the order in which they started."""
        rows = self._db.rows(
            "SELECT executions.id, component, state, message, COALESCE(finished, ?) - started "
            "FROM executions JOIN associations ON associations.execution = executions.id "
            "WHERE associations.context = ? ORDER BY executions.id",
            (time.time(), run),
            (int, str, str, str, float),
        )
        return [Execution(*row, outputs=self.outputs(row[0])) for row in rows]  # type: ignore[misc]


class _Database:
    """The SQLite file. Whatever goes wrong with it is an error that names it.

    Attributes:
        path: Of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._named():
            if path.exists() and not path.is_file():
                raise ValueError("it is no file")
            self._db = sqlite3.connect(path, isolation_level=None)
            try:
                self._db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
                # A view or trigger of somebody else's could do anything, and for ever.
                self._db.execute("PRAGMA trusted_schema = OFF")
                self._check()
                self._db.executescript(_SCHEMA)
            except BaseException:
                self._db.close()
                raise

    def close(self) -> None:
        self._db.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            # A full disk or a damaged page has ended it already.
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise

    def execute(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Returns the number of the row that the statement inserts; of others it has no meaning."""
        with self._named():
            return int(self._db.execute(statement, values).lastrowid or 0)

    def executemany(self, statement: str, values: Iterable[Sequence[Any]]) -> None:
        with self._named():
            self._db.executemany(statement, values)

    def rows(
        self, query: str, values: Sequence[Any], types: Sequence[type[int] | type[str] | type[float]]
    ) -> list[tuple[Any, ...]]:
        """Returns the rows, whose columns have these types: SQLite itself keeps whatever it is given."""
        with self._named():
            rows = self._db.execute(query, values).fetchall()
            for row in rows:
                for value, wanted in zip(row, types, strict=True):
                    # Past this, a time has no date.
                    if type(value) is not wanted or (
                        isinstance(value, float) and not abs(value) < _LATEST
                    ):
                        raise ValueError(f"it has {str(value)[:100]!r} where a {wanted.__name__} belongs")
            return rows

    def _check(self) -> None:
        """Refuses what is not a pipeline's metadata, before anything is written."""
        (problem,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if problem != "ok":
            raise ValueError(problem)
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        found = self._db.execute("SELECT type, name FROM sqlite_schema").fetchall()
        tables = {name for kind, name in found if kind == "table"} - {"sqlite_sequence"}
        own = _columns(_SCHEMA)
        if version or {kind for kind, _ in found} - {"table", "index"} or not tables <= own.keys():
            raise ValueError(
                "it is another program's or a later kfer's; this one does not know its tables"
            )
        if tables and (missing := own.keys() - tables):
            raise ValueError(f"the table {min(missing)} is missing")
        for table in tables:
            here = {row[1] for row in self._db.execute(f"PRAGMA table_info({table})")}
            if missing := own[table] - here:
                raise ValueError(f"the column {min(missing)} of the table {table} is missing")

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        with named_if_damaged(self.path, _ADVICE):
            try:
                yield
            except sqlite3.Error as error:
                kind = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
                if kind == sqlite3.SQLITE_FULL or is_disk_full(error, self.path):
                    raise DiskFullError(self.path, "free some space, and run again to go on") from error
                if kind in _REFUSED:
                    raise PermissionError(f"{self.path} {_REFUSED[kind]} ({error})") from error
                raise


def _columns(schema: str) -> dict[str, set[str]]:
    """The names of the columns of each table that a schema makes."""
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        db.executescript(schema)
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {
            name: {row[1] for row in db.execute(f"PRAGMA table_info({name})")}
            for name in tables
            if name != "sqlite_sequence"
        }


def plain(value: Any) -> Any:
    """Dataclasses, also those in a mapping, as dictionaries; anything else as it is."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value  # type: ignore[arg-type]


def canonical_json(value: object) -> str:
    """A JSON text that is the same for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
