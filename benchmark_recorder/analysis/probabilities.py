"""Distribution functions, from scipy.

Imported by the first of them: it takes longer than to answer a question whose intervals nobody looks at.
"""

from __future__ import annotations

import math


def normal_quantile(probability: float) -> float:
    """The standard normal's."""
    from scipy import special

    return float(special.ndtri(probability))


def normal_tail(z: float) -> float:
    """The probability below ``z``."""
    from scipy import special

    return float(special.ndtr(z))


def student_quantile(freedom: float, probability: float) -> float:
    """Student's t's; the normal's for infinitely many degrees of freedom."""
    if math.isinf(freedom):
        return normal_quantile(probability)
    from scipy import special

    return float(special.stdtrit(freedom, probability))


def student_tail(freedom: float, t: float) -> float:
    """The probability below ``t``."""
    if math.isinf(freedom):
        return normal_tail(t)
    from scipy import special

    return float(special.stdtr(freedom, t))


def binomial_tail(hits: int, n: int, share: float) -> float:
    """The probability of at most so many hits in ``n``."""
    from scipy import special

    return float(special.bdtr(hits, n, share))
