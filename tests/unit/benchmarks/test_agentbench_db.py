"""DBBench: answers, hashes, limits on hostile SQL, and the real tasks on SQLite and on a server."""

from __future__ import annotations

import getpass
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from benchmark_examples import Bench, say

from agentflan import datasets
from agentflan.benchmarks import agentbench_db
from agentflan.benchmarks._sql import SHOWN, Sqlite, table_hash
from agentflan.errors import ConfigError, NotAvailable, RecordError
from agentflan.files import write_jsonl

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
ROWS = [["Arden", "4"], ["Belmont", "7"]]


@pytest.fixture
def database() -> Iterator[Sqlite]:
    made = Sqlite("rain", ["City", "mm"], ROWS, seconds=0.5, megabytes=1)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("found", "label", "right"),
    [
        ('["7"]', ["7.0"], True),
        (" [7]", ["7"], True),
        ("7", ["7"], True),
        ("seven", ["seven"], True),
        (" seven", ["seven"], False),
        ('["b", "a"]', ["a", "b"], True),
        ('["a"]', ["a", "b"], False),
        ('[["a"]]', ["a", "b"], False),
        ("__import__('os').getcwd()", ["x"], False),
        ("", ["x"], False),
    ],
)
def test_answers(found: str, label: list[str], right: bool) -> None:
    assert agentbench_db.same_answer(found, label) == right


def test_the_hash_skips_what_is_null_and_the_order_of_rows() -> None:
    assert table_hash([("a", None), ("b", "c")]) == table_hash([("b", "c"), ("a",)])
    assert table_hash([]) == "[(None,)]"


def test_results_read_as_mysql_gives_them(database: Sqlite) -> None:
    assert database.run("SELECT mm FROM rain WHERE City = 'Arden';") == "[('4',)]"
    assert database.run("UPDATE rain SET mm = '5'") == "[]"
    assert database.run("SELECT CONCAT(City, ' ', mm) FROM rain LIMIT 1") == "[('Arden 5',)]"
    assert "no such table" in database.run("SELECT * FROM wind")
    long = database.run("SELECT r0.City FROM rain, " + ", ".join(f"rain AS r{number}" for number in range(9)))
    assert long.startswith("[('Arden',), ") and long.endswith("[TRUNCATED]") and len(long) == SHOWN + 11


@pytest.mark.parametrize(
    "sql",
    [
        "ATTACH '/etc/passwd' AS other",
        "VACUUM INTO '/tmp/agentflan_escape.db'",
        "PRAGMA max_page_count = 1000000000",
        "PRAGMA writable_schema = 1",
        "SELECT load_extension('/tmp/x.so')",
        "CREATE VIRTUAL TABLE files USING fts5(x)",
        "SELECT 1; SELECT 2",
    ],
)
def test_sql_stays_inside_its_database(database: Sqlite, sql: str) -> None:
    message = database.run(sql)

    assert not message.startswith("[")
    assert not Path("/tmp/agentflan_escape.db").exists()
    assert database.hash("rain", ["City", "mm"]) == table_hash(ROWS)


@pytest.mark.parametrize(
    "sql",
    [
        f"{ENDLESS} SELECT count(*) FROM n",
        f"{ENDLESS} INSERT INTO rain SELECT hex(randomblob(9000)), x FROM n",
        f"{ENDLESS} SELECT randomblob(90000) AS b FROM n ORDER BY b",
        "SELECT hex(zeroblob(1000000000))",
        "SELECT printf('%.*c', 1000000000, 'x')",
        f"SELECT {'(' * 5000}1{')' * 5000}",
    ],
)
def test_greedy_sql_ends_soon_and_leaves_the_table(database: Sqlite, sql: str) -> None:
    begin = time.monotonic()
    message = database.run(sql)

    assert time.monotonic() - begin < 5
    assert len(message) <= SHOWN + 11
    assert database.hash("rain", ["City", "mm"]) == table_hash(ROWS)


def test_an_episode_ends_as_the_harness_says(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of("agentbench_db", monkeypatch, max_rounds=2)
    look = "Look.\nAction: Operation\n```sql\nSELECT *\nFROM `city rain`\n```"

    def outcome(*replies: str) -> tuple[str, str]:
        row = bench.play(say(*replies))[0]
        return row["outcome"], row["prediction"]

    assert outcome(look, 'Known.\nAction: Answer\nFinal Answer: ["2"]') == ("completed", ' ["2"]')
    assert outcome("Known.\nFinal Answer: 2") == ("completed", " 2")
    assert outcome("Action: Answer\nI think it is 2") == ("invalid_action", "")
    assert outcome("Action: Operation\nSELECT 1") == ("invalid_action", "")
    assert outcome("I do not know.") == ("invalid_action", "")
    assert outcome(look) == ("task_limit", "")
    assert outcome(look, look, f"{look}\nFinal Answer: 2") == ("completed", " 2")  # the limit is reached
    assert outcome(look, f"{look}\nFinal Answer: 2", look) == ("task_limit", "")  # before, the statement counts
    assert bench.play(say(look))[0]["statements"] == 2
    small = Bench.of("agentbench_db", monkeypatch, max_segments=120)
    assert small.play(say(look))[0]["outcome"] == "context_limit"


def test_an_environment_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"key environment: found 'oracle'; expected sqlite or mysql"):
        Bench.of("agentbench_db", monkeypatch, environment="oracle")


