"""The machinery of a table of rates: rows as data, histories in processes, and what an interval says of a bound."""

from __future__ import annotations

import math
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from scipy import stats

from benchmark_recorder.history import History
from benchmark_recorder.stores.memory import MemoryStore
from tests.perf.simulation.designs import Suite, Weeks

if TYPE_CHECKING:
    from benchmark_recorder.cells import Cells
    from benchmark_recorder.queries import Query
    from benchmark_recorder.records import Columns
    from tests.perf.simulation.designs import Design, Runs

SURE: Final = 0.999
"""One-sided confidence beyond which a rate breaks its bound."""

MOST_REFUSED: Final = 0.05
"""Share of histories without anything unusual in which a question may be refused, for each kind of refusal."""

TIGHT, OTHER, LONG = 4000, 1000, 2000
"""Histories of a row whose bound is at most 10%, of any other, and the records from which on it has as many."""


# One history, and what is asked about it ------------------------------------------------------------------------------


class Once(MemoryStore):
    """A store that is filled at once, and answers the same question from memory."""

    def __init__(self, runs: Runs) -> None:
        super().__init__()
        self._documents = runs.documents()  # no one else has them, so they need not be copied
        self._given: dict[Any, Any] = {}

    def scan(self, query: Query, fields: Any) -> Columns:
        key = (query, frozenset(fields))
        if key not in self._given:
            self._given[key] = super().scan(query, fields)
        found: Columns = self._given[key]
        return found

    def summarize(self, query: Query) -> Cells:
        if query not in self._given:
            self._given[query] = super().summarize(query)
        found: Cells = self._given[query]
        return found


class Trial:
    """One made-up history.

    Args:
        design: that it is drawn from.
        key: seeds it; the last number counts a design's histories.
    """

    def __init__(self, design: Design, *key: int) -> None:
        self.design, self.key = design, key
        self.rng = np.random.default_rng(key)
        self._given: dict[Any, Any] = {}

    def other(self, design: Design, *key: int) -> Trial:
        """A further history, which comes from this one's key and some more."""
        return Trial(design, *self.key, *key)

    @property
    def suite(self) -> Suite:
        """The design, of two versions."""
        assert isinstance(self.design, Suite)
        return self.design

    @property
    def weeks(self) -> Weeks:
        """The design, of one version week after week."""
        assert isinstance(self.design, Weeks)
        return self.design

    @cached_property
    def runs(self) -> Runs:
        """What was drawn."""
        return self.design.draw(self.rng)

    @cached_property
    def history(self) -> History:
        """The runs in a store."""
        return History(Once(self.runs))

    def ask(self, name: str, *arguments: Any, **keywords: Any) -> Any:
        """A public method's answer; each question is asked once."""
        key = (name, arguments, tuple(keywords.items()))
        if key not in self._given:
            self._given[key] = getattr(self.history, name)(*arguments, **keywords)
        return self._given[key]


class Answer(NamedTuple):
    """What a history gave: whether it is what is counted, and how it was refused, if it was."""

    hit: bool
    refusal: str = ""


@dataclass(frozen=True)
class Question:
    """What is counted.

    Attributes:
        name: in a few words.
        ask: of a history.
        given_only: whether the share is that of the histories in which the question was not refused.
    """

    name: str
    ask: Callable[[Trial], Answer]
    given_only: bool = False


# Rows and bounds ------------------------------------------------------------------------------------------------------


class Bound(NamedTuple):
    """The shares that are right."""

    low: float = 0.0
    high: float = 1.0

    def holds(self, hits: int, n: int) -> bool:
        """Whether the interval of the true share reaches into the bound."""
        low, high = clopper_pearson(hits, n)
        return low <= self.high and high >= self.low

    def __str__(self) -> str:
        if self.low <= 0:
            return f"<= {self.high:.1%}"
        return f">= {self.low:.1%}" if self.high >= 1 else f"{self.low:.1%} to {self.high:.1%}"


def at_most(share: float) -> Bound:
    return Bound(high=share)


def at_least(share: float) -> Bound:
    return Bound(low=share)


def clopper_pearson(hits: int, n: int, confidence: float = SURE) -> tuple[float, float]:
    """Lower and upper limit of a share, each one-sided at this confidence."""
    low = float(stats.beta.ppf(1 - confidence, hits, n - hits + 1)) if hits else 0.0
    high = float(stats.beta.ppf(confidence, hits + 1, n - hits)) if hits < n else 1.0
    return low, high


@dataclass(frozen=True)
class Row:
    """A line of the table for each of its designs.

    Attributes:
        name: what is held against the bound.
        designs: what histories are drawn from, by name.
        questions: each is held against the bound.
        bound: of the share of histories.
        plain: whether the runs are independent, log-normal and of log-sd up to 1, so that hardly any answer may be
            refused.
        most: histories at most, where one takes long.
        against: questions whose largest share, times ``bound.low``, is the least share.
    """

    name: str
    designs: Mapping[str, Design]
    questions: Sequence[Question]
    bound: Bound
    plain: bool = False
    most: int = TIGHT
    against: Sequence[Question] = ()

    def histories(self, design: str) -> int:
        """How many are drawn."""
        tight = self.bound.low <= 0 and self.bound.high <= 0.1
        return min(self.most, TIGHT if tight and self.designs[design].records <= LONG else OTHER)


def seed_of(design: str) -> int:
    return zlib.crc32(design.encode())


@dataclass
class Tally:
    """What was counted for one question."""

    asked: int = 0
    hits: int = 0
    refusals: Counter[str] = field(default_factory=Counter)

    def add(self, answer: Answer) -> None:
        self.asked += 1
        self.hits += answer.hit
        if answer.refusal:
            self.refusals[answer.refusal] += 1

    def merge(self, other: Tally) -> None:
        self.asked += other.asked
        self.hits += other.hits
        self.refusals += other.refusals


