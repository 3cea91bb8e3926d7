from __future__ import annotations

import pytest

from benchmark_recorder.stores.memory import MemoryStore
from benchmark_recorder.testing import JournalContract


class TestMemoryStore(JournalContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()
