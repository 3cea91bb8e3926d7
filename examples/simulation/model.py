"""The language model, simulated: how long a call takes, what it costs and whether it goes wrong.

All follows from what is asked, of whom, and of which tier; the luck of a call is drawn from the task, the step and the
repeat, so that every version meets the same luck. Nothing here knows of versions.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final


@dataclass(frozen=True, slots=True)
class Tier:
    """A class of models.

    Attributes:
        name: of the class.
        price_in: USD per thousand tokens read.
        price_out: USD per thousand tokens written.
        weakness: the chance that a skilled agent gets a step of difficulty 1 wrong.
    """

    name: str
    price_in: float
    price_out: float
    weakness: float


# Prices in the steps of public price lists of 2025 (a mini, a middle and a flagship model). Each tier is wrong half as
# often as the one below it: an assumption.
TIERS: Final = (
    Tier("economy", 0.00015, 0.0006, 0.04),
    Tier("standard", 0.0011, 0.0044, 0.02),
    Tier("premium", 0.0025, 0.01, 0.01),
)
PREMIUM: Final = TIERS[-1]

# Half a second to the first token and 100 tokens a second are usual; here ten times faster, so that a demo is short.
SECONDS_TO_FIRST_TOKEN: Final = 0.05
SECONDS_PER_KILOTOKEN: Final = 1.0
SPREAD: Final = 0.25
"""Standard deviation of the logarithm of a call's time: calls differ by a quarter either way."""

UNSKILLED_TOKENS: Final = 1.5
UNSKILLED_WEAKNESS: Final = 2.0
"""An agent without the skill lacks its instructions and tools: half as many tokens more, twice as often wrong."""


def chance(*key: object) -> float:
    """A number from 0 to 1 that is the same for the same key, in every process."""
    digest = hashlib.sha256("\0".join(map(str, key)).encode()).digest()
    return (int.from_bytes(digest[:6]) + 0.5) / 2**48


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the model.

    Attributes:
        luck: what its luck is drawn from: task, step, repeat.
        read: thousands of tokens.
        written: thousands of tokens that a skilled agent writes.
        difficulty: of the task, 0 to 1.
        tier: of the model.
        skilled: whether the agent that asks has the skill.
    """

    luck: tuple[object, ...]
    read: float
    written: float
    difficulty: float
    tier: Tier
    skilled: bool = True

    @property
    def tokens_written(self) -> float:
        """Thousands of tokens."""
        return self.written if self.skilled else self.written * UNSKILLED_TOKENS

    @property
    def cost(self) -> float:
        """USD."""
        return self.read * self.tier.price_in + self.tokens_written * self.tier.price_out

    @property
    def seconds(self) -> float:
        """How long it takes; never less than the time to the first token."""
        noise = NormalDist(sigma=SPREAD).inv_cdf(chance("time", *self.luck))
        return SECONDS_TO_FIRST_TOKEN + self.tokens_written * SECONDS_PER_KILOTOKEN * math.exp(noise)

    @property
    def goes_wrong(self) -> bool:
        """Whether what it writes is wrong."""
        weakness = self.tier.weakness * (1 if self.skilled else UNSKILLED_WEAKNESS)
        return chance("wrong", *self.luck) < self.difficulty * weakness

    async def wait(self) -> None:
        """Take the time."""
        await asyncio.sleep(self.seconds)