class Rate(NamedTuple):
    """One question's share in one row and design."""

    row: Row
    design: str
    question: Question
    tally: Tally
    bound: Bound

    @property
    def n(self) -> int:
        """Histories that count."""
        refused = self.tally.refusals.total() if self.question.given_only else 0
        return self.tally.asked - refused

    @property
    def share(self) -> float:
        return self.tally.hits / self.n if self.n else math.nan

    @property
    def holds(self) -> bool:
        return bool(self.n) and self.bound.holds(self.tally.hits, self.n) and not self.refused_too_often

    @property
    def refused_too_often(self) -> bool:
        """Whether a kind of refusal is surely given too often."""
        limit = at_most(MOST_REFUSED)
        kinds = self.tally.refusals.values()
        return self.row.plain and not all(limit.holds(count, self.tally.asked) for count in kinds)

    @property
    def excess(self) -> float:
        """How far beyond the bound."""
        return max(self.share - self.bound.high, self.bound.low - self.share) if self.n else math.inf


# Histories in processes -----------------------------------------------------------------------------------------------


Tallies = dict[tuple[int, str, str], Tally]
"""By row, design and question."""


class Part(NamedTuple):
    """Some histories of one design."""

    design: str
    first: int
    end: int


class Bench:
    """A table.

    Args:
        rows: of the table.
        share: of the histories that are drawn.
        most: histories of a row and design.
    """

    def __init__(self, rows: Sequence[Row], *, share: float = 1.0, most: int = TIGHT) -> None:
        self.rows = rows
        self.designs = {name: design for row in rows for name, design in row.designs.items()}
        self._share, self._most = share, most

    def histories(self, row: Row, design: str) -> int:
        """How many are drawn."""
        return max(1, round(min(self._most, row.histories(design)) * self._share))

    def parts(self, size: int = 50) -> list[Part]:
        """All histories, in pieces; long ones first, so that no process waits for the last."""
        most: defaultdict[str, int] = defaultdict(int)
        for row in self.rows:
            for design in row.designs:
                most[design] = max(most[design], self.histories(row, design))
        names = sorted(most, key=lambda name: -self.designs[name].records)
        return [Part(name, a, min(most[name], a + size)) for name in names for a in range(0, most[name], size)]

    def count(self, part: Part) -> Tallies:
        """Draw histories, ask the questions of each row with this design, and count."""
        rows = [(place, row) for place, row in enumerate(self.rows) if part.design in row.designs]
        design, seed = self.designs[part.design], seed_of(part.design)
        found: Tallies = defaultdict(Tally)
        for number in range(part.first, part.end):
            trial = Trial(design, seed, number)
            answers: dict[Question, Answer] = {}
            for place, row in rows:
                if number >= self.histories(row, part.design):
                    continue
                for question in (*row.questions, *row.against):
                    if question not in answers:
                        answers[question] = question.ask(trial)
                    found[place, part.design, question.name].add(answers[question])
        return dict(found)

    def run(self, processes: int = 1) -> list[list[Rate]]:
        """The rates of each row and design."""
        total: Tallies = defaultdict(Tally)
        for found in self._counted(processes):
            for key, tally in found.items():
                total[key].merge(tally)
        return [self._rates(place, design, total) for place, row in enumerate(self.rows) for design in row.designs]

    def _counted(self, processes: int) -> Iterator[Tallies]:
        if processes == 1:
            yield from map(self.count, self.parts())
            return
        global _bench  # noqa: PLW0603 - what processes inherit: questions are functions, which no pipe takes
        _bench = self
        with ProcessPoolExecutor(processes, mp_context=get_context("fork")) as pool:
            yield from pool.map(_count, self.parts())

    def _rates(self, place: int, design: str, tallies: Tallies) -> list[Rate]:
        row = self.rows[place]
        bound = row.bound
        if row.against:
            others = [tallies[place, design, question.name] for question in row.against]
            bound = at_least(row.bound.low * max(tally.hits / tally.asked for tally in others))
        return [Rate(row, design, question, tallies[place, design, question.name], bound) for question in row.questions]


_bench: Bench


def _count(part: Part) -> Tallies:
    return _bench.count(part)


# The table ------------------------------------------------------------------------------------------------------------


def table(rates: Sequence[Sequence[Rate]], *, each: bool = False) -> Iterator[str]:
    """Lines of Markdown: for each row and design the worst question, or each of them."""
    yield "| row | design | question | histories | share | 99.9% limits | bound | refused | |"
    yield "|---|---|---|--:|--:|---|---|---|---|"
    for questions in rates:
        shown = questions if each else [max(questions, key=lambda rate: (not rate.holds, rate.excess))]
        others = sum(not rate.holds for rate in questions) - sum(not rate.holds for rate in shown)
        for rate in shown:
            yield _line(rate, others)


def _line(rate: Rate, others: int) -> str:
    asked, hits, refusals = rate.tally.asked, rate.tally.hits, rate.tally.refusals
    low, high = clopper_pearson(hits, rate.n) if rate.n else (0.0, 1.0)
    refused = ", ".join(f"{kind} {count / asked:.1%}" for kind, count in refusals.most_common())
    word = "" if rate.holds else f"FAILS, and {others} more" if others else "FAILS"
    return (
        f"| {rate.row.name} | {rate.design} | {rate.question.name} | {asked:,} | {rate.share:.1%} "
        f"| {low:.1%} to {high:.1%} | {rate.bound} | {refused} | {word} |"
    )
