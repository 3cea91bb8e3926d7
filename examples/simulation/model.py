"""The language model, simulated: how long a call takes, what it costs and whether it goes wrong.

All follows from what is asked, of whom, and of which tier; the luck of a call is drawn from the task, the step and the
repeat, so that every version meets the same luck. Nothing here knows of versions.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, NamedTuple


class Tier(NamedTuple):
    """A class of models: USD per thousand tokens, and how often it gets a step of difficulty 1 wrong."""

    name: str
    price_in: float
    price_out: float
    weakness: float


# Prices in the steps of public price lists of 2025 (a mini, a middle and a flagship model). That each tier is wrong
# half as often as the one below it, and the best one once in a hundred of the hardest steps, is an assumption.
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
"""Standard deviation of the logarithm of a call's writing time: calls differ by a quarter either way."""

UNSKILLED_TOKENS: Final = 1.5
UNSKILLED_WEAKNESS: Final = 2.0
"""An agent without the skill lacks its instructions and tools: half as many tokens more, twice as often wrong."""


def chance(*key: object) -> float:
    """A number between 0 and 1 that is the same for the same key, in every process."""
    digest = hashlib.sha256("\0".join(map(str, key)).encode()).digest()
    return (int.from_bytes(digest[:6]) + 0.5) / 2**48


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the model."""

    luck: tuple[object, ...]  # what its luck is drawn from: task, repeat, step
    read: float  # thousands of tokens
    written: float  # thousands of tokens that a skilled agent writes
    difficulty: float  # of the task, 0 to 1
    tier: Tier
    skilled: bool = True  # whether the agent that asks has the skill

    @property
    def _tokens(self) -> float:
        return self.written if self.skilled else self.written * UNSKILLED_TOKENS

    @property
    def cost(self) -> float:
        """USD."""
        return self.read * self.tier.price_in + self._tokens * self.tier.price_out

    @property
    def seconds(self) -> float:
        """How long it takes; never less than the time to the first token."""
        noise = NormalDist(sigma=SPREAD).inv_cdf(chance("time", *self.luck))
        return SECONDS_TO_FIRST_TOKEN + self._tokens * SECONDS_PER_KILOTOKEN * math.exp(noise)

    @property
    def goes_wrong(self) -> bool:
        """Whether what it writes is wrong."""
        weakness = self.tier.weakness * (1 if self.skilled else UNSKILLED_WEAKNESS)
        return chance("wrong", *self.luck) < self.difficulty * weakness
