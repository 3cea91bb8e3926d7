"""One append's way into the table: in requests of 500 rows, and what becomes of those that are refused.

BigQuery answers a request with nothing, with an error for each row (of which only ``invalid`` is about the row itself:
the others were ``stopped`` on its account), or refuses it whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from google.api_core.exceptions import GoogleAPICallError

from benchmark_recorder.errors import RefusedRecordsError, StoreSetupError, StoreUnavailableError
from benchmark_recorder.stores.vertex.requests import is_refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmark_recorder.stores.vertex.rows import Row

ROWS_PER_REQUEST: Final = 500
"""What BigQuery recommends; its limits are 50,000 rows and 10 MB."""

_ALIKE: Final = 8
"""Rows refused alone, all for one reason and with none taken, after which no further one is tried."""

_ABOUT_THE_TABLE: Final = re.compile(
    r"no such field|cannot convert|could not convert|could not parse|missing required field|is not a record|"
    r"array specified|schema",
    re.IGNORECASE,
)
"""What BigQuery says of a row where the table's columns are not ours; a record of ours cannot cause it alone."""


@dataclass(slots=True)
class Stream:
    """Sends rows, and sorts out which are refused.

    Attributes:
        send: sends one request; returns the errors of its rows as ``insert_rows_json`` does.
        place: the store's name, for messages.
        taken: rows that are stored.
        refused: why, by record id.
    """

    send: Callable[[Sequence[Row]], Sequence[Mapping[str, Any]]]
    place: str
    taken: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    _whole: set[str] = field(default_factory=set)

    def deliver(self, rows: Sequence[Row]) -> None:
        """Store rows.

        Raises:
            RefusedRecordsError: some are refused; all others are stored.
            StoreSetupError: all are refused for what is not in them, but in the table.
            StoreUnavailableError: not all are stored; to repeat the call is safe.
        """
        for start in range(0, len(rows), ROWS_PER_REQUEST):
            self._request(rows[start : start + ROWS_PER_REQUEST])
        if not self.refused:
            return
        first, why = next(iter(self.refused.items()))
        # A reason may quote the row's value, so the reasons need not be the same text.
        if not self.taken and all(map(self._is_about_the_table, self.refused.values())):
            raise self._setup_error(why)
        raise RefusedRecordsError(
            f"{self.place} refuses {len(self.refused):,} of {len(rows):,} records; the first, {first}: {why}",
            reasons=self.refused,
        )

    def _request(self, rows: Sequence[Row]) -> None:
        try:
            errors = self.send(rows)
        except GoogleAPICallError as error:
            if not is_refusal(error):
                raise
            self._halve(rows, error)
            return
        if errors:
            self._sort_out(rows, errors)
        else:
            self.taken += len(rows)

    def _halve(self, rows: Sequence[Row], error: GoogleAPICallError) -> None:
        """A request was refused whole: find the rows that are the cause."""
        if len(rows) > 1:
            middle = len(rows) // 2
            self._request(rows[:middle])
            self._request(rows[middle:])
            return
        why = f"{error.code}: {error.message}"[:300]
        self.refused[rows[0]["record_id"]] = why
        if error.code != 413:
            self._whole.add(why)
        if not self.taken and len(self.refused) >= _ALIKE and set(self.refused.values()) == {why} == self._whole:
            raise self._setup_error(why) from error

    def _sort_out(self, rows: Sequence[Row], errors: Sequence[Mapping[str, Any]]) -> None:
        """Keep the invalid rows' reasons, and send the stopped ones again without them."""
        invalid: dict[int, str] = {}
        stopped: set[int] = set()
        passing: list[str] = []
        for entry in errors:
            index = int(entry["index"])
            for problem in entry["errors"]:
                if problem.get("reason") == "invalid":
                    where = problem.get("location")
                    invalid[index] = " ".join(filter(None, (where and f"{where}:", problem.get("message"))))[:300]
                elif problem.get("reason") == "stopped":
                    stopped.add(index)
                else:
                    passing.append(f"{problem.get('reason')}: {problem.get('message')}"[:300])
        if missing := next((why for why in invalid.values() if "no such field" in why.lower()), None):
            raise self._setup_error(missing)  # rows without that column are no reason to go on
        if passing or not invalid:
            raise StoreUnavailableError(f"{self.place} did not take all rows: {(passing or ['all were stopped'])[0]}")
        self.refused |= {rows[index]["record_id"]: why for index, why in invalid.items()}
        again = [rows[index] for index in sorted(stopped - invalid.keys())]
        self.taken += len(rows) - len(again) - len(invalid)
        if again:
            self._request(again)

    def _is_about_the_table(self, why: str) -> bool:
        return why in self._whole or _ABOUT_THE_TABLE.search(why) is not None

    def _setup_error(self, why: str) -> StoreSetupError:
        return StoreSetupError(
            f"{self.place} takes no records: {why}; `benchmark-recorder vertex check` tells where the table is not "
            "as it should be, `vertex setup` adds columns that are missing"
        )
