"""The machinery of the simulation bench: what an interval says of a bound, seeds, and rows that must fail."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from scipy import stats

from benchmark_recorder.records import BenchmarkMetric
from benchmark_recorder.validation import admit
from tests.perf import verdicts
from tests.perf.simulation.bench import (
    SURE,
    Answer,
    Bench,
    Bound,
    Question,
    Row,
    Tally,
    Trial,
    at_least,
    at_most,
    clopper_pearson,
    seed_of,
    table,
)
from tests.perf.simulation.designs import Suite
from tests.perf.simulation.questions import TIME, comparison, gate, gate_says

SMALL = {"3 x 2": Suite(3, (2, 2))}


def coin(share: float, refused: float = 0.0, given_only: bool = False) -> Question:
    """Hits with a known share, whatever the history."""

    def ask(trial: Trial) -> Answer:
        hit, given = trial.rng.random(2) < (share, 1 - refused)
        return Answer(bool(hit and given), "" if given else "withheld")

    return Question(f"coin {share}", ask, given_only)


@pytest.mark.parametrize(("hits", "n"), [(0, 50), (7, 50), (50, 50), (231, 4000)])
def test_the_limits_are_those_of_the_exact_binomial_interval(hits: int, n: int) -> None:
    exact = stats.binomtest(hits, n).proportion_ci(1 - 2 * (1 - SURE), "exact")
    assert clopper_pearson(hits, n) == pytest.approx((exact.low, exact.high))


@pytest.mark.parametrize(
    ("bound", "right", "wrong"),
    [
        (at_most(0.05), [0, 60], [90, 1000]),
        (at_least(0.9), [870, 1000], [0, 850]),
        (Bound(0.75, 0.85), [750], [690, 900]),
    ],
)
def test_a_bound_is_broken_only_where_the_interval_lies_beyond_it(
    bound: Bound, right: list[int], wrong: list[int]
) -> None:
    assert [bound.holds(hits, 1000) for hits in right] == [True] * len(right)
    assert [bound.holds(hits, 1000) for hits in wrong] == [False] * len(wrong)


@pytest.mark.parametrize(
    ("question", "bound", "plain"),
    [
        (coin(0.2), at_most(0.05), False),
        (coin(0.7), at_least(0.9), False),
        (coin(0.6), Bound(0.75, 0.85), False),
        (coin(0.0, refused=0.2), at_most(0.05), True),
        (coin(1.0, refused=1.0, given_only=True), at_least(0.9), False),
    ],
)
def test_a_row_of_a_rule_that_is_known_to_be_bad_fails(question: Question, bound: Bound, plain: bool) -> None:
    ((rate,),) = Bench([Row("bad", SMALL, (question,), bound, plain)], most=500).run()
    assert not rate.holds
    assert "FAILS" in list(table([[rate]]))[-1]


@pytest.mark.parametrize(
    ("question", "bound", "plain"),
    [
        (coin(0.05), at_most(0.05), False),
        (coin(0.9), at_least(0.9), False),
        (coin(0.8), Bound(0.75, 0.85), False),
        (coin(0.0, refused=0.04), at_most(0.05), True),
        (coin(1.0, refused=0.5, given_only=True), at_least(0.9), False),
    ],
)
def test_a_row_of_a_rule_that_is_known_to_be_good_holds(question: Question, bound: Bound, plain: bool) -> None:
    ((rate,),) = Bench([Row("good", SMALL, (question,), bound, plain)], most=500).run()
    assert rate.holds
    assert "FAILS" not in list(table([[rate]]))[-1]


def test_the_guides_thresholds_on_points_fail_the_row_that_the_default_policy_holds() -> None:
    literal = Question("literal", lambda trial: Answer(gate(trial).literal_state == "block"))
    row = Row("gates", {"13 x 5": Suite()}, (gate_says("block"), literal), at_most(0.05))
    ((default, guide),) = Bench([row], most=60).run()
    assert (default.holds, guide.holds) == (True, False)


def test_power_is_held_against_the_best_of_the_others() -> None:
    row = Row("power", SMALL, (coin(0.5),), at_least(0.9), against=(coin(0.2), coin(0.9)))
    ((rate,),) = Bench([row], most=400).run()
    assert rate.bound.low == pytest.approx(0.9 * 0.9, abs=0.05)
    assert not rate.holds


def test_a_seed_comes_from_the_designs_name_alone() -> None:
    assert seed_of("13 x 5") == 0xA182C1AA


def test_processes_and_other_rows_change_no_history() -> None:
    row = Row("false blocks", SMALL, (gate_says("block"), gate_says("pass")), at_most(0.05))
    other = Row("others", {**SMALL, "3 x 3": Suite(3, (3, 3))}, (gate_says("inconclusive"),), at_most(0.05))
    alone, together = Bench([row], most=60).run(1), Bench([other, row], most=60).run(2)
    assert [rate.tally for rate in alone[0]] == [rate.tally for rate in together[2]]
    assert all(rate.tally.asked == 60 for rate in alone[0])


def test_rows_of_one_design_share_its_answers() -> None:
    asked: Counter[int] = Counter()

    def ask(trial: Trial) -> Answer:
        asked[trial.key[-1]] += 1
        return Answer(hit=False)

    question = Question("counted", ask)
    Bench([Row(name, SMALL, (question,), at_most(0.05)) for name in ("one", "other")], most=5).run()
    assert asked == Counter(range(5))


def test_a_question_is_put_to_a_history_once() -> None:
    trial = Trial(SMALL["3 x 2"], 0, 0)
    assert comparison(trial, TIME) is comparison(trial, TIME)
    assert comparison(trial, TIME) is not comparison(trial, TIME, "tasks")


def test_tallies_of_parts_add_up() -> None:
    one, other = Tally(2, 1, Counter(withheld=1)), Tally(3, 3, Counter({"no interval": 2}))
    one.merge(other)
    assert one == Tally(5, 4, Counter({"withheld": 1, "no interval": 2}))


def test_rows_and_designs_have_names_of_their_own() -> None:
    names = Counter(row.name for row in verdicts.ROWS)
    assert max(names.values()) == 1
    assert len(names) <= 80
    designs: dict[str, Any] = {}
    for row in verdicts.ROWS:
        for name, design in row.designs.items():
            assert designs.setdefault(name, design) == design, name


@pytest.mark.parametrize("name", sorted({name for row in verdicts.ROWS for name in row.designs}))
def test_a_design_makes_valid_records_whose_number_it_knows(name: str) -> None:
    design = next(row.designs[name] for row in verdicts.ROWS if name in row.designs)
    documents = design.draw(np.random.default_rng(0)).documents()
    assert len(documents) >= design.records
    assert len({document["record_id"] for document in documents}) == len(documents)
    for document in documents[:: max(1, len(documents) // 20)]:
        assert admit(asdict(BenchmarkMetric(**document)))[1] == ()


@pytest.mark.parametrize(("share", "code"), [(0.0, 0), (0.3, 1)])
def test_the_table_is_printed_and_a_row_that_fails_is_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], share: float, code: int
) -> None:
    rows = (Row("one", SMALL, (coin(share),), at_most(0.05)), Row("other", SMALL, (coin(0.5),), at_most(0.05)))
    monkeypatch.setattr(verdicts, "ROWS", rows)
    assert verdicts.main(["--processes", "1", "--most", "200", "one"]) == code
    out = capsys.readouterr().out
    assert f"| one | 3 x 2 | coin {share} | 200 |" in out
    assert f"{code} of 1 rows fail" in out
