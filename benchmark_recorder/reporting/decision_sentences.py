"""What gates, claims, plans of runs and the gate's self-test found, in sentences."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmark_recorder.analysis import (
    METRICS,
    ClaimReport,
    ClaimResult,
    GateCheck,
    GateResult,
    LiteralCheck,
    RunPlan,
    SelfTest,
)
from benchmark_recorder.analysis.guardrails import ALPHA, literal_state
from benchmark_recorder.reporting.numbers import given, limits, p_value, rate, signed, size
from benchmark_recorder.reporting.wording import each_once, level, listed, needed_sentence, noun_of, unit, without_runs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmark_recorder.analysis import Claim, FalseBlocks


def decision_words(
    result: GateCheck | LiteralCheck | GateResult | ClaimResult | ClaimReport | SelfTest, **_: object
) -> dict[str, Any]:
    """The fields of a decision that hold words."""
    match result:
        case GateCheck(needed=needed):
            needed = needed and replace(needed, sentence=needed_sentence(needed, check_aim(result)))
            return {"sentence": check_sentence(replace(result, needed=needed)), "needed": needed}
        case LiteralCheck():
            return {"sentence": literal_sentence(result)}
        case GateResult():
            words = {"sentence": gate_sentence(result), "difference": difference(result)}
            return {**words, "warnings": each_once(result.warnings)}
        case ClaimResult(needed=needed):
            needed = needed and replace(needed, sentence=needed_sentence(needed, claim_aim(result.claim)))
            return {"sentence": claim_sentence(result), "needed": needed}
        case ClaimReport():
            return {"sentence": claims_sentence(result), "warnings": each_once(result.warnings)}
        case SelfTest():
            return {"sentence": selftest_sentence(result)}


# The gate ------------------------------------------------------------------------------------------------------------


def check_sentence(check: GateCheck) -> str:
    """One guardrail; each p-value belongs to its own hypothesis: "worse", or "worse by the margin or more"."""
    if check.state == "missing" or check.p_margin is None:
        return f"{noun_of(check.metric)} cannot be judged: there are too few values."
    if check.recorded_twice:
        return f"{_change(check)}: nothing can be concluded, as runs were recorded twice."
    suffix = unit(METRICS[check.metric].kind)
    limit = f"the limit of {_limit(check.metric, check.margin)}"
    holm = f"{p_value(check.p_adjusted or 0.0)} after Holm"
    if check.state == "block":
        tail = f"worse ({holm}), and beyond {limit}"
    elif check.state == "warn":
        tail = f"probably worse ({holm}), and beyond {limit}"
    elif check.state == "pass":
        tail = f"within {limit} ({p_value(check.p_margin)})"
    elif check.bound is not None and check.bound <= check.margin:
        return (
            f"{_change(check)}: within {limit} among the runs that succeeded ({p_value(check.p_margin)}), but failures "
            "may have risen, and slow runs among them."
        )
    elif check.worsening is None or check.worsening > check.margin:
        tail = f"beyond {limit}, which may well be chance ({holm})"
    else:
        tail = f"not shown to be within {limit} ({p_value(check.p_margin)})"
    if check.state == "inconclusive" and check.detectable is not None:
        tail += f"; these runs reveal a worsening of {size(check.detectable, suffix)} or more"
    worst = "" if check.bound is None else f", at worst {signed(check.bound, suffix)}"
    needed = f" {check.needed.sentence}" if check.needed else ""
    return f"{_change(check)}{worst}: {tail}.{needed}"


def check_aim(check: GateCheck) -> str:
    """What further runs would be good for."""
    return f"to show an unchanged candidate to be within {_limit(check.metric, check.margin)}"


def literal_sentence(check: LiteralCheck) -> str:
    """One of the guide's thresholds."""
    if check.worsening is None:
        return f"{noun_of(check.metric)} cannot be judged: there are too few values."
    verb = "is beyond" if check.blocks else "is not beyond"
    return f"{_change(check)} {verb} {_limit(check.metric, check.threshold)}."


def _change(check: GateCheck | LiteralCheck) -> str:
    if isinstance(check, GateCheck) and check.worsening is None:
        return f"{noun_of(check.metric)} rose from zero"
    return f"{noun_of(check.metric)} {signed(check.worsening, unit(METRICS[check.metric].kind))}"


