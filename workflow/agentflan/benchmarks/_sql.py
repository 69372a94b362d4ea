"""The databases of DBBench: one table of text, the model's SQL, and the hash of what became of the table.

SQL of a model is hostile. SQLite runs in memory, one database an episode: an authorizer refuses whatever reaches beyond
it (ATTACH, PRAGMA, extensions), a handler stops a statement after its time, and values, pages and heap are bounded. On
a server, each episode gets a database and a user that may see nothing else; give a server that can be thrown away.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from typing import Any, Protocol

from agentflan.errors import NotAvailable

SHOWN = 800  # characters of a result that the model is shown
_CUT = "[TRUNCATED]"
_PREFIX = 5  # hex digits of a row's hash that count

_MAX_VALUE = 100_000  # bytes of a value, a row or a statement
_MAX_HEAP = 512 << 20  # bytes of all embedded databases of this process
_PAGE = 4096
_TICK = 20  # SQLite instructions between two looks at the clock
_REFUSED = {
    sqlite3.SQLITE_ATTACH,
    sqlite3.SQLITE_DETACH,
    sqlite3.SQLITE_PRAGMA,
    sqlite3.SQLITE_CREATE_VTABLE,
    sqlite3.SQLITE_DROP_VTABLE,
    sqlite3.SQLITE_ANALYZE,
}
_REFUSED_FUNCTIONS = {"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit", "printf", "format"}


class Database(Protocol):
    """What an episode does with a database."""

    def run(self, sql: str) -> str:
        """The result of a statement, or the error's message, as the model is shown it."""

    def hash(self, table: str, columns: Sequence[str]) -> str:
        """The hash of a table as it is now, or the error's message."""

    def close(self) -> None:
        """Throw the database away."""


class Sqlite:
    """A database in memory.

    Args:
        table, columns, rows: what it holds. A table that cannot be made is not there, as upstream.
        seconds: time of one statement.
        megabytes: size of the database.
    """

    def __init__(
        self, table: str, columns: Sequence[str], rows: Iterable[Sequence[str]], seconds: float, megabytes: float
    ) -> None:
        self._seconds, self._end = seconds, float("inf")
        # Episodes move between threads, but none is in two at a time.
        self._connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        for limit in (sqlite3.SQLITE_LIMIT_LENGTH, sqlite3.SQLITE_LIMIT_SQL_LENGTH):
            self._connection.setlimit(limit, _MAX_VALUE)
        self._connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        for pragma in (
            f"hard_heap_limit = {_MAX_HEAP}",
            f"page_size = {_PAGE}",
            f"max_page_count = {max(1, int(megabytes * (1 << 20) / _PAGE))}",
            "temp_store = MEMORY",
            "trusted_schema = OFF",
        ):
            self._connection.execute(f"PRAGMA {pragma}")
        create, insert = _statements(table, columns, "?")
        with suppress(sqlite3.Error):
            self._connection.execute(create)
            self._connection.executemany(insert, rows)
        self._connection.create_function("concat", -1, _concat, deterministic=True)
        self._connection.set_authorizer(_authorize)
        self._connection.set_progress_handler(lambda: time.monotonic() > self._end, _TICK)

    def run(self, sql: str) -> str:
        self._end = time.monotonic() + self._seconds
        try:
            return show(self._connection.execute(sql))[0]
        except (sqlite3.Error, sqlite3.Warning, MemoryError, OverflowError, ValueError) as error:
            return cut(str(error) or type(error).__name__)

    def hash(self, table: str, columns: Sequence[str]) -> str:
        self._end = time.monotonic() + self._seconds
        named = ", ".join(_quote(column) for column in columns)
        try:
            return table_hash(self._connection.execute(f"SELECT {named} FROM {_quote(table)}"))
        except (sqlite3.Error, MemoryError, OverflowError) as error:
            return str(error)

    def close(self) -> None:
        self._connection.close()


