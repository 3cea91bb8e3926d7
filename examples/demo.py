"""The main job: run 13 tasks through both orchestrators in real time, record, report, and check four claims.

Run it with ``make demo``, or ``python examples/demo.py [STORE]``. The executions go into ``benchmarks/demo.json`` under
the working directory, away from a project's own, and stay there; the report covers this run alone.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this file is run by its path

from benchmark_recorder import get_benchmark_recorder
from benchmark_recorder.harness import GUIDE_CLAIMS, BenchmarkHarness
from examples.simulation.orchestrator import orchestrator_v1, orchestrator_v2

STORE: Final = "benchmarks/demo.json"
REPEATS: Final = 10
AT_ONCE: Final = 60
"""Executions at a time: they only wait, so they do not disturb each other."""


def main() -> None:
    """Run, record, report."""
    recorder = get_benchmark_recorder(sys.argv[1] if len(sys.argv) > 1 else STORE)
    versions = [orchestrator_v1(), orchestrator_v2()]
    harness = BenchmarkHarness(versions, recorder=recorder, repeats=REPEATS, concurrency=AT_ONCE)
    result = harness.run()
    print(f"{len(result.executions)} executions in {result.seconds:.0f} s, recorded in {recorder.store.name}\n")
    print(recorder.generate_report(result.versions, **result.query))
    claims = recorder.check_claims("v1.0", "v2.0", GUIDE_CLAIMS, **result.query)
    print(f"\nClaims\n------\n\n{claims.sentence}\n")
    for claim in claims.results:
        print(f"- {claim.sentence}{f' {claim.needed.sentence}' if claim.needed else ''}")


if __name__ == "__main__":
    main()
