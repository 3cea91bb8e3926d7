"""Settings for all tests."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from benchmark_recorder.settings import ENVIRONMENT

pytest_plugins = ["pytester", "tests.reporting.browser", "tests.stores.server"]

# A shared machine is slow at times, which is no failure; and what CI tries must not differ from run to run.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(autouse=True)
def _no_settings_of_the_person_who_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes into a store that somebody named in the environment."""
    for variable in ENVIRONMENT.values():
        monkeypatch.delenv(variable, raising=False)
