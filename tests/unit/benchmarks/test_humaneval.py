"""HumanEval: what the model is asked, how its code is judged, in a sandbox alone, and the real functions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from benchmark_examples import Bench, say

from agentflan.benchmarks import humaneval
from agentflan.errors import ConfigError, SandboxUnavailable
from agentflan.sandbox import require

RIGHT = "    return days + 2\n"  # for the first function


@pytest.fixture
def _sandbox() -> None:
    try:
        require()
    except SandboxUnavailable as missing:
        pytest.skip(str(missing))


def verdict(body: str, monkeypatch: pytest.MonkeyPatch, **settings: float) -> str:
    bench = Bench.of("humaneval", monkeypatch, **settings)
    return humaneval.check(bench.tasks[0], body, bench.settings)


@pytest.mark.usefixtures("_sandbox")
@pytest.mark.parametrize(
    ("body", "how"),
    [
        (RIGHT, "passed"),
        (f"    print('so much')\n{RIGHT}\nprint('ready')", "passed"),
        ("    return days\n", "AssertionError"),
        ("    return dayz\n", "NameError"),
        ("return days\n", "SyntaxError"),
        ("    raise SystemExit(0)\n", "SystemExit"),
        (f"{RIGHT}\nexit()", "NameError"),
        (f"{RIGHT}\nimport sys\nsys.exit(0)\n", "SystemExit"),
        (f"{RIGHT}\nimport os\nos._exit(0)\n", "exit 0"),
        (f"{RIGHT}\nprint('passed')\nimport os\nos._exit(0)\n", "exit 0"),
        ("    import os\n    os.kill(os.getppid(), 9)\n    os._exit(0)\n", "exit 0"),
        ("    return input()\n", "EOFError"),
        ("    x = '\ud800'\n    return days + 2\n", "passed"),
    ],
)
def test_verdicts(body: str, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert verdict(body, monkeypatch) == how


@pytest.mark.usefixtures("_sandbox")
def test_a_function_that_does_not_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    assert verdict("    while True: pass\n", monkeypatch, cpu_seconds=1) == "exit 137"
    assert verdict("    import time\n    time.sleep(100)\n", monkeypatch, seconds=1.0) == "time limit"
    assert verdict("    while True: print('x' * 1000)\n", monkeypatch) == "output limit"


@pytest.mark.usefixtures("_sandbox")
def test_code_sees_nothing_of_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("x")
    monkeypatch.setenv("OPENAI_API_KEY", "canary")
    body = (
        "    import os\n"
        f"    assert not os.path.exists({str(tmp_path)!r}), 'sees'\n"
        "    assert 'OPENAI_API_KEY' not in os.environ, 'knows'\n"
        f"    assert {os.getpid()} > 9999 or not os.path.exists('/home')\n"
        f"{RIGHT}"
    )
    assert verdict(body, monkeypatch) == "passed"


def test_the_model_continues_signature_and_description(monkeypatch: pytest.MonkeyPatch) -> None:
    request = Bench.of("humaneval", monkeypatch).ask()[0]

    assert request.prompt == 'def visit_arden(days):\n    """Days of a visit, and 2 more."""\n'
    assert request.stop == ("\nclass", "\ndef", "\n#", "\nif", "\nprint")


def test_instruct_begins_the_reply_and_ends_it_at_the_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of("humaneval", monkeypatch, protocol="instruct")
    request = bench.ask()[0]
    row = bench.play(say(f"{RIGHT}```\nThat is it."))[0]

    assert request.messages[0][1].startswith("Write a solution to the following problem")
    assert request.prefix.startswith("Here is the completed function:\n```python\ndef visit_arden(days):")
    assert row["prediction"] == RIGHT


@pytest.mark.usefixtures("_sandbox")
def test_verdicts_are_counted_by_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.of("humaneval", monkeypatch)
    score = bench.score(bench.play(say(RIGHT)))

    assert (score["value"], score["n"]) == (25, 4)
    assert score["parts"]["verdicts"] == {"AssertionError": 3, "passed": 1}


def test_without_a_sandbox_there_is_no_score(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise SandboxUnavailable("no sandbox: bwrap not found")

    bench = Bench.of("humaneval", monkeypatch)
    rows = bench.play_oracle()
    monkeypatch.setattr(humaneval, "find_python", missing)

    with pytest.raises(SandboxUnavailable, match="bwrap not found"):
        bench.module.score(bench.tasks, rows, bench.settings)
    with pytest.raises(ConfigError, match="key protocol: found 'chat'"):
        Bench.of("humaneval", monkeypatch, protocol="chat")


@pytest.mark.usefixtures("_sandbox")
def test_the_canonical_solutions_of_the_real_functions_pass(shared_data: Path) -> None:
    bench = Bench("humaneval", shared_data / "humaneval", seconds=300.0)  # whatever else the machine does
    score = bench.score(bench.play_oracle())

    assert score["parts"]["verdicts"] == {"passed": 164}
    assert score["value"] == 100
