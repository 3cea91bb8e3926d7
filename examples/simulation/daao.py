"""DAAO, difficulty-aware orchestration: a cheap model for what is easy, a strong one for what is hard."""

from __future__ import annotations

from typing import Final

from .model import TIERS, Tier

MANY_GOALS: Final = 6
"""Goals of the largest tasks."""

LONG: Final = 1.0
"""Thousands of tokens of the longest steps."""


def tier_for(goals: int, size: float) -> Tier:
    """The model tier for a call, from what can be seen beforehand.

    Args:
        goals: of the whole task.
        size: thousands of tokens that the call is expected to write.
    """
    estimate = (min(goals / MANY_GOALS, 1) + min(size / LONG, 1)) / 2
    return TIERS[min(int(estimate * len(TIERS)), len(TIERS) - 1)]
