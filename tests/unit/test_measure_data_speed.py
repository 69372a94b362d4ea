"""Measuring: each stage is timed in a process of its own, and a stage that fails is no measurement."""

from __future__ import annotations

import pytest

from agentflan.commands.measure_data_speed import _measured
from agentflan.errors import AgentFlanError


def test_each_stage_has_its_own_peak_memory() -> None:
    large = _measured("large", lambda: bytearray(200 << 20) and None, 10)
    small = _measured("small", lambda: None, 10)
    assert large["peak_mib"] > small["peak_mib"] + 150
    assert large["records"] == 10 and large["seconds"] >= 0


def test_a_stage_that_fails_is_no_measurement() -> None:
    with pytest.raises(AgentFlanError, match="align_chat of 10 records failed"):
        _measured("align_chat", lambda: 1, 10)
