"""Claims: each verdict from made-up studies, published effects from the printed tables, nothing typed twice."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas
import pytest
import yaml
from edits import replace
from synthetic_study import write_study

from agentflan.contrasts import Effect
from agentflan.errors import ConfigError, FileError
from agentflan.files import read_json, write_json
from agentflan.tables import claims, table1
from agentflan.tables._claims import Test, published_effect, read_claims

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "paper" / "published"
SKILLS = {"agent_flan": 0.8, "react": 0.3, "align_chat_all": 0.6, "all_half_reasoning": 0.62, "weighted": 0.7}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """A made-up study in which Agent-FLAN is better than ReAct tuning."""
    root = tmp_path_factory.mktemp("tree") / "results" / "mini"
    return write_study(root, ROOT / "config", SKILLS), root


@pytest.fixture(scope="module")
def frame(study: tuple[dict[str, Any], Path]) -> pandas.DataFrame:
    return claims.build(*study, PUBLISHED)


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        ("chat_alignment_teval", claims.REPRODUCED),
        ("negatives_keep_teval", claims.REPRODUCED),
        ("learning_speeds", claims.REPRODUCED),
        ("format_before_content", claims.REPRODUCED),
        ("halving_reasoning", claims.NOT_REPRODUCED),  # half of the data is a little better
        ("quarter_of_data", claims.NOT_REPRODUCED),
        ("no_saturation", claims.INCONCLUSIVE),  # all sizes are equal and the paper prints no value to exclude
        ("api_models_lead", claims.NOT_TESTABLE),
        ("some_react_helps", claims.NOT_TESTABLE),
    ],
)
def test_verdicts(frame: pandas.DataFrame, claim: str, verdict: str) -> None:
    assert set(frame[frame["claim"] == claim]["verdict"]) == {verdict}


def test_what_cannot_be_tested_says_why_and_has_no_number(frame: pandas.DataFrame) -> None:
    lines = frame[frame["claim"] == "api_models_lead"]

    assert lines["effect"].tolist() == [""]
    assert "no API model" in lines["reason"].item()
    assert all(frame[frame["effect"] == ""]["reason"])


def test_an_effect_is_the_difference_of_the_tables_cells(frame: pandas.DataFrame, study: tuple[Any, Path]) -> None:
    cells = {(cell.row[0], cell.column): cell.measure.value for cell in table1.cells(*study)}
    line = frame[frame["claim"] == "held_out_teval"].iloc[0]

    expected = cells["Agent-FLAN", "T-Eval"] - cells["AgentTuning*", "T-Eval"]
    assert float(line["effect"]) == pytest.approx(expected, abs=1e-3)
    assert line["published"] == "4.2"  # 66.0 − 61.8
    assert float(line["low"]) > 0


SEEDS = (0, 1, 2)


def _with_seeds(tmp_path: Path, **skills: list[float]) -> tuple[dict[str, Any], Path]:
    """A made-up study of three seeds, in which an agent succeeds as often as told for each seed."""
    config = shutil.copytree(ROOT / "config", tmp_path / "config")
    replace(config / "studies" / "mini.yaml", "seeds: [0]", f"seeds: {list(SEEDS)}")
    by_seed = {f"{name}-s{seed}": each[seed] for name, each in skills.items() for seed in SEEDS}
    root = tmp_path / "results" / "mini"
    return write_study(root, config, by_seed), root


def test_an_effect_over_seeds_is_that_of_their_means_and_names_all_scores(tmp_path: Path) -> None:
    study = _with_seeds(tmp_path, agent_flan=[0.75, 0.8, 0.85], react=[0.25, 0.3, 0.35])
    frame, cells = claims.build(*study, PUBLISHED), {cell.row[0]: cell for cell in claims.cells(*study, PUBLISHED)}
    line = frame[frame["claim"] == "held_out_teval"].iloc[0]

    table = {cell.row[0]: cell.measure.value for cell in table1.cells(*study) if cell.column == "T-Eval"}
    assert float(line["effect"]) == pytest.approx(table["Agent-FLAN"] - table["AgentTuning*"], abs=1e-3)
    assert (line["seeds"], line["n"], line["verdict"]) == ("3", "60", claims.REPRODUCED)
    assert 0 < float(line["low"]) < float(line["effect"]) < float(line["high"])
    names = {f"scores/tiny_7b-{name}-s{seed}/teval.json" for name in ("agent_flan", "react") for seed in SEEDS}
    assert set(cells["held_out_teval"].measure.sources) == names


def test_seeds_that_disagree_leave_a_claim_open_that_one_of_them_would_settle(tmp_path: Path) -> None:
    better, level = [0.9, 0.45, 0.6], [0.5, 0.5, 0.5]
    study = _with_seeds(tmp_path, agent_flan=better, react=level)
    alone = write_study(tmp_path / "alone" / "mini", ROOT / "config", {"agent_flan": better[0], "react": level[0]})
    several = claims.build(*study, PUBLISHED)
    one = claims.build(alone, tmp_path / "alone" / "mini", PUBLISHED)
    lines = [frame[frame["claim"] == "held_out_teval"].iloc[0] for frame in (several, one)]

    assert [line["verdict"] for line in lines] == [claims.INCONCLUSIVE, claims.REPRODUCED]
    assert float(lines[0]["detectable"]) > 2 * float(lines[1]["detectable"])
    assert float(lines[0]["power"]) < float(lines[1]["power"])


def test_cells_name_the_scores_that_the_effect_comes_from(study: tuple[dict[str, Any], Path]) -> None:
    cells = {cell.row[0]: cell for cell in claims.cells(*study, PUBLISHED)}

    sources = cells["held_out_teval"].measure.sources
    assert sources == ("scores/tiny_7b-agent_flan-s0/teval.json", "scores/tiny_7b-react-s0/teval.json")
    assert cells["learning_speeds"].measure.sources[0].startswith("losses/")
    assert all((study[1] / source).exists() for cell in cells.values() for source in cell.measure.sources)


@pytest.mark.parametrize(
    ("interval", "bound", "published", "expected"),
    [
        ((1.0, 3.0), 0.0, 2.0, "holds"),
        ((0.5, 1.0), 0.0, 2.0, "holds"),  # smaller than the paper's, but there
        ((-3.0, -1.0), 0.0, None, "fails"),
        ((-1.0, 1.5), 0.0, 2.0, "fails"),  # no effect is possible, the paper's is not
        ((-1.0, 2.5), 0.0, 2.0, "open"),
        ((-1.0, 1.5), 0.0, None, "open"),
        ((-1.0, 0.5), -2.0, 1.0, "holds"),  # kept, though no gain
        ((-5.0, -1.0), -2.0, 1.0, "open"),
        ((-5.0, -3.0), -2.0, 1.0, "fails"),
    ],
)
def test_outcomes(interval: tuple[float, float], bound: float, published: float | None, expected: str) -> None:
    effect = Effect(sum(interval) / 2, *interval, p=0.01, error=1.0, n=9, seeds=1)

    assert claims.outcome(effect, bound, published) == expected
    assert claims.outcome(None, bound, published) == ""


@pytest.mark.parametrize("bound", [0.0, -2.0])
def test_sides_that_never_differ_tell_nothing(bound: float) -> None:
    level = Effect(0.0, 0.0, 0.0, p=1.0, error=0.0, n=9, seeds=1)

    assert claims.outcome(level, bound, 0.12) == "level"
    assert claims.verdict_of(["level"]) == claims.INCONCLUSIVE


def test_a_claim_needs_all_of_its_tests() -> None:
    assert claims.verdict_of(["holds", "holds"]) == claims.REPRODUCED
    assert claims.verdict_of(["unsure", "unsure"]) == claims.INCONCLUSIVE
    assert claims.verdict_of(["holds", "open"]) == claims.INCONCLUSIVE
    assert claims.verdict_of(["holds", "fails", ""]) == claims.NOT_REPRODUCED
    assert claims.verdict_of(["holds", ""]) == claims.NOT_TESTABLE


def test_an_effect_that_adjusting_makes_unsure_is_inconclusive(
    study: tuple[dict[str, Any], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "holm", lambda p_values: [0.2 for _ in p_values])
    lines = claims.build(*study, PUBLISHED)
    line = lines[lines["claim"] == "held_out_teval"].iloc[0]

    assert (line["outcome"], line["verdict"]) == ("unsure", claims.INCONCLUSIVE)
    assert "adjusting" in line["reason"]


def test_published_effects_come_from_the_printed_tables() -> None:
    known = {claim.id: claim for claim in read_claims(PUBLISHED).claims}
    assert published_effect(PUBLISHED, known["chat_alignment_teval"].tests[0]) == 3.1
    assert published_effect(PUBLISHED, known["chat_alignment_hotpotqa"].tests[0]) == 2.5
    assert published_effect(PUBLISHED, known["balanced_mixture"].tests[0]) == 19.2
    assert published_effect(PUBLISHED, known["format_before_content"].tests[1]) == 0.5
    assert published_effect(PUBLISHED, known["quarter_of_data"].tests[0]) is None


def test_every_row_and_column_of_the_claims_is_known(study: tuple[dict[str, Any], Path]) -> None:
    wrong = Test(table="table1", column="T-Eval", row="Agent-FLANN", over="AgentTuning*")
    with pytest.raises(ConfigError, match="no row 'Agent-FLANN'"):
        claims._effect(*study, wrong, 0.0)
    with pytest.raises(ConfigError, match="'Eval'"):
        claims._effect(*study, wrong.model_copy(update={"row": "Agent-FLAN", "column": "Eval"}), 0.0)


def test_a_score_without_samples_is_refused(study: tuple[dict[str, Any], Path], tmp_path: Path) -> None:
    plan, root = study[0], shutil.copytree(study[1], tmp_path / "mini")
    path = root / "scores" / "tiny_7b-react-s0" / "teval.json"
    write_json(path, {key: value for key, value in read_json(path).items() if key != "samples"})

    with pytest.raises(FileError, match=r"teval\.json.*Score the transcripts again"):
        claims.build(plan, root, PUBLISHED)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"margin": 1, "claims": [{"id": "x", "where": "", "says": ""}]}, "either tests or the reason"),
        ({"margin": -1, "claims": []}, "margin"),
        ({"margin": 1, "claims": [], "claim": 1}, "claim"),
    ],
)
def test_broken_claims_are_named(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    (tmp_path / "claims.yaml").write_text(yaml.safe_dump(content))

    with pytest.raises(ConfigError, match=message):
        read_claims(tmp_path)
    with pytest.raises(ConfigError, match="no such file"):
        read_claims(tmp_path / "nowhere")
