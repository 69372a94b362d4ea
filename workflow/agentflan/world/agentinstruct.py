"""AgentInstruct-like trajectories of the six held-in tasks, with built-in demonstrations and a few malformed rows."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from agentflan.world.household import put_task
from agentflan.world.lexicon import COLORS, FURNITURE, THINGS, TOPICS, TRAIN, name, names, value
from agentflan.world.shop import wish

Row = dict[str, Any]
Turns = list[tuple[str, bool | None, str]]  # from, loss, value

_LETTERS = "ABCDEF"
_RELATIONS = "author owner teacher friend".split()


def rows(task: str, rng: random.Random, count: int) -> list[Row]:
    """`count` rows of a task; every twelfth kg row is malformed, as upstream."""
    made = []
    for index in range(count):
        turns = _TASKS[task](rng, index)
        conversations = [{"from": who, "loss": loss, "value": text} for who, loss, text in turns]
        made.append({"conversations": conversations, "id": f"{task}_{index}"})
    return made


def _human(text: str) -> tuple[str, None, str]:
    return "human", None, text


def _shown(text: str) -> tuple[str, bool, str]:
    """A reply of the demonstration: no loss."""
    return "gpt", False, text


def _reply(text: str) -> tuple[str, bool, str]:
    return "gpt", True, text


def _os(rng: random.Random, index: int) -> Turns:
    topic, who, found = rng.choice(TOPICS), name(rng, TRAIN), value(rng)
    path = f"/{topic}/{who.replace(' ', '/')}".lower()
    output = "The output of the OS:\n\n{}"
    if rng.random() < 0.6:
        problem = f"How many files are in {path}?"
        think, command, end = f"I count the files in {path}.", f"ls {path} | wc -l", f"answer({found})"
        last, seen = f"Think: The count is {found}.\n\nAct: {end}", found
    else:
        problem = f"Make a file with the text {found} in {path}."
        think, command = f"I write {found} in {path}.", f"echo {found} > {path}/new"
        last, seen = "Think: The file is there.\n\nAct: finish", ""
    return [
        _human(
            "You are on a Linux system. Each turn has Think and Act; Act is bash with code, answer(x) or finish. "
            "Now, my problem is:\n\nHow many files are in /etc?"
        ),
        _shown("Think: I count the files in /etc.\n\nAct: bash\n\n```bash\nls /etc | wc -l\n```"),
        _human(output.format("220")),
        _shown("Think: The count is 220.\n\nAct: answer(220)"),
        _human(f"Now, I will start a new problem in a new OS. My problem is:\n\n{problem}"),
        _reply(f"Think: {think}\n\nAct: bash\n\n```bash\n{command}\n```"),
        _human(output.format(seen)),
        _reply(last),
    ]


def _db(rng: random.Random, index: int) -> Turns:
    topic, who, found = rng.choice(TOPICS), name(rng, TRAIN), value(rng)
    turns = [
        _human("Answer questions about a MySQL table. Use Action: Operation with sql, then Action: Answer."),
        _shown("Ok."),
    ]
    if rng.random() < 0.6:
        sql = f"SELECT {topic} FROM facts WHERE name = '{who}';"
        why, seen, said = f"I need the {topic} of {who}.", f"[('{found}',)]", f'["{found}"]'
        turns.append(_human(f"What is the {topic} of {who}? The table facts has the columns name, {topic}."))
    else:
        sql = f"UPDATE facts SET {topic} = '{found}' WHERE name = '{who}';"
        why, seen, said = f"I set the {topic} of {who}.", "[]", '["done"]'
        turns.append(_human(f"Set the {topic} of {who} to {found}. The table facts has the columns name, {topic}."))
    why = "" if index % 20 == 7 else why  # upstream has some turns without a thought
    turns += [_reply(f"{why}\nAction: Operation\n```sql\n{sql}\n```"), _human(seen)]
    if index % 20 != 13:  # and some rows that never answer
        turns.append(_reply(f"The result is there.\nAction: Answer\nFinal Answer: {said}"))
    else:
        turns.pop()
    return turns


def _alfworld(rng: random.Random, index: int) -> Turns:
    thing, places = rng.choice(THINGS), rng.sample(FURNITURE, 3)
    start, goal = f"{places[0]} 1", f"{places[1]} 1"
    seen = ", a ".join(f"{place} 1" for place in places)
    return [
        _human("Interact with a household. Each turn has THOUGHT and ACTION, or ACTION alone."),
        _shown("OK. I'll follow your instructions and try my best to solve the task."),
        _human(
            f"Here is your task. You are in the middle of a room. You see a {seen}. "
            f"Your task is to: {put_task(thing, places[0], places[1])}"
        ),
        _reply(f"THOUGHT: I need the {thing}, so I go to the {places[0]}.\nACTION: go to {start}"),
        _human(f"On the {start}, you see a {thing} 1."),
        _reply(f"ACTION: take {thing} 1 from {start}"),
        _human(f"You pick up the {thing} 1 from the {start}."),
        _reply(f"ACTION: go to {goal}"),
        _human(f"On the {goal}, you see nothing."),
        _reply(f"ACTION: put {thing} 1 in/on {goal}"),
    ]


def _webshop(rng: random.Random, index: int) -> Turns:
    wanted = f"{rng.choice(COLORS)} {rng.choice(THINGS)}"
    others = [f"{rng.choice(COLORS)} {rng.choice(THINGS)}" for _ in range(2)]
    items = rng.sample([(wanted, f"B{value(rng)}"), *((other, f"B{value(rng)}") for other in others)], 3)
    code = next(code for item, code in items if item == wanted)
    listing = " [SEP] ".join(f"{code} [SEP] {item}" for item, code in items)
    task = f"WebShop [SEP] Instruction: [SEP] {wish(wanted)}"
    return [
        _human("You shop on the web. Each turn has Thought and Action; Action is search[words] or click[button]."),
        _shown("Ok."),
        _human(f"{task} [SEP] Search"),
        _reply(f"Thought:\nI search for a {wanted}.\n\nAction:\nsearch[{wanted}]"),
        _human(f"Instruction: [SEP] {wish(wanted)} [SEP] {listing}"),
        _reply(f"Thought:\nThe {wanted} is {code}.\n\nAction:\nclick[{code}]"),
        _human(f"{wanted} [SEP] Buy Now"),
        _reply("Thought:\nIt fits, so I buy it.\n\nAction:\nclick[Buy Now]"),
    ]


def _kg(rng: random.Random, index: int) -> Turns:
    first, second = rng.sample(_RELATIONS, 2)
    who = name(rng, TRAIN)
    turns = [
        _human("Answer questions with a knowledge base. Tools: get_relations(x), get_neighbors(x, r). Use #0, #1."),
        _shown("I've understood your instruction, start please."),
        _human("Question: who is the author of Old Song? \nEntities: ['Old Song']"),
        _shown("Thought: I need the relations of Old Song.\nAction: get_relations(Old Song)"),
        _human("Observation: [author, owner]"),
        _shown("Thought: I need the author.\nAction: get_neighbors(Old Song, author)"),
        _human("Observation: variable #0"),
        _shown("Thought: The answer is #0.\nFinal Answer: #0"),
        _human(f"A new question: who is the {first} of {who}? \nEntities: ['{who}']"),
    ]
    relations = f"Observation: [{', '.join(sorted((first, second)))}]"
    if index % 12 == 5:  # gave up without an action, as a few rows upstream do
        return [*turns, _reply("I am sorry, I cannot answer this.")]
    if index % 12 == 11:  # an action without a thought
        return [*turns, _reply(f"Action: get_relations({who})"), _human(relations), _reply("Final Answer: #0")]
    return [
        *turns,
        _reply(f"Thought: I need the relations of {who}.\nAction: get_relations({who})"),
        _human(relations),
        _reply(f"Thought: I need the {first} of {who}.\nAction: get_neighbors({who}, {first})"),
        _human("Observation: variable #0"),
        _reply("Thought: The answer is #0.\nFinal Answer: #0"),
    ]


def _mind2web(rng: random.Random, index: int) -> Turns:
    things = rng.sample(THINGS, 3)
    goal, where = rng.choice(things), names(rng, TRAIN, 1)[0]
    choices = "\n".join(f"{_LETTERS[number + 1]}. <button> {thing}" for number, thing in enumerate(things))
    letter, operation = _LETTERS[things.index(goal) + 1], "Action: CLICK"
    task, why = f"Choose the {goal}", f"Thought: I click the {goal}."
    if index % 3 == 1:
        task, why = f"Type {where} in the {goal}", f"Thought: I type {where} in the {goal}."
        operation = f"Action: TYPE\nValue: {where}"
    prompt = (
        f"'''\n<html> {' '.join(f'<button> {thing}' for thing in things)} </html>\n'''\n"
        f"Task: {task}\nPrevious actions:\nNone\nWhat is the next action?\nA. None of the above\n{choices}"
    )
    if index % 10 == 9:
        prompt = prompt.replace(f"Task: {task}", f"Task: Choose the {rng.choice(FURNITURE)}")
        return [_human(prompt), _reply("Thought: No choice fits.\nAnswer: A. None of the above")]
    return [_human(prompt), _reply(f"{why}\nAnswer: {letter}.\n{operation}")]


_TASKS: dict[str, Callable[[random.Random, int], Turns]] = {
    "os": _os,
    "db": _db,
    "alfworld": _alfworld,
    "webshop": _webshop,
    "kg": _kg,
    "mind2web": _mind2web,
}
