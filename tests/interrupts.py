"""Ctrl-C where a loop jumps back: Python 3.12 and 3.13 do not guard such a jump at the end of ``with`` or ``try``."""

from __future__ import annotations

import dis
import itertools
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def interrupts(begin: Callable[[], Callable[[], object]]) -> Iterator[int]:
    """Make a call again and again, each time with Ctrl-C at the next jump back of our code, until there is none."""
    for moment in itertools.count():
        if not _interrupted(begin(), moment):
            return
        yield moment


def _interrupted(call: Callable[[], object], moment: int) -> bool:
    jumps = -1

    def trace(frame: Any, event: str, _: object) -> Any:
        nonlocal jumps
        if not frame.f_globals["__name__"].startswith("benchmark_recorder"):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode" and dis.opname[frame.f_code.co_code[frame.f_lasti]].startswith("JUMP_BACKWARD"):
            jumps += 1
            if jumps == moment:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False