def test_a_row_without_its_table_is_refused(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "standard.jsonl", [{"type": ["other"], "description": "?", "label": ["1"]}])
    with pytest.raises(RecordError, match="field table: found nothing; expected an object with table_name"):
        list(datasets.load("agentbench_db").read(tmp_path))


def test_a_server_that_is_not_there_means_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pymysql")
    bench = Bench.of("agentbench_db", monkeypatch, environment="mysql", server={"unix_socket": "/nowhere", "user": "x"})
    with pytest.raises(NotAvailable, match="cannot be reached"):
        bench.play_oracle()


def test_gold_changes_of_the_real_tasks_give_195_of_200_hashes_on_sqlite(shared_data: Path) -> None:
    bench = Bench("agentbench_db", shared_data / "agentbench")
    rows = bench.play_oracle()
    parts = bench.score(rows)["parts"]

    assert len(bench.tasks) == 300
    assert parts["categories"] == {"SELECT": 100, "INSERT": 98, "UPDATE": 97}
    first = next(row for row in rows if row["type"] == "INSERT")
    assert first["hash"] == "[('03b2eddd4fe471e0f29fc9e907fd5a5d',)]"
    assert bench.score(bench.play_random())["value"] < 5


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A MariaDB server of this test's own, without a network."""
    pytest.importorskip("pymysql")
    if not shutil.which("mariadbd") or not shutil.which("mariadb-install-db"):
        pytest.skip("no MariaDB on this machine")
    folder = tmp_path_factory.mktemp("mariadb")
    common = ["--no-defaults", f"--datadir={folder}/data", f"--user={getpass.getuser()}"]
    subprocess.run(
        ["mariadb-install-db", *common, "--auth-root-authentication-method=normal"], check=True, capture_output=True
    )
    options = [
        f"--socket={folder}/socket",
        "--skip-networking",
        "--max-connections=400",
        f"--pid-file={folder}/pid",
        f"--log-error={folder}/log",
    ]
    process = subprocess.Popen(["mariadbd", *common, *options])
    try:
        for _ in range(100):
            if (folder / "socket").exists():
                break
            time.sleep(0.1)
        yield {"unix_socket": f"{folder}/socket", "user": "root"}
    finally:
        process.terminate()
        process.wait(20)


def test_gold_changes_of_the_real_tasks_give_every_true_hash_on_mariadb(
    shared_data: Path, server: dict[str, Any]
) -> None:
    """The hash of db_225 is of a table that had been filled twice before it was changed."""
    bench = Bench("agentbench_db", shared_data / "agentbench", environment="mysql", server=server)
    rows = bench.play_oracle()
    odd = next(task for task in bench.tasks if task["id"] == "db_225")
    changed = [[*row[:-1], "16"] if row[0] == "Johnson" else row for row in odd["rows"]]

    assert bench.score(rows)["parts"]["categories"] == {"SELECT": 100, "INSERT": 100, "UPDATE": 99}
    assert next(row for row in rows if row["id"] == "db_225")["hash"] == table_hash(changed)
    assert odd["hash"] == table_hash(changed * 2)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT SLEEP(60)",
        "DROP DATABASE mysql",
        "SELECT * FROM mysql.user",
        "SELECT LOAD_FILE('/etc/passwd') FROM nowhere",
        "SELECT 1 INTO OUTFILE '/tmp/agentflan_escape.txt'",
    ],
)
def test_sql_on_a_server_stays_inside_its_database(
    sql: str, server: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench.of("agentbench_db", monkeypatch, environment="mysql", server=server, seconds=0.5, limit=1)
    attack = f"Go on.\nAction: Operation\n```sql\n{sql}\n```"
    gold = {task["id"]: bench.module.gold_replies(task, bench.settings) for task in bench.tasks}
    begin = time.monotonic()

    rows = bench.play(lambda calls: [[attack, *gold[call.task["id"]]][call.step] for call in calls])

    assert time.monotonic() - begin < 20
    assert bench.score(rows)["value"] == 100
    assert not Path("/tmp/agentflan_escape.txt").exists()
