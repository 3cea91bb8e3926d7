"""Rows into the table by ``insertAll``, and what is refused of them.

It answers with nothing, with an error for each row (of which only ``invalid`` is about the row itself: the others were
``stopped`` because of it), or refuses the request as a whole.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from google.api_core import exceptions

from benchmark_recorder.errors import RefusedRecordsError, StoreSetupError, StoreUnavailableError, preview
from benchmark_recorder.stores.quarantine import REFUSED_ALIKE
from benchmark_recorder.stores.vertex.columns import make_room
from benchmark_recorder.stores.vertex.requests import limits, passes
from benchmark_recorder.stores.vertex.rows import OPTIONAL, OTHER_FIELDS, without_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from google.cloud import bigquery

    from benchmark_recorder.stores.vertex.place import Place
    from benchmark_recorder.stores.vertex.rows import Row

ROWS_PER_REQUEST: Final = 500
"""What BigQuery recommends; its limits are 50,000 rows and 10 MB."""

SMALL_ROW: Final = 1_000_000
"""Bytes of a row that is never the cause of a 413: BigQuery takes 10 MB."""

_ABOUT_THE_TABLE: Final = re.compile(
    r"no such field|cannot convert|could not convert|could not parse|missing required field|is not a record|"
    r"array specified|schema",
    re.IGNORECASE,
)
"""What BigQuery says about a row when the table's columns are not ours; one record alone cannot cause it."""

_ABOUT_THE_ROW: Final = re.compile(r"days in the (?:past|future)|maximum allowed row size", re.IGNORECASE)
"""What BigQuery says about a row that no table would take, however many there are."""

_VALUES: Final = re.compile(r"'[^']*'|\"[^\"]*\"|\d[\d.:+-]*")
"""What a reason may quote of a row: texts, numbers, times."""

_NO_SUCH_FIELD: Final = re.compile(r"no such field: (\w+)", re.IGNORECASE)


def _is_refusal(error: exceptions.GoogleAPICallError) -> bool:
    """Whether a request was refused for its content (400, 413)."""
    return error.code in {400, 413} and not passes(error)


@dataclass(slots=True)
class Stream:
    """Sends one append's rows in requests of 500, and sorts out which are refused.

    Attributes:
        client: Google's.
        place: the table.
        absent: columns that may not be added to the table; more may come to it.
        taken: rows that are stored.
        refused: why, by record id.
    """

    client: bigquery.Client
    place: Place
    absent: set[str]
    taken: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    _whole: set[str] = field(default_factory=set)
    _there: set[str] = field(default_factory=set)

    def deliver(self, rows: Sequence[Row]) -> None:
        """Store rows.

        Raises:
            RefusedRecordsError: some are refused; all others are stored.
            StoreSetupError: all are refused because of the table, not of their content.
            StoreUnavailableError: not all are stored; to repeat the call is safe.
        """
        for start in range(0, len(rows), ROWS_PER_REQUEST):
            self._request(rows[start : start + ROWS_PER_REQUEST])
        if not self.refused:
            return
        first, why = next(iter(self.refused.items()))
        if not self.taken and (self._are_alike() or all(map(self._is_about_the_table, self.refused.values()))):
            raise self._setup_error(why)
        raise RefusedRecordsError(
            f"{self.place.name} refuses {len(self.refused):,} of {len(rows):,} records; the first, {first}: {why}",
            reasons=self.refused,
        )

    def _request(self, rows: Sequence[Row]) -> None:
        if self.absent:
            rows = [without_columns(row, self.absent) for row in rows]
        try:
            errors = self.client.insert_rows_json(
                self.place.table_id, rows, row_ids=[row["record_id"] for row in rows], **limits(self.place)
            )
        except exceptions.GoogleAPICallError as error:
            if not _is_refusal(error):
                raise
            self._halve(rows, error)
            return
        if not isinstance(errors, list):
            raise StoreSetupError(f"{self.place.name} did not acknowledge: the client returned {preview(errors)}")
        if errors:
            self._sort_out(rows, errors)
        else:
            self.taken += len(rows)

    def _halve(self, rows: Sequence[Row], error: exceptions.GoogleAPICallError) -> None:
        """A request was refused as a whole: find the rows that are the cause."""
        if len(rows) > 1:
            middle = len(rows) // 2
            self._request(rows[:middle])
            self._request(rows[middle:])
            return
        why = f"{error.code}: {error.message}"[:300]
        if error.code == 413 and len(json.dumps(rows[0])) < SMALL_ROW:
            raise StoreSetupError(
                f"{self.place.name} does not take a row under 1 MB: {why}; check for a proxy with a limit"
            ) from error
        self.refused[rows[0]["record_id"]] = why
        if error.code != 413:
            self._whole.add(why)
        if not self.taken and self._are_alike() and self._whole.issuperset(self.refused.values()):
            raise self._setup_error(why) from error

    def _sort_out(self, rows: Sequence[Row], errors: Sequence[Mapping[str, Any]]) -> None:
        """Keep the invalid rows' reasons, and send the stopped ones again without them."""
        invalid: dict[int, str] = {}
        stopped: set[int] = set()
        passing: list[str] = []
        for entry in errors:
            index = int(entry["index"])
            for error in entry["errors"]:
                reason, message = error.get("reason"), error.get("message")
                if reason == "invalid":
                    where = error.get("location")
                    invalid[index] = " ".join(filter(None, (where and f"{where}:", message)))[:300]
                elif reason == "stopped":
                    stopped.add(index)
                else:
                    passing.append(f"{reason}: {message}"[:300])
        if unknown := {found[1]: why for why in invalid.values() if (found := _NO_SUCH_FIELD.search(why))}:
            self._make_room(unknown)
            self._request(rows)
            return
        if passing or not invalid:
            problem = next(iter(passing), "all were stopped")
            raise StoreUnavailableError(f"{self.place.name} did not accept all rows: {problem}")
        self.refused |= {rows[index]["record_id"]: why for index, why in invalid.items()}
        again = [rows[index] for index in sorted(stopped - invalid.keys())]
        self.taken += len(rows) - len(again) - len(invalid)
        if again:
            self._request(again)

    def _make_room(self, unknown: Mapping[str, str]) -> None:
        """Do something about columns that the table lacks, given why each is called unknown."""
        for name, why in unknown.items():
            if name not in OPTIONAL or name in self.absent:
                raise self._setup_error(why)
        if self._there.issuperset(unknown):
            raise StoreUnavailableError(
                f"{self.place.name} does not accept rows with the new column {', '.join(sorted(unknown))} yet: after a "
                "column was added, BigQuery may take some minutes"
            )
        self.absent |= make_room(self.client, self.place, frozenset(unknown))
        self._there |= unknown.keys() - self.absent
        if OTHER_FIELDS in self.absent:
            raise self._setup_error(f"there is no column {OTHER_FIELDS}")

    def _are_alike(self) -> bool:
        """Whether enough rows are refused, all for one reason, that it is not theirs."""
        kinds = {_VALUES.sub("", why) for why in self.refused.values()}
        return len(self.refused) >= REFUSED_ALIKE and len(kinds) == 1 and not _ABOUT_THE_ROW.search(min(kinds))

    def _is_about_the_table(self, why: str) -> bool:
        return why in self._whole or _ABOUT_THE_TABLE.search(why) is not None

    def _setup_error(self, why: str) -> StoreSetupError:
        return StoreSetupError(
            f"{self.place.name} does not accept records: {why}; `benchmark-recorder vertex check` shows what is "
            "wrong with the table, `vertex setup` adds missing columns"
        )
