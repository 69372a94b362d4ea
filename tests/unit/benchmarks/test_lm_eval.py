"""Our tasks ask and judge as lm-eval does with its own task files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from benchmark_examples import gsm8k as problems
from benchmark_examples import mmlu as questions

from agentflan.benchmarks import _lm_eval, gsm8k, humaneval, mmlu


class _Loader(yaml.SafeLoader):
    """Reads lm-eval's YAML; the functions that it names are left out."""


_Loader.add_constructor("!function", lambda loader, node: None)


def upstream(file: str) -> dict[str, Any]:
    """A task file of the installed package, without its data."""
    import lm_eval

    path = Path(lm_eval.__file__).parent / "tasks" / file
    config = yaml.load(path.read_text(), _Loader)
    return {key: value for key, value in config.items() if "dataset" not in key and "split" not in key}


def task_of(config: dict[str, Any], shots: list[dict[str, Any]], rows: list[dict[str, Any]]) -> Any:
    """lm-eval's task over rows in memory."""
    import datasets
    from lm_eval.api.task import ConfigurableTask

    splits = {"shots": datasets.Dataset.from_list(shots), "test": datasets.Dataset.from_list(rows)}
    given = {"custom_dataset": lambda **_: splits, "test_split": "test", "fewshot_split": "shots"}
    return ConfigurableTask(config=config | given | {"fewshot_config": {"sampler": "first_n"}})


def split(rows: list[dict[str, Any]], shown: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    return [row for row in rows if row["split"] == shown], [row for row in rows if row["split"] == "test"]


def test_mmlu_asks_as_lm_eval_does() -> None:
    shots, rows = split(questions(), "dev")
    described = {
        "task": "mmlu_city_lore",
        "description": "The following are multiple choice questions (with answers) about city lore.\n\n",
    }
    task = task_of(upstream("mmlu/default/_default_template_yaml") | described, shots, rows)

    for row in rows[:5]:
        assert _lm_eval.prompt(mmlu.TASK, shots, row) == task.fewshot_context(row, num_fewshot=len(shots))


def test_gsm8k_asks_and_judges_as_lm_eval_does() -> None:
    from lm_eval.api.instance import Instance

    shots, rows = split(problems(), "train")
    task = task_of(upstream("gsm8k/gsm8k.yaml"), shots, rows)
    row = rows[1]
    gold = row["answer"].rpartition(" ")[2]

    assert _lm_eval.prompt(gsm8k.TASK, shots, row) == task.fewshot_context(row, num_fewshot=len(shots))
    assert list(_lm_eval.stops(gsm8k.TASK)) == task.config.generation_kwargs["until"]
    for reply in (f"#### {gold}", f"It is ${gold}.", "#### 7", "", f"{gold} or 8", f"#### {gold}.", "#### -1,006"):
        instance = Instance("generate_until", row, ("", {}), 0, metadata=("gsm8k", 0, 1))
        instance.resps = [reply]
        task._instances = [instance]
        task.apply_filters()
        theirs = {
            name: bool(task.process_results(row, [text])["exact_match"])
            for name, text in instance.filtered_resps.items()
        }
        assert _lm_eval.judge(gsm8k.TASK, row, reply) == theirs


def test_humaneval_stops_and_asks_as_lm_eval_does() -> None:
    config = upstream("humaneval/humaneval.yaml")

    assert humaneval.TASK["doc_to_text"] == config["doc_to_text"]
    assert list(_lm_eval.stops(humaneval.TASK)) == config["generation_kwargs"]["until"]
    assert humaneval.DEFAULTS["max_new_tokens"] == config["generation_kwargs"]["max_gen_toks"]


def test_the_heavy_part_of_lm_eval_is_not_loaded() -> None:
    import subprocess
    import sys

    code = (
        "import sys\nfrom agentflan.benchmarks import _lm_eval, gsm8k\n"
        "_lm_eval.judge(gsm8k.TASK, {'question': '', 'answer': '#### 1'}, '')\n"
        "print([name for name in ('datasets', 'pandas', 'torch') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("reply", ["", "####", "no number at all"])
def test_a_reply_without_a_result_is_wrong(reply: str) -> None:
    row = {"question": "", "answer": "#### 1"}

    assert _lm_eval.judge(gsm8k.TASK, row, reply) == {"strict-match": False, "flexible-extract": False}
