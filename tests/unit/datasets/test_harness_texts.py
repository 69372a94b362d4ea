"""Instructions and demonstrations are read out of the harness's files as they are, and nothing in these is run.

The synthetic files have the form of AgentTuning's. The real ones are read where AGENTFLAN_AGENTTUNING names a checkout
of AgentTuning at the pinned commit.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from agentflan import datasets
from agentflan.benchmarks import _agentbench, agentbench_alfworld
from agentflan.datasets import _harness, hotpotqa, sciworld
from agentflan.datasets._source import SourceFile
from agentflan.errors import FileError, RecordError
from agentflan.files import read_json, sha256_of, write_json

OWN = {
    "instruction": "Ours.",
    "acknowledgement": "Ours too.",
    "demonstration": [],
    "demonstrations": {},
    "restart": "And ours.",
}
BOMB = "raise SystemExit('this file was run')\n"
ALFWORLD = """
class ALFWorld(Task):
    def get_task_instruction(self):
        # return "An older one."
        return "Keep house.\\n"
    def alfworld_run(self, session, env):
        session.inject({"role": "user", "content": self.get_task_instruction()})
        session.inject({"role": "agent", "content": "OK."})
        session.inject({"role": "user", "content": init_prompt})
"""
DB = '''
big_prompt = """
Ask in SQL.
"""
def process(receiver, max_round):
    session.inject({"role": "user", "content": big_prompt})
    session.inject({"role": "agent", "content": "Ok."})
    while True:
        session.inject({"role": "user", "content": ""})
'''
KG = '''
INSTRUCTIONS = "Use tools."
DEMOS = "Not used."
ONE_SHOT=["""Q \\nE""", """Action: f(Q)"""]
class KnowledgeGraph(Task):
    def predict_single(self, session, data_item):
        session.inject({"role": "user", "content": INSTRUCTIONS})
        session.inject({"role": "agent", "content": "Start please."})
        for idx, shot in enumerate(ONE_SHOT):
            session.inject({"role": "agent", "content": shot})
        session.inject({"role": "user", "content": "A new question: " + question})
'''
OS = '''
ONE_SHOT = [{"role": "user", "content": "how many?"}, {"role": "agent", "content": "Act: answer(2)"}]
class OSInteraction(Task):
    def _judge(self, session):
        def get_answer():
            session.inject({"role": "user", "content": """Be a shell.\\n\\n"""})
            if not oneshot:
                session.history[-1]["content"] += "My problem is: " + config.description
            else:
                session.history[-1]["content"] += "My problem is: " + ONE_SHOT[0]["content"]
                session.history.extend(ONE_SHOT[1:])
                session.inject({"role": "user", "content": "A new one: " + config.description})
            for _ in range(8):
                session.inject({"role": "user", "content": ("Output: " + result) if result else "No output."})
'''
WEBSHOP = """
prompt: str = "Shop. \\
Well."
def predict(receiver):
    while True:
        session.inject({"role": "user", "content": prompt})
        session.inject({"role": "agent", "content": "Ok."})
        session.inject({'role': 'user', 'content': 'a shop\\'s page'})
        session.inject({'role': 'agent', 'content': 'click[Buy]'})
        for j in range(10):
            session.inject({"role": "user", "content": f"Observation:\\n{observation}"})
"""
PRE_PROMPT = '''
PLAN_INSTRUCTION = "Plan. {examples}"
REACT_INSTRUCTION = """Search.
Then finish.
Examples:
{examples}
(END)
Question: {question}{scratchpad}"""
react_agent_prompt = PromptTemplate(template = REACT_INSTRUCTION)
'''


def _put(folder: Path, file: SourceFile, text: str) -> Path:
    path = folder / file.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + (BOMB if path.suffix == ".py" else ""), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("file", "code", "texts"),
    [
        (_harness.DB, DB, {"instruction": "\nAsk in SQL.\n", "acknowledgement": "Ok.", "demonstration": []}),
        (
            _harness.KG,
            KG,
            {
                "instruction": "Use tools.",
                "acknowledgement": "Start please.",
                "demonstration": ["Q \nE", "Action: f(Q)"],
            },
        ),
        (
            _harness.OS,
            OS,
            {
                "instruction": "Be a shell.\n\nMy problem is: ",
                "demonstration": ["how many?", "Act: answer(2)"],
                "restart": "A new one: ",
            },
        ),
        (
            _harness.WEBSHOP,
            WEBSHOP,
            {
                "instruction": "Shop. Well.",
                "acknowledgement": "Ok.",
                "demonstration": ["a shop's page", "click[Buy]"],
            },
        ),
    ],
)
def test_texts_of_a_task_are_read_from_its_code(
    tmp_path: Path, file: SourceFile, code: str, texts: dict[str, object]
) -> None:
    _put(tmp_path, file, code)
    assert _agentbench.read_prompt(tmp_path, OWN) == OWN | texts | {"source": file.name}


def test_a_prompt_of_ones_own_stands_before_the_harness(tmp_path: Path) -> None:
    _put(tmp_path, _harness.DB, DB)
    write_json(tmp_path / "prompt.json", {"instruction": "Mine."})
    prompt = _agentbench.read_prompt(tmp_path, OWN)
    assert (prompt["instruction"], prompt["acknowledgement"], prompt["source"]) == ("Mine.", "Ours too.", "prompt.json")


def test_alfworld_shows_the_demonstration_of_the_games_category(tmp_path: Path) -> None:
    _put(tmp_path, _harness.ALFWORLD, ALFWORLD)
    shown = _put(tmp_path, _harness.ALFWORLD_SHOWN, "")
    write_json(shown, {"put": ["a room", "ACTION: go"], "heat": ["a kitchen", "ACTION: cook"]})
    prompt = _agentbench.read_prompt(tmp_path, agentbench_alfworld._OWN_PROMPT)
    assert agentbench_alfworld._opening({"prompt": prompt, "category": "pick_heat_then_place"}) == [
        ("user", "Keep house.\n"),
        ("assistant", "OK."),
        ("user", "Here is one example.\na kitchen"),
        ("assistant", "ACTION: cook"),
    ]


def test_hotpotqa_is_asked_as_the_harness_asks(tmp_path: Path) -> None:
    assert hotpotqa.read_prompt(tmp_path) == {}
    _put(tmp_path, _harness.HOTPOTQA, PRE_PROMPT)
    _put(tmp_path, _harness.HOTPOTQA_SHOWN, 'REACT_EXAMPLE = """Question: a?\nAction 1: Finish[b]\n"""\n')
    prompt = hotpotqa.read_prompt(tmp_path)
    assert prompt["instruction"] == "Search.\nThen finish."
    assert prompt["demonstrations"] == "Examples:\nQuestion: a?\nAction 1: Finish[b]\n\n(END)"
    assert prompt["source"] == "src/pre_prompt.py"
    write_json(tmp_path / "prompt.json", {"instruction": "Mine."})
    assert hotpotqa.read_prompt(tmp_path) == {"instruction": "Mine.", "source": "prompt.json"}


def test_sciworld_begins_as_the_harness_begins(tmp_path: Path) -> None:
    assert sciworld.read_prompt(tmp_path) == {}
    _put(tmp_path, _harness.SCIWORLD, "INIT_PROMPT = '''\nDo science.\n'''.strip()\n")
    write_json(_put(tmp_path, _harness.SCIWORLD_SHOWN, ""), {"0": ["a hall", "Action: look"]})
    assert sciworld.read_prompt(tmp_path) == {
        "instruction": "Do science.",
        "0": ["a hall", "Action: look"],
        "source": "prompts/prompt.json",
    }
    write_json(tmp_path / "prompt.json", {"instruction": "Mine."})
    assert sciworld.read_prompt(tmp_path) == {"instruction": "Mine.", "source": "prompt.json"}


def test_a_dialogue_without_its_last_reply_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "prompt.json", {"3": ["a hall"]})
    with pytest.raises(RecordError, match=r"prompt\.json: .*field 3: found list; expected an even number"):
        sciworld.read_prompt(tmp_path)


@pytest.mark.parametrize(
    ("file", "code", "found"),
    [
        (_harness.DB, DB.replace("big_prompt =", "big_prompt = str() +"), "no literal big_prompt"),
        (_harness.DB, DB.replace('"agent"', '"user"'), "a dialogue of another form"),
        (_harness.KG, KG.replace("def predict_single", "def predict"), "0 functions predict_single"),
        (_harness.OS, OS.replace('+= "My problem is: " + config', '+= "Another: " + config'), "no single text"),
        (_harness.WEBSHOP, "prompt = (", "a file that is no Python"),
    ],
)
def test_code_of_another_form_is_refused(tmp_path: Path, file: SourceFile, code: str, found: str) -> None:
    _put(tmp_path, file, code)
    with pytest.raises(FileError, match=rf"{file.name}: found {found}"):
        _agentbench.read_prompt(tmp_path, OWN)


def test_a_template_of_another_form_is_refused(tmp_path: Path) -> None:
    _put(tmp_path, _harness.HOTPOTQA, PRE_PROMPT.replace("{examples}\n", ""))
    with pytest.raises(FileError, match="REACT_INSTRUCTION of another form"):
        hotpotqa.read_prompt(tmp_path)


@pytest.fixture
def agenttuning() -> Path:
    place = os.environ.get("AGENTFLAN_AGENTTUNING")
    if not place:
        pytest.skip("AgentTuning's files are not here (set AGENTFLAN_AGENTTUNING to a checkout of the pinned commit)")
    return Path(place)


def _fetched(agenttuning: Path, dataset: str, folder: Path) -> Path:
    """The harness's files of a dataset where a fetch puts them; their hashes are the pinned ones."""
    for file in datasets.load(dataset).SOURCE.files:
        if file.url.startswith(_harness.AGENTTUNING):
            path = agenttuning / file.url.removeprefix(_harness.AGENTTUNING).lstrip("/") / file.name
            assert (sha256_of(path), path.stat().st_size) == (file.sha256, file.size), file.name
            (folder / file.name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / file.name)
    return folder


@pytest.mark.parametrize(
    ("task", "turns", "ends"),
    [
        ("agentbench_db", 0, "by yourself.\n"),
        ("agentbench_kg", 16, "to the question.\n"),
        ("agentbench_os", 6, "Now, my problem is:\n\n"),
        ("agentbench_webshop", 8, "click[something]\n"),
    ],
)
def test_real_texts_of_a_task(agenttuning: Path, tmp_path: Path, task: str, turns: int, ends: str) -> None:
    prompt = _agentbench.read_prompt(_fetched(agenttuning, task, tmp_path), OWN)
    assert len(prompt["demonstration"]) == turns
    assert prompt["instruction"].endswith(ends)
    assert prompt["source"].startswith("src/tasks/")


def test_real_texts_of_alfworld(agenttuning: Path, tmp_path: Path) -> None:
    prompt = _agentbench.read_prompt(_fetched(agenttuning, "agentbench_alfworld", tmp_path), OWN)
    assert set(prompt["demonstrations"]) == set(agentbench_alfworld._DEMONSTRATIONS.values())
    assert prompt["acknowledgement"] == agentbench_alfworld._OWN_PROMPT["acknowledgement"]


def test_real_texts_of_the_held_out_benchmarks(agenttuning: Path, tmp_path: Path) -> None:
    asked = hotpotqa.read_prompt(_fetched(agenttuning, "hotpotqa", tmp_path / "a"))
    assert asked["demonstrations"].count("\nQuestion: ") == 2 and asked["demonstrations"].endswith("(END OF EXAMPLES)")
    played = sciworld.read_prompt(_fetched(agenttuning, "sciworld", tmp_path / "b"))
    assert {key for key in played if key.isdigit()} == {str(number) for number in range(30)}


def test_real_texts_are_those_that_the_held_in_corpora_begin_with(
    agenttuning: Path, shared_data: Path, tmp_path: Path
) -> None:
    """AgentInstruct was made with the same harness; its rows lost the white space around a turn."""
    for task, count in (("db", 2), ("alfworld", 2), ("kg", 18)):
        prompt = _agentbench.read_prompt(_fetched(agenttuning, f"agentbench_{task}", tmp_path / task), OWN)
        opening = [prompt["instruction"], prompt["acknowledgement"], *prompt["demonstration"]]
        row = read_json(shared_data / "agentinstruct" / f"{task}.json")[0]["conversations"]
        assert [turn["content"].strip() for turn in row[:count]] == [text.strip() for text in opening]


def test_the_graphs_vocabulary_is_fetched(agenttuning: Path, tmp_path: Path) -> None:
    from agentflan.benchmarks import agentbench_kg

    folder = _fetched(agenttuning, "agentbench_kg", tmp_path)
    known = agentbench_kg._read_vocabulary(folder, {"environment": "server"})
    assert (len(known.relations or ()), len(known.attributes or ())) == (13_100, 3_384)
    assert known.ranges["base.testbase1uri.regiao.pertence_a"] == "base.testbase1uri.cidade"
