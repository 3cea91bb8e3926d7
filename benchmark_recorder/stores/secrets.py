"""What must not be shown of a URL, wherever it stands in a text."""

from __future__ import annotations

import re
from typing import Final

_SECRET: Final = re.compile(r"(?<=://)[^/\s]*(?=@)|(?<=password=)[^&\s]+|(?<=properties=)[^&\s]+", re.IGNORECASE)
"""A URL's user and password, and its options that hold passwords or tokens."""


def without_secrets(text: str) -> str:
    """The same text with ``***`` in the place of each secret."""
    return _SECRET.sub("***", text)