class Server:
    """A database of its own on a MySQL or MariaDB server, and a user that sees nothing else.

    Args:
        table, columns, rows: what it holds.
        seconds: time of one statement.
        server: how to reach it: host, port or unix_socket, user, and the variable that holds its password
            (`password_env`). The user must be allowed to create databases and users.

    Raises:
        NotAvailable: no driver, or the server cannot be reached.
    """

    def __init__(
        self,
        table: str,
        columns: Sequence[str],
        rows: Iterable[Sequence[str]],
        seconds: float,
        server: dict[str, Any],
    ) -> None:
        self._name, password = f"af_{secrets.token_hex(8)}", secrets.token_hex(16)
        self._server, self._seconds = server, seconds
        self._administer(
            f"CREATE DATABASE {self._name} CHARACTER SET utf8mb4",
            *(f"CREATE USER {user} IDENTIFIED BY '{password}'" for user in self._users()),
            *(f"GRANT ALL ON {self._name}.* TO {user}" for user in self._users()),
        )
        place = {key: value for key, value in server.items() if key not in ("user", "password_env")}
        self._reach = (place | {"user": self._name, "password": password, "database": self._name}, seconds)
        self._connection = _connect(*self._reach)
        create, insert = _statements(table, [column.replace("%", "%%") for column in columns], "%s")
        create = create.replace("%%", "%")
        with suppress(self._connection.Error), self._connection.cursor() as cursor:
            cursor.execute(create)
            cursor.executemany(insert, list(rows))

    def run(self, sql: str) -> str:
        from pymysql.cursors import SSCursor

        try:
            cursor = self._connection.cursor(SSCursor)
            cursor.execute(sql)
            text, whole = show(cursor)
        except (self._connection.Error, RuntimeError, ValueError) as error:
            text, whole = cut(str(error)), self._connection.open
        if not whole:
            self._reconnect()
        return text

    def hash(self, table: str, columns: Sequence[str]) -> str:
        named = ", ".join(_quote(column) for column in columns)
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(f"SELECT {named} FROM {_quote(table)}")
                return table_hash(cursor)
        except self._connection.Error as error:
            return str(error)

    def close(self) -> None:
        self._connection._force_close()
        self._administer(f"DROP DATABASE {self._name}", f"DROP USER {', '.join(self._users())}")

    def _users(self) -> list[str]:
        """The user, from this machine and from others: an anonymous local user would come before one from anywhere."""
        return [f"{self._name}@'{host}'" for host in ("localhost", "%")]

    def _reconnect(self) -> None:
        """Leave a statement that takes too long or says too much."""
        self._connection._force_close()
        with suppress(self._connection.Error):  # it may have ended by itself
            self._administer(f"KILL CONNECTION {self._connection.thread_id()}")
        self._connection = _connect(*self._reach)

    def _administer(self, *statements: str) -> None:
        """Run statements as the user of the configuration, on a connection that is not kept."""
        with closing(_connect(self._server, self._seconds)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


def show(rows: Iterable[Sequence[Any]]) -> tuple[str, bool]:
    """Rows as Python prints a list of tuples, cut after `SHOWN` characters, and whether all rows were fetched."""
    shown, size = [], 2
    for row in rows:
        shown.append(repr(tuple(row)))
        size += len(shown[-1]) + 2
        if size > SHOWN + 2:
            return cut(f"[{', '.join(shown)}]"), False
    return f"[{', '.join(shown)}]", True


def cut(text: str) -> str:
    """At most `SHOWN` characters, and a mark if there were more."""
    return text if len(text) <= SHOWN else text[:SHOWN] + _CUT


def table_hash(rows: Iterable[Sequence[Any]]) -> str:
    """AgentBench's hash: MD5 of the sorted beginnings of the rows' MD5, as the text of the result that MySQL gives."""
    beginnings = sorted(_row_hash(row) for row in rows)
    if not beginnings:
        return "[(None,)]"
    return f"[('{_md5(','.join(beginnings))}',)]"


def _row_hash(row: Sequence[Any]) -> str:
    return _md5(",".join(str(value) for value in row if value is not None))[:_PREFIX]


def _md5(text: str) -> str:
    return hashlib.md5(text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


def _statements(table: str, columns: Sequence[str], mark: str) -> tuple[str, str]:
    """What makes a table of text, and what fills it."""
    named = [_quote(column) for column in columns]
    create = f"CREATE TABLE {_quote(table)} ({', '.join(f'{column} TEXT' for column in named)})"
    return create, f"INSERT INTO {_quote(table)} ({', '.join(named)}) VALUES ({', '.join([mark] * len(named))})"


def _quote(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _authorize(action: int, first: str | None, second: str | None, database: str | None, source: str | None) -> int:
    if action in _REFUSED or (action == sqlite3.SQLITE_FUNCTION and second in _REFUSED_FUNCTIONS):
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _concat(*values: Any) -> str | None:
    """MySQL's CONCAT, which SQLite lacks."""
    return None if None in values else "".join(map(str, values))


def _connect(reach: dict[str, Any], seconds: float) -> Any:
    try:
        import pymysql
    except ImportError:
        raise NotAvailable("a MySQL server needs the package pymysql") from None
    known = {key: reach[key] for key in ("host", "port", "unix_socket", "user", "database") if key in reach}
    password = reach.get("password") or os.environ.get(reach.get("password_env", ""), "")
    try:
        return pymysql.connect(
            **known,
            password=password,
            charset="utf8mb4",
            autocommit=True,
            read_timeout=seconds,
            local_infile=False,
            sql_mode="",
        )
    except (pymysql.Error, RuntimeError) as error:
        raise NotAvailable(f"the MySQL server cannot be reached: {error}") from None
