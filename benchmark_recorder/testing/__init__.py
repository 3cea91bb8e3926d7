"""The conformance suite that every store passes, ours and third parties'.

::

    import pytest
    from benchmark_recorder.testing import StoreContract


    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self, tmp_path):
            with MyStore(tmp_path) as store:
                yield store

A journal's tests derive from ``JournalContract``.

- ``contract``: what every store is held to, and every journal
- ``grouped``: the same for groups, histograms and units
- ``pairs``: the same where two versions are compared
- ``histories``: records that try a store, and how answers are compared
"""

from benchmark_recorder.testing.contract import JournalContract, StoreContract
from benchmark_recorder.testing.histories import (
    HOSTILE_TEXTS,
    QUERIES,
    START,
    assert_same_cells,
    make_document,
    make_history,
)

__all__ = [
    "HOSTILE_TEXTS",
    "QUERIES",
    "START",
    "JournalContract",
    "StoreContract",
    "assert_same_cells",
    "make_document",
    "make_history",
]
