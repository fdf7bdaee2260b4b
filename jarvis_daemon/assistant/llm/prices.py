"""What a call of a cloud model costs: the table ``data/prices.toml``, versioned with the code."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, Final

from jarvis_daemon.assistant.llm.contract import Usage

_DATED: Final = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8})$")
"""A release of a model costs what the model costs: ``claude-sonnet-4-5-20250929``."""


@dataclass(frozen=True)
class Rates:
    """USD per million tokens."""

    input: float
    output: float
    cache_read: float
    cache_write: float


@dataclass(frozen=True)
class Price:
    """One model. ``window``: the longest prompt, ``max_output``: the longest answer, in tokens, where known. A
    prompt of more than ``above`` tokens is charged by ``beyond``. ``known`` is False where the table does not have
    the model: then it counts as ``like``, the dearest one."""

    model: str
    rates: Rates
    window: int | None = None
    max_output: int | None = None
    above: int | None = None
    beyond: Rates | None = None
    known: bool = True
    like: str = ""

    def usd(self, usage: Usage) -> float:
        """Of a call with this usage."""
        rates = self._rates(usage.input)
        plain = max(0, usage.input - usage.cached - usage.written)
        return (
            plain * rates.input + usage.cached * rates.cache_read + usage.written * rates.cache_write
            + usage.output * rates.output
        ) / 1e6  # fmt: skip

    def worst(self, prompt_tokens: int, max_tokens: int) -> float:
        """At most, of a prompt of at most that many tokens: nothing of it cached before, all of it written."""
        rates = self._rates(prompt_tokens)
        return (prompt_tokens * max(rates.input, rates.cache_write) + max_tokens * rates.output) / 1e6

    def _rates(self, prompt_tokens: int) -> Rates:
        over = self.above is not None and prompt_tokens > self.above
        return self.beyond if over and self.beyond is not None else self.rates


class Prices:
    """A table of prices; ``version`` is its date."""

    def __init__(self, version: str, models: dict[str, Price]) -> None:
        if not models:
            raise ValueError("a table of prices without a row")
        self.version, self._models = version, models
        self.dearest = max(models.values(), key=lambda price: price.rates.input + price.rates.output)

    def of(self, model: str) -> Price:
        """The price of a model as litellm names it (``provider/model``; OpenAI's also without the provider)."""
        name = model if "/" in model else f"openai/{model}"
        found = self._models.get(name) or self._models.get(_DATED.sub("", name))
        if found is not None:
            return found
        top = self.dearest
        return Price(model, top.rates, above=top.above, beyond=top.beyond, known=False, like=top.model)

    def __iter__(self) -> Any:
        return iter(self._models.values())


@lru_cache(maxsize=1)
def shipped() -> Prices:
    """The table that comes with this version."""
    return read(resources.files("jarvis_daemon.data").joinpath("prices.toml").read_text("utf-8"))


def read(text: str) -> Prices:
    """A table from TOML. Raises ``ValueError`` where it is none, or a price is missing or below nothing."""
    table = tomllib.loads(text)
    return Prices(str(table["version"]), {name: _price(name, row) for name, row in table["models"].items()})


def _price(name: str, row: dict[str, Any]) -> Price:
    beyond = row.get("beyond")
    return Price(
        name, _rates(name, row), window=row.get("window"), max_output=row.get("max_output"), above=row.get("above"),
        beyond=_rates(name, beyond) if beyond is not None else None,
    )  # fmt: skip


def _rates(name: str, row: dict[str, Any]) -> Rates:
    try:
        plain, output = float(row["input"]), float(row["output"])
    except KeyError as error:
        raise ValueError(f"no price {error} of {name}") from None
    rates = Rates(plain, output, float(row.get("cache_read", plain)), float(row.get("cache_write", plain)))
    if min(rates.input, rates.output, rates.cache_read, rates.cache_write) < 0:
        raise ValueError(f"a price of {name} is below nothing")
    return rates
