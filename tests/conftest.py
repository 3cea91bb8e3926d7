"""Settings for all tests."""

from __future__ import annotations

import os

from hypothesis import settings

# A shared machine is slow at times, which is no failure; and what CI tries must not differ from run to run.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")
