"""A household in plain Python: ALFWorld's commands and kinds of tasks, without its games.

It is described by a dictionary::

    {"task": "put the cup from the desk on the shelf.",
     "places": [{"name": "desk 1", "closed": false, "things": ["cup 1"]}, …],     "closed" only where it can be opened
     "goal": {"thing": "cup", "place": "shelf", "count": 1, "state": ""},          state: "", clean, hot, cool or lit
     "solution": ["go to desk 1", …]}

A name is a kind and a number. A lit goal is to hold the thing where a lamp is on. Sinks clean, stoves heat and
fridges cool.
"""

from __future__ import annotations

from typing import Any

NOTHING = "Nothing happens."
_STATIONS = {"clean": ("sink", "clean"), "heat": ("stove", "hot"), "cool": ("fridge", "cool")}  # verb: where, state
_LAMP = "lamp"


class Household:
    """One household, in which one command after another is done.

    Attributes:
        observation: what the last command led to; the room and the task at the start.
    """

    def __init__(self, description: dict[str, Any]) -> None:
        self._places = {place["name"]: list(place["things"]) for place in description["places"]}
        self._closed = {place["name"]: place["closed"] for place in description["places"] if "closed" in place}
        self._goal = description["goal"]
        self._here = self._held = ""
        self._states: set[tuple[str, str]] = set()  # thing, state
        self._lit: set[str] = set()  # lamps that are on
        self.observation = (
            f"You are in the middle of a room. You see {_listed(self._places)}. Your task is to: {description['task']}"
        )

    @property
    def commands(self) -> list[str]:
        """Every command that does something now, sorted."""
        found = {"look", "inventory"} | {f"go to {place}" for place in self._places if place != self._here}
        if self._here in self._closed:
            found.add(f"{'open' if self._closed[self._here] else 'close'} {self._here}")
        if self._here:
            found.add(f"examine {self._here}")
        found |= {f"use {thing}" for thing in self._reachable if _kind(thing) == _LAMP}
        if self._held:
            found.add(f"examine {self._held}")
            found |= {f"put {self._held} in/on {self._here}"} if self._is_open else set()
            for verb, (station, _) in _STATIONS.items():
                found |= {f"{verb} {self._held} with {self._here}"} if _kind(self._here) == station else set()
        else:
            found |= {f"take {thing} from {self._here}" for thing in self._reachable}
        return sorted(found)

    @property
    def won(self) -> bool:
        """Whether the task is done."""
        goal = self._goal
        if goal["state"] == "lit":
            return _kind(self._held) == goal["thing"] and any(lamp in self._lit for lamp in self._reachable)
        there = [thing for place, things in self._places.items() if _kind(place) == goal["place"] for thing in things]
        right = [
            thing
            for thing in there
            if _kind(thing) == goal["thing"] and (not goal["state"] or (thing, goal["state"]) in self._states)
        ]
        return len(right) >= goal["count"]

    def step(self, command: str) -> str:
        """Do a command and say what is seen."""
        self.observation = self._do(command) if command in self.commands else NOTHING
        return self.observation

    @property
    def _is_open(self) -> bool:
        return bool(self._here) and not self._closed.get(self._here)

    @property
    def _reachable(self) -> list[str]:
        return self._places[self._here] if self._is_open else []

    def _do(self, command: str) -> str:
        verb, *words = command.split()
        if verb == "go":
            self._here = " ".join(words[1:])
            return self._look()
        if verb == "look":
            return self._look() if self._here else f"You see {_listed(self._places)}."
        if verb == "inventory":
            return f"You hold {_listed([self._held] if self._held else [])}."
        if verb in _STATIONS:
            return self._treat(verb, self._held)
        acts = {
            "examine": self._examine,
            "open": self._open,
            "close": self._close,
            "use": self._use,
            "take": self._take,
            "put": self._put,
        }
        return acts[verb](" ".join(words[:2]))

    def _look(self) -> str:
        if not self._is_open:
            return f"The {self._here} is closed."
        return f"{'In' if self._here in self._closed else 'On'} the {self._here}, you see {_listed(self._reachable)}."

    def _examine(self, thing: str) -> str:
        if thing in self._places:
            return self._look()
        states = sorted(state for found, state in self._states if found == thing)
        return f"The {thing} is {' and '.join(states)}." if states else f"You see nothing special about the {thing}."

    def _open(self, place: str) -> str:
        self._closed[place] = False
        return f"You open the {place}. {self._look()}"

    def _close(self, place: str) -> str:
        self._closed[place] = True
        return f"You close the {place}."

    def _use(self, lamp: str) -> str:
        self._lit ^= {lamp}
        return f"You turn {'on' if lamp in self._lit else 'off'} the {lamp}."

    def _take(self, thing: str) -> str:
        self._reachable.remove(thing)
        self._held = thing
        return f"You pick up the {thing} from the {self._here}."

    def _put(self, thing: str) -> str:
        self._reachable.append(thing)
        self._held = ""
        return f"You put the {thing} in/on the {self._here}."

    def _treat(self, verb: str, thing: str) -> str:
        state = _STATIONS[verb][1]
        opposite = {"hot": "cool", "cool": "hot"}.get(state, "")
        self._states = self._states - {(thing, opposite)} | {(thing, state)}
        return f"You {verb} the {thing} with the {self._here}."


def _kind(name: str) -> str:
    """``desk`` of ``desk 1``."""
    return name.rpartition(" ")[0]


def _listed(names: Any) -> str:
    return ", ".join(f"a {name}" for name in names) or "nothing"
