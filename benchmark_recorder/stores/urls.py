"""URLs of stores, without what nobody may see."""

from __future__ import annotations

import re
from typing import Final

_SECRET: Final = re.compile(r"(?<=://)[^/\s]*(?=@)|(?<=password=)[^&\s]+|(?<=properties=)[^&\s]+", re.IGNORECASE)
"""A URL's user and password, and its options that hold passwords or tokens."""


def without_secrets(text: str) -> str:
    """The same text with each secret of a URL in it replaced by ``***``."""
    return _SECRET.sub("***", text)
