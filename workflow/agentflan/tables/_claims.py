"""The paper's claims as data: `paper/published/claims.yaml`, checked, and the effects that the paper prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from agentflan.errors import ConfigError
from agentflan.tables.comparison import read_published

FILE = "claims.yaml"
_KEY_COLUMNS = {"table4": 2, "figure8": 2}  # of the published tables; the others have one


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Test(_Strict):
    """One comparison: `row` has more of `column` than the mean of `over`."""

    __test__ = False  # pytest must not collect it

    table: str
    column: str
    row: str
    over: Annotated[list[str], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]
    kept: bool = Field(False, description="the row need only lose no more than the margin")

    @property
    def name(self) -> str:
        """The comparison in words; names are the table's own."""
        others = " and ".join(self.over)
        return f"{self.column}: {self.row} − {others if len(self.over) == 1 else f'mean of {others}'}"


class Claim(_Strict):
    """A claim with the tests that it must all pass, or the reason why nothing can test it."""

    id: str
    where: str
    says: str
    tests: list[Test] = []
    untested: str = ""

    @model_validator(mode="after")
    def _has_one(self) -> Claim:
        if bool(self.tests) == bool(self.untested):
            raise ValueError(f"claim {self.id}: give either tests or the reason in untested")
        return self


class Claims(_Strict):
    """All claims and the margin within which a score counts as kept."""

    margin: float = Field(ge=0)
    claims: list[Claim]


def read_claims(published: Path) -> Claims:
    """The claims of `paper/published/claims.yaml`.

    Raises:
        ConfigError: no such file, or a key that is missing, unknown or of another type; all of them are named.
    """
    path = published / FILE
    try:
        return Claims.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ConfigError([f"{path}: no such file; expected the paper's claims"]) from None
    except ValidationError as error:
        places = [(".".join(map(str, each["loc"])), each["msg"]) for each in error.errors()]
        raise ConfigError([f"{path}: key {place}: {message}" for place, message in places]) from None


def published_effect(published: Path, test: Test) -> float | None:
    """The difference of the values that the paper prints; None where it prints none."""
    path = published / f"{test.table}.csv"
    if not path.exists():
        return None
    printed = read_published(path, _KEY_COLUMNS.get(test.table, 1))
    values = [_number(printed.get((row, test.column), "")) for row in [test.row, *test.over]]
    if any(value is None for value in values):
        return None
    first, *others = values
    return round(first - sum(others) / len(others), 4)


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None
