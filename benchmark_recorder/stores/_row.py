"""What a line must have to be a record that every question can be asked of."""

from __future__ import annotations

from typing import Any

import msgspec


class Row(msgspec.Struct, gc=False):
    """The fields that most questions are about, as they stand in a line."""

    timestamp: str
    version: str
    execution_time: float | None
    success: bool
    task_id: str = ""
    agent_selected: str | None = None
    cost_estimated: float | None = None
    cost_known: Any = None
    expected_agent: str | None = None
    git_commit: str | None = None
    host: str | None = None


decode_row = msgspec.json.Decoder(Row).decode
decode_rows = msgspec.json.Decoder(list[Row]).decode
