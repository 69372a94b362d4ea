"""Mixture: settings are checked all at once, and the presets are what the paper and the release say."""

from __future__ import annotations

import pytest

from agentflan.errors import ConfigError
from agentflan.mixture import PRESETS, Mixture


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"wieghts": {}}, "condition: wieghts: unknown key; did you mean 'weights'"),
        ({"weights": {"reasonning": 1}}, "weights.reasonning: unknown key; did you mean 'reasoning'"),
        ({"weights": {"reasoning": 2}}, "weights.reasoning: found 2; expected a number from 0 to 1"),
        ({"weights": {"reasoning": "1"}}, "weights.reasoning: found '1'"),
        ({"weights": 1}, "weights: found 1; expected an object"),
        ({"react_share": 0.8, "cot_share": 0.3}, r"react_share \+ cot_share: found 1.1"),
        ({"form": "prose"}, "form: found 'prose'; expected one of chat, react, none"),
        ({"instruction": -1}, "instruction: found -1"),
        ({"instruction": 1.5}, "instruction: found 1.5; expected a count, or a share"),
        ({"negative": "all"}, "negative: found 'all'; expected true, false or a count"),
        ({"general": {"by": "byte"}}, "general.by: found 'byte'; expected sample or token"),
        ({"general": {"ratio": -1}}, "general.ratio: found -1"),
        ({"datasets": []}, r"datasets: found \[\]; expected null or names"),
        ({"fraction": 0}, "fraction: found 0; expected a number over 0"),
        ({"seed": "a"}, "seed: found 'a'"),
    ],
)
def test_impossible_settings_are_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Mixture.from_json(settings)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        Mixture.from_json({"form": "prose", "fraction": 2, "sed": 0})
    assert len(caught.value.problems) == 3


def test_what_is_not_given_has_its_default() -> None:
    mixture = Mixture.from_json({"weights": {"retrieval": 0.5}, "general": {"ratio": 4}})
    assert mixture.weights == {"reasoning": 1.0, "retrieval": 0.5, "understanding": 1.0}
    assert mixture.general == {"ratio": 4, "by": "sample"}


def test_presets_hold_the_weights_of_text_and_release() -> None:
    paper, release = (Mixture.from_json(PRESETS[name]) for name in ("paper", "release"))
    assert list(paper.weights.values()) == [1.0, 0.25, 0.75]
    assert list(release.weights.values()) == [1.0, 0.5, 0.7]
    assert (paper.cot_share, release.cot_share) == (0.0, 0.3)
    assert paper.react_share == release.react_share == 0.1
