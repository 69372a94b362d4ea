"""The configuration: every shipped study is valid, and each kind of mistake is named with its key."""

from __future__ import annotations

from pathlib import Path

import pytest
from edits import replace

from agentflan.errors import ConfigError
from agentflan.study import load

STUDIES = ("mini", "onegpu", "paper")


@pytest.mark.parametrize("name", STUDIES)
def test_shipped_studies_are_valid(root: Path, name: str) -> None:
    assert load(root / "config", name).study.name == name


def test_every_shipped_study_is_listed(root: Path) -> None:
    assert {path.stem for path in (root / "config" / "studies").glob("*.yaml")} >= set(STUDIES)


def test_unknown_study_names_the_nearest(root: Path) -> None:
    with pytest.raises(ConfigError, match=r"'papr'.*did you mean 'paper'"):
        load(root / "config", "papr")


def test_unknown_key_names_file_key_and_nearest(config: Path) -> None:
    replace(config / "conditions.yaml", "react_share: 0.1", "react_shre: 0.1")
    with pytest.raises(ConfigError, match=r"conditions\.yaml: key align_chat_all\.react_shre.*react_share"):
        load(config, "mini")


def test_wrong_type_names_the_key_path(config: Path) -> None:
    replace(config / "models.yaml", "gpus: 16", "gpus: many")
    with pytest.raises(ConfigError, match=r"models\.yaml: key llama2_7b\.recipe\.gpus: found 'many'"):
        load(config, "paper")


def test_all_problems_are_listed_at_once(config: Path) -> None:
    replace(config / "studies" / "mini.yaml", "small: tiny_7b", "small: tiny_8b")
    replace(config / "studies" / "mini.yaml", "  - weighted\n", "  - wieghted\n")
    with pytest.raises(ConfigError) as caught:
        load(config, "mini")
    assert len(caught.value.problems) == 2
    assert "did you mean 'tiny_7b'" in str(caught.value)
    assert "did you mean 'weighted'" in str(caught.value)


def test_an_api_model_without_a_cap_is_refused(config: Path) -> None:
    replace(config / "studies" / "paper.yaml", "prompt_price: 30, ", "")
    with pytest.raises(ConfigError, match=r"paper\.yaml: key api_models\.GPT-4: .*or max_total_tokens"):
        load(config, "paper")


def test_names_must_not_hold_the_joining_sign(config: Path) -> None:
    replace(config / "models.yaml", "tiny_13b:", "tiny-13b:")
    with pytest.raises(ConfigError, match="letters, digits and _ only"):
        load(config, "paper")


def test_broken_yaml_names_the_file(config: Path) -> None:
    (config / "models.yaml").write_text("a: [1\n")
    with pytest.raises(ConfigError, match=r"models\.yaml: not YAML"):
        load(config, "mini")


def test_generated_documents_are_current(root: Path) -> None:
    from agentflan.config_docs import files

    for path, text in files(root / "config").items():
        assert path.read_text() == text, f"{path} is out of date: run agentflan write_config_docs"