def _limit(metric: str, margin: float) -> str:
    return given(margin, unit(METRICS[metric].kind))


def gate_sentence(result: GateResult) -> str:
    """The whole gate: its state, and the checks that it comes from."""
    about = f"{result.candidate} against {result.baseline}"
    if result.state == "no_data":
        return f"{about}: {_no_data(result)}, so nothing can be judged."
    word = {"block": "blocked", "inconclusive": "inconclusive", "warn": "warning", "pass": "passed"}[result.state]
    states: list[tuple[str, str]] = (
        [(check.state, check.sentence) for check in result.checks if check.required or check.state in {"block", "warn"}]
        if result.policy == "default"
        else [(literal_state(check), check.sentence) for check in result.literal]
    )
    wanted = {"block": {"block"}, "inconclusive": {"inconclusive", "missing"}, "warn": {"warn"}}
    reasons = [sentence for state, sentence in states if state in wanted.get(result.state, set())]
    if result.state == "inconclusive":
        known = {"tasks_not_run", "no_common_task", "store_out_of_reach"}
        reasons += dict.fromkeys(one.sentence for one in result.warnings if one.code in known)
    if result.state == "warn":
        reasons += [alert.sentence for alert in result.alerts]
    if result.state == "pass" and result.policy == "default":
        reasons += missed(result.checks)
    return " ".join([f"{about}: {word}.", *reasons])


def missed(checks: Sequence[GateCheck]) -> list[str]:
    """What a gate that passes may have missed: small worsenings in metrics that are not required to pass."""
    sizes = [
        f"{METRICS[check.metric].noun} below {size(check.detectable, unit(METRICS[check.metric].kind))}"
        for check in checks
        if check.state == "inconclusive" and check.detectable is not None
    ]
    return [f"These runs may miss a worsening of {listed(sizes)}."] if sizes else []


def _no_data(result: GateResult) -> str:
    """Which side has no runs, and where they were looked for."""
    for caveat in result.warnings:
        if caveat.code == "unknown_version" and "days" in caveat.figures:
            n = caveat.figures["days"]
            days = "day" if n == 1 else f"{n:g} days"
            before = f"the {days} before the first run of {result.candidate}"
            return f"there are no runs of version {result.baseline} in {before}"
    return without_runs(result.warnings)


def difference(result: GateResult) -> str | None:
    """Why the two policies differ; ``None`` where they agree."""
    if result.default_state == result.literal_state:
        return None
    parts = [
        f"The guide's literal thresholds say {result.literal_state}, the default policy says {result.default_state}."
    ]
    checks = {check.metric: check for check in result.checks}
    for threshold in result.literal:
        check = checks[threshold.metric]
        if threshold.blocks and check.state != "block":
            parts.append(f"{threshold.sentence} {_why_not(check)}")
        elif check.state == "block" and not threshold.blocks:
            parts.append(f"Within the tasks, {check.sentence[0].lower()}{check.sentence[1:]}")
        elif check.state == "inconclusive" and check.required:
            parts.append(check.sentence)
    return " ".join(parts)


def _why_not(check: GateCheck) -> str:
    """Why a point beyond its literal threshold does not block."""
    if check.p_adjusted is None:
        return "There is no test of it."
    reasons = []
    if check.p_adjusted >= ALPHA:
        reasons.append(f"may well be chance ({p_value(check.p_adjusted)} after Holm)")
    if check.worsening is not None and check.worsening <= check.margin:
        reasons.append(f"is within the limit of {_limit(check.metric, check.margin)}")
    return f"That {' and '.join(reasons)}."


# Claims --------------------------------------------------------------------------------------------------------------


def claim_sentence(result: ClaimResult) -> str:
    """One claim, and the change that was found: candidate against baseline."""
    if result.change is None or result.improvement is None:
        return f"{result.status}: {result.text}; the runs give no ratio."
    interval = result.equivalence_interval or result.interval
    metric = METRICS[result.claim.metric]
    ends = f"{level(interval)} {limits(interval, '%', metric.better, 0.01)}" if interval else "no interval"
    found = f"{signed(result.change / 100, '%')}, {ends}"
    if result.claim.within is not None and result.status == "REFUTED":
        change = f"{size(result.change / 100, '%')} {'higher' if result.change > 0 else 'lower'}"
        return f"REFUTED: {metric.noun} is not the same: {change} (claimed: within {result.claim.within:g}%); {ends}."
    return f"{result.status}: {result.text}; found {found}."


