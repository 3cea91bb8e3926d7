"""``python -m benchmark_recorder``."""

from __future__ import annotations

from benchmark_recorder.cli import main

if __name__ == "__main__":
    main()
