"""Loads as pure functions of time: smooth, seeded, without state, so that history can be read backwards.

``at`` is Unix seconds on the simulation's load clock; every result is a share 0..1 unless said otherwise.
"""

from __future__ import annotations

import math
import zlib
from typing import Final

_MASK: Final = 0xFFFFFFFF


def seed_of(*parts: object) -> int:
    """A 32-bit seed for what ``parts`` name, the same on every machine."""
    return zlib.crc32("/".join(map(str, parts)).encode())


def _lattice(seed: int, index: int) -> float:
    x = (index * 0x9E3779B1 ^ seed) & _MASK
    x = ((x ^ (x >> 16)) * 0x85EBCA6B) & _MASK
    x = ((x ^ (x >> 13)) * 0xC2B2AE35) & _MASK
    return (x ^ (x >> 16)) / _MASK * 2 - 1


def noise(seed: int, at: float, period_s: float) -> float:
    """Smooth noise in -1..1 that turns about once in ``period_s``."""
    position = at / period_s
    index = math.floor(position)
    u = position - index
    u = u * u * (3 - 2 * u)
    left = _lattice(seed, index)
    return left + (_lattice(seed, index + 1) - left) * u


def daily(at: float) -> float:
    """The day of a household, 0 at five in the morning to 1 at five in the afternoon (UTC)."""
    return 0.5 - 0.5 * math.cos((at - 5 * 3600) / 86400 * 2 * math.pi)


def unit(seed: int) -> float:
    """A fixed number 0..1 for ``seed``."""
    return (_lattice(seed, 17) + 1) / 2


def cpu(seed: int, at: float) -> float:
    """The CPU demand of a guest as a share of its cores, at most 60 %: most idle along, a few are busy."""
    base = 0.006 + 0.16 * unit(seed) ** 3
    day = 0.14 * unit(seed ^ 0x51) * daily(at)
    spells = 0.22 * unit(seed ^ 0x52) ** 2 * max(0.0, noise(seed, at, 1800))
    jitter = 0.012 * (0.3 + unit(seed ^ 0x53)) * (1 + noise(seed ^ 0xA5, at, 45))
    return min(0.6, base + day + spells + jitter)


def memory(seed: int, at: float) -> float:
    """Memory of a guest as a share of what it was given: 25 % to 75 %, slow."""
    base = 0.32 + 0.34 * unit(seed ^ 0x77)
    return base + 0.05 * noise(seed ^ 0x3C, at, 5400) + 0.01 * noise(seed ^ 0xC3, at, 120)


def rate(seed: int, at: float, peak: float) -> float:
    """Bytes per second of a flow that peaks at ``peak``: mostly little, at times much."""
    calm = 0.02 + 0.05 * unit(seed ^ 0x1D)
    busy = max(0.0, noise(seed ^ 0xB7, at, 900)) ** 2
    return peak * min(1.0, calm * (0.6 + 0.4 * noise(seed ^ 0xE1, at, 60)) + 0.5 * busy * daily(at))
