"""The library's logger, which shows nothing unless the program sets logging up."""

from __future__ import annotations

import logging
from typing import Final

logger: Final = logging.getLogger("benchmark_recorder")
logger.addHandler(logging.NullHandler())
