"""What the page says that the results took."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agentflan.page import cost
from agentflan.provenance.store import Record

NODE = [{"name": "NVIDIA H100"}] * 8


@pytest.mark.parametrize(
    ("machine", "gpus"),
    [
        ({"gpus": []}, 0),
        ({"gpus": [], "processes": 4}, 0),  # on processors
        ({"gpus": NODE, "processes": 16, "gpus_visible": "0,1,2,3,4,5,6,7"}, 16),  # two nodes
        ({"gpus": NODE, "processes": 1, "gpus_visible": "3"}, 1),
        ({"gpus": NODE, "processes": 1, "gpus_visible": "GPU-1, GPU-2"}, 2),
        ({"gpus": NODE, "processes": 1, "gpus_visible": ""}, 0),
        ({"gpus": NODE, "processes": 1, "gpus_visible": None}, 8),
        ({"gpus": NODE}, 8),
    ],
)
def test_gpus_are_those_that_the_job_worked_with(machine: dict[str, Any], gpus: int) -> None:
    assert cost._gpus(Record(Path("r"), "", {"machine": machine}, True)) == gpus
