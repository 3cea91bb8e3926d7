"""What a line must have to be a record that every question can be asked of."""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec

from benchmark_recorder.stores.json_file.format import JOINT, is_record


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


ODD: Final = Row("1970-01-01T00:00:00.000000+00:00", cast("str", None), None, False)  # noqa: FBT003 - a record's field
"""Stands for a record that is JSON, but has a field missing or of another kind; it is of no version."""

decode_row = msgspec.json.Decoder(Row).decode
decode_rows = msgspec.json.Decoder(list[Row]).decode


def decode_odd_rows(block: bytes) -> list[Row]:
    """The records of some lines one by one, ``ODD`` for those that are odd.

    Raises:
        msgspec.DecodeError: a line is no JSON object at all.
    """
    return [_row(line) for line in block.split(JOINT)]


def _row(line: bytes) -> Row:
    try:
        return decode_row(line)
    except msgspec.DecodeError:
        if not is_record(line):
            raise
        return ODD
