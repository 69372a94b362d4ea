"""What an API may cost: estimates that err upwards, and a cap in dollars and tokens that holds whatever happens."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from agentflan.errors import AgentFlanError, ConfigError

_BYTES_A_TOKEN = 3  # rather too few: the estimate and the cap should err upwards
_TOKENS_A_TURN = 8  # signs of the chat template


class Cost(NamedTuple):
    """Dollars (0 where the price is unknown) and tokens."""

    dollars: float = 0.0
    tokens: int = 0

    def plus(self, other: Cost, sign: int = 1) -> Cost:
        """The sum, or the difference."""
        return Cost(self.dollars + sign * other.dollars, self.tokens + sign * other.tokens)


@dataclass(frozen=True)
class Tariff:
    """Prices and caps.

    Attributes:
        prompt_price, reply_price: US dollars for a million tokens; None if unknown.
        max_cost: US dollars at the most; needs the prices. None is no cap.
        max_total_tokens: prompt and reply tokens at the most. None is no cap.
    """

    prompt_price: float | None
    reply_price: float | None
    max_cost: float | None
    max_total_tokens: int | None

    def check(self, model: str) -> None:
        """Refuse to spend without a limit that can be kept.

        Raises:
            ConfigError: a price is unknown and no cap on tokens is set, or there is no cap at all.
        """
        known = self.prompt_price is not None and self.reply_price is not None
        if self.max_total_tokens is None and not (known and self.max_cost is not None):
            missing = "max_cost" if known else "prompt_price and reply_price"
            raise ConfigError(
                [f"model {model}: {missing} not given; expected prices with max_cost, or max_total_tokens"]
            )

    def cost(self, prompt_tokens: int, reply_tokens: int) -> Cost:
        """What so many tokens cost."""
        dollars = prompt_tokens * (self.prompt_price or 0) + reply_tokens * (self.reply_price or 0)
        return Cost(dollars / 1e6, prompt_tokens + reply_tokens)

    def allows(self, cost: Cost) -> bool:
        """Whether both caps hold."""
        priced = self.prompt_price is not None and self.reply_price is not None
        cheap = self.max_cost is None or not priced or cost.dollars <= self.max_cost
        return cheap and (self.max_total_tokens is None or cost.tokens <= self.max_total_tokens)

    def limits(self) -> str:
        """The caps in words."""
        parts = [f"${self.max_cost:.2f}"] if self.max_cost is not None else []
        parts += [f"{self.max_total_tokens:,} tokens"] if self.max_total_tokens is not None else []
        return " and ".join(parts)


class CapReached(AgentFlanError):
    """The next request could pass the spending cap."""


@dataclass
class Purse:
    """What was spent, and what the requests on their way can still cost at the most.

    A request is booked at its highest cost before it is sent and settled at its real one, so the cap holds; one that
    does not fit waits for those on their way.
    """

    tariff: Tariff
    spent: Cost
    booked: Cost = field(default_factory=Cost)
    _settled: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def book(self, cost: Cost) -> None:
        """Set the highest cost of a request aside.

        Raises:
            CapReached: it does not fit, and nothing is on its way that could still turn out cheaper.
        """
        async with self._settled:
            await self._settled.wait_for(lambda: self._fits(cost) or not self.booked.tokens)
            if not self._fits(cost):
                raise CapReached(
                    f"the spending cap of {self.tariff.limits()} could be passed by the next request (so far "
                    f"${self.spent.dollars:.4f}, {self.spent.tokens:,} tokens); the replies received are kept: raise "
                    "max_cost or max_total_tokens and repeat the command"
                )
            self.booked = self.booked.plus(cost)

    async def settle(self, booked: Cost, real: Cost) -> None:
        """Replace the highest cost of a request by its real one."""
        async with self._settled:
            self.booked = self.booked.plus(booked, -1)
            self.spent = self.spent.plus(real)
            self._settled.notify_all()

    def _fits(self, cost: Cost) -> bool:
        return self.tariff.allows(self.spent.plus(self.booked).plus(cost))


def prompt_tokens(body: dict[str, Any]) -> int:
    """About how many tokens a request's prompt has; rather too many."""
    texts = [body["prompt"]] if "prompt" in body else [turn["content"] for turn in body["messages"]]
    return sum(map(text_tokens, texts))


def text_tokens(text: str) -> int:
    """About how many tokens a turn has; rather too many."""
    return len(text.encode()) // _BYTES_A_TOKEN + _TOKENS_A_TURN


def canonical(value: Any) -> bytes:
    """JSON with sorted keys, no spaces and no escaped letters, UTF-8."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