def claim_aim(claim: Claim) -> str:
    """What further runs would be good for."""
    if claim.within is not None:
        return f"to see a change of {claim.within:g}%"
    return f"to tell {claim.at_least:g}% from {claim.rival:g}%"


def claims_sentence(report: ClaimReport) -> str:
    """How many claims are what."""
    found = [result.status for result in report.results]
    parts = [
        f"{found.count(status)} {status.lower()}"
        for status in ("PROVEN", "SUPPORTED", "NOT SHOWN", "REFUTED")
        if status in found
    ]
    claims = "claim" if len(found) == 1 else "claims"
    return f"Of {len(found)} {claims}: {', '.join(parts)}." if parts else "There are no claims."


# Plans ---------------------------------------------------------------------------------------------------------------


def plan_words(plan: RunPlan, **_: object) -> dict[str, Any]:
    """The fields of a plan that hold words."""
    needed = plan.needed and replace(plan.needed, sentence=needed_sentence(plan.needed, plan_aim(plan)))
    return {"sentence": plan_sentence(replace(plan, needed=needed)), "needed": needed}


def plan_aim(plan: RunPlan) -> str:
    """The decision that is planned for."""
    noun, suffix = METRICS[plan.metric].noun, unit(METRICS[plan.metric].kind)
    change = given(plan.effect, suffix)
    if plan.decision == "verdict":
        return f"to see a change in {noun} of {change}"
    if plan.decision == "claim":
        return f"to tell an improvement in {noun} of {given(plan.effect)}% from none"
    if plan.margin is not None and plan.effect > plan.margin:
        return f"to block a candidate whose {noun} is worse by {change}"
    candidate = f"a candidate whose {noun} is worse by {change}" if plan.effect else f"an unchanged {noun}"
    return f"to show {candidate} to be within the limit of {_limit(plan.metric, plan.margin or 0.0)}"


def plan_sentence(plan: RunPlan) -> str:
    """How many further runs, or that there are enough."""
    if any(caveat.code == "unknown_version" and caveat.figures["version"] == plan.v1 for caveat in plan.warnings):
        return f"There are no runs of version {plan.v1} to plan from."
    present = "" if plan.present is None else f" The runs that there are do so {rate(plan.present)} of the time."
    if plan.enough:
        return f"No further runs are needed {plan_aim(plan)} with {given(plan.power)}% power.{present}"
    if plan.needed is None:
        return f"No number of runs is known to be enough {plan_aim(plan)} with {given(plan.power)}% power.{present}"
    return f"{plan.needed.sentence}{present}"


# The self-test -------------------------------------------------------------------------------------------------------


def selftest_sentence(result: SelfTest) -> str:
    """How often the gate was wrong, and what it would find."""
    if any(caveat.code == "unknown_version" for caveat in result.warnings):
        return "There are no runs to split."
    parts = [_split(found) for found in (result.within_tasks, result.by_day) if found is not None]
    if sizes := _detectable(result.detectable):
        parts.append(
            f"With half of these runs on each side it finds a worsening of {', '.join(sizes)} four times in five."
        )
    return " ".join(parts) or "No task was run twice, so a version cannot be split against itself."


def _split(found: FalseBlocks) -> str:
    few = f", drawn from only {found.different:,.0f} possible splits" if found.different < found.splits else ""
    return (
        f"Split {found.kind}, the gate blocked {rate(found.rate)} of {found.splits:,} comparisons of this version with "
        f"itself{few}; the guide's literal thresholds would have blocked {rate(found.literal_rate)}."
    )


def _detectable(sizes: Mapping[str, float | None]) -> Sequence[str]:
    return [
        f"{METRICS[metric].noun} {size(value, unit(METRICS[metric].kind))}"
        for metric, value in sizes.items()
        if value is not None
    ]
