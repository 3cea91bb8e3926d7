"""Exit codes: what a command says to its shell, and a gate to CI."""

from enum import IntEnum


class Code(IntEnum):
    """Exit codes; each says one thing.

    Attributes:
        FINE: success; a gate that passes or warns.
        BLOCKED: the gate blocks, and nothing else.
        WRONG_USAGE: an option, argument, setting or imported line is wrong.
        INCONCLUSIVE: the gate is, and was asked to fail on it.
        NO_DATA: there is nothing to answer from, a store or file cannot be read, or an output cannot be written.
        PROBLEMS: ``doctor`` found some.
        BUG: an error of this package, with its traceback (sysexits.h: EX_SOFTWARE).
        INTERRUPTED: by Ctrl-C.
    """

    FINE = 0
    BLOCKED = 1
    WRONG_USAGE = 2
    INCONCLUSIVE = 3
    NO_DATA = 4
    PROBLEMS = 5
    BUG = 70
    INTERRUPTED = 130
