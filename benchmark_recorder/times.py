"""Times that are not plain: other people's spellings, and datetimes of other libraries."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from benchmark_recorder.errors import InvalidRecordError, preview

_ZONE: Final = re.compile(r"(?<=\d) ?(?:z|utc|gmt|([+-]\d\d(?::?\d\d)?)(?: [a-z]{1,5})?)$", re.IGNORECASE)
_LEAP_SECOND: Final = re.compile(r"(?<=:\d\d):60(?=$|[.,+-])")


def respelled(value: object) -> str:
    """A time as UTC text that is no plain datetime nor ISO 8601; a naive one is local time.

    RFC 3339 may be in lower case and have a leap second; Go, PostgreSQL and BigQuery write zones in ways of their own.

    Raises:
        InvalidRecordError: it is no time.
    """
    try:
        if isinstance(value, datetime):
            # Of pandas, whose naive ones know no local time.
            moment = value.to_pydatetime(warn=False) if hasattr(value, "to_pydatetime") else value
        elif isinstance(value, str) and not value.isdigit():
            text = _ZONE.sub(lambda zone: zone[1] or "+00:00", value.strip())
            moment = datetime.fromisoformat(_LEAP_SECOND.sub(":59", text))
        else:
            moment = datetime.fromisoformat("")  # no time
        text = moment.astimezone(UTC).isoformat(timespec="microseconds")
        datetime.fromisoformat(text)  # pandas' NaT is a datetime, too
        return text  # noqa: TRY300 - what was made is part of what is tried
    except (TypeError, ValueError, OverflowError, OSError):
        message = f"timestamp: expected a datetime or an ISO 8601 text, got {preview(value)}"
        raise InvalidRecordError(message, field="timestamp") from None
