"""Households to play in: tasks of ALFWorld's six categories, worded as the trajectories that train.

Those that put one thing in another place are like these trajectories; the others need commands that none shows.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from agentflan.world.lexicon import FURNITURE, THINGS

Row = dict[str, Any]

_CAN_CLOSE = ("drawer", "cabinet", "fridge")
_STATIONS = {"clean": ("sink", "clean"), "heat": ("stove", "hot"), "cool": ("fridge", "cool")}  # verb: where, state


class _Draw(NamedTuple):
    """A thing, where it is, where it goes, and what else is there."""

    thing: str
    start: str
    goal: str
    others: tuple[str, ...]  # places
    clutter: tuple[str, ...]  # things


def prompt() -> Row:
    """The instruction of the trajectories that train."""
    return {
        "instruction": "Interact with a household. Each turn has THOUGHT and ACTION, or ACTION alone.",
        "acknowledgement": "OK. I'll follow your instructions and try my best to solve the task.",
    }


def households(rng: random.Random, count: int, taken: Collection[str]) -> dict[str, list[Row]]:
    """Households by category, `count` in all.

    Args:
        rng: what they are drawn from.
        count: how many.
        taken: texts of tasks that train; none of these is among them.
    """
    found: dict[str, list[Row]] = {category: [] for category in _CATEGORIES}
    names = list(_CATEGORIES)
    for index in range(count):
        category = names[index % len(names)]
        row = _CATEGORIES[category](_draw(rng))
        while row["task"] in taken:
            row = _CATEGORIES[category](_draw(rng))
        found[category].append({"game": f"household/{category}_{index}", **row})
    return found


def put_task(thing: str, start: str, goal: str) -> str:
    """The text of a task to put one thing in another place."""
    return f"put the {thing} from the {start} on the {goal}."


def _draw(rng: random.Random) -> _Draw:
    thing, *clutter = rng.sample([thing for thing in THINGS if thing != "lamp"], 4)
    usual = [place for place in FURNITURE if place not in ("stove", "fridge")]
    start, goal, *others = rng.sample(usual, 4)
    return _Draw(thing, start, goal, tuple(others), tuple(clutter))


def _put(draw: _Draw) -> Row:
    steps = [f"go to {draw.start} 1", f"take {draw.thing} 1 from {draw.start} 1"]
    steps += [f"go to {draw.goal} 1", f"put {draw.thing} 1 in/on {draw.goal} 1"]
    places = _places(draw, {draw.start: [draw.thing]})
    task = put_task(draw.thing, draw.start, draw.goal)
    return _row(task, places, _goal(draw), steps)


def _treat(verb: str) -> Callable[[_Draw], Row]:
    station, state = _STATIONS[verb]

    def make(draw: _Draw) -> Row:
        thing = f"{draw.thing} 1"
        steps = [f"go to {draw.start} 1", f"take {thing} from {draw.start} 1", f"go to {station} 1"]
        steps += [f"{verb} {thing} with {station} 1", f"go to {draw.goal} 1", *_open(draw.goal)]
        steps.append(f"put {thing} in/on {draw.goal} 1")
        places = _places(draw, {draw.start: [draw.thing], station: []}, closing=draw.goal)
        task = f"{verb} the {draw.thing} from the {draw.start} with the {station} and put it on the {draw.goal}."
        return _row(task, places, _goal(draw) | {"state": state}, steps)

    return make


def _light(draw: _Draw) -> Row:
    steps = [f"go to {draw.start} 1", f"take {draw.thing} 1 from {draw.start} 1", f"go to {draw.goal} 1"]
    places = _places(draw, {draw.start: [draw.thing], draw.goal: ["lamp"]})
    task = f"look at the {draw.thing} from the {draw.start} by the light of the lamp on the {draw.goal}."
    return _row(task, places, _goal(draw) | {"state": "lit"}, [*steps, "use lamp 1"])


def _two(draw: _Draw) -> Row:
    steps = []
    for number, place in ((1, draw.start), (2, draw.others[0])):
        steps += [f"go to {place} 1", f"take {draw.thing} {number} from {place} 1", f"go to {draw.goal} 1"]
        steps += [*(_open(draw.goal) if number == 1 else []), f"put {draw.thing} {number} in/on {draw.goal} 1"]
    places = _places(draw, {draw.start: [draw.thing], draw.others[0]: [draw.thing]}, closing=draw.goal)
    task = f"put two {draw.thing} on the {draw.goal}, one from the {draw.start} and one from the {draw.others[0]}."
    return _row(task, places, _goal(draw) | {"count": 2}, steps)


def _places(draw: _Draw, holding: dict[str, list[str]], closing: str = "") -> list[Row]:
    """All places with their things numbered; those that do not matter hold the clutter, and one may be closed."""
    things = dict.fromkeys((draw.start, draw.goal, *draw.others, *holding), ())
    things |= {place: tuple(found) for place, found in holding.items()}
    idle = [place for place, found in things.items() if not found and place != draw.goal]
    for place, thing in zip(idle, draw.clutter, strict=False):
        things[place] += (thing,)
    numbers: dict[str, int] = {}
    rows = []
    for place in things:
        named = []
        for thing in things[place]:
            numbers[thing] = numbers.get(thing, 0) + 1
            named.append(f"{thing} {numbers[thing]}")
        closed = {"closed": True} if place == closing and place in _CAN_CLOSE else {}
        rows.append({"name": f"{place} 1", "things": named, **closed})
    return rows


def _goal(draw: _Draw) -> Row:
    return {"thing": draw.thing, "place": draw.goal, "count": 1, "state": ""}


def _open(place: str) -> list[str]:
    return [f"open {place} 1"] if place in _CAN_CLOSE else []


def _row(task: str, places: list[Row], goal: Row, solution: list[str]) -> Row:
    return {"task": task, "places": places, "goal": goal, "solution": solution}


_CATEGORIES: dict[str, Callable[[_Draw], Row]] = {
    "pick_and_place": _put,
    "pick_clean_then_place": _treat("clean"),
    "pick_heat_then_place": _treat("heat"),
    "pick_cool_then_place": _treat("cool"),
    "look_at_obj": _light,
    "pick_two_obj": _two,
}
