"""The table of rules: what it takes, and what each error names; a secret in it is refused, and never repeated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmark_recorder import ConfigurationError, get_benchmark_recorder
from benchmark_recorder.alerts import Rule, alert_settings

RULE = {"name": "slow", "version": "v2.0", "baseline": "v1.0"}
SECRET = "T0SECRET/B0SECRET/xoxb-secret"


def test_a_rule_is_in_the_words_of_the_gate_and_has_its_margins() -> None:
    found = alert_settings(
        {
            "false_alarm_days": 90,
            "max_messages_per_hour": 3,
            "rules": [
                {**RULE, "send": ["slack:TEAM_HOOK", "mailto:a@example.org,b@example.org"]},
                {"name": "fails", "version": "v2.0", "metric": "failures", "baseline_days": 14, "send": "webhook:HOOK"},
                {**RULE, "name": "cost", "metric": "cost", "margin": 0.2, "no_data_hours": 5},
            ],
        }
    )
    assert (found.false_alarm_days, found.max_messages_per_hour) == (90.0, 3)
    slow, fails, cost = found.rules
    assert slow == Rule(
        "slow",
        "v2.0",
        "execution_time",
        0.1,
        baseline="v1.0",
        send=("slack:TEAM_HOOK", "mailto:a@example.org,b@example.org"),
    )
    assert (fails.metric, fails.margin, fails.baseline_days, fails.send) == (
        "failure_rate",
        0.02,
        14.0,
        ("webhook:HOOK",),
    )
    assert (cost.margin, cost.no_data_hours) == (0.2, 5.0)
    assert alert_settings({}).false_alarm_days == 365.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, r"rules\[0\]: name: expected a text"),
        ({"version": None}, r"rules\[0\] \('slow'\): version: expected a text"),
        ({"version": 2}, "version: expected a text"),
        ({"metric": "speed"}, "metric: expected one of"),
        ({"metric": "p95"}, "p95 needs the values of single runs"),
        ({"margin": 0}, "margin: expected a fraction"),
        ({"margin": 5}, "margin: expected a fraction"),
        ({"margin": "5%"}, "margin: expected a fraction"),
        ({"baseline": None}, "give either baseline, a version, or baseline_days"),
        ({"baseline_days": 14}, "give either baseline"),
        ({"baseline": "v2.0"}, "the same as version"),
        ({"baseline": None, "baseline_days": 0}, "baseline_days: expected a number from 1"),
        ({"baseline": None, "baseline_days": True}, "baseline_days: expected a number"),
        ({"no_data_hours": float("nan")}, "no_data_hours: expected a number"),
        ({"worse_than": "5%"}, "'worse_than' is unknown; known are name, version"),
        ({"send": 5}, "send: expected the addresses"),
        ({"send": "pager:x"}, "send: expected slack:VARIABLE, webhook:VARIABLE, mailto:ADDRESS"),
        ({"send": ["slack:"]}, "send: expected slack: and a variable's name"),
        ({"send": ["slack:my hook"]}, "variable's name"),
        ({"send": "mailto:nobody"}, "send: expected addresses"),
        ({"send": "mailto:a@b.c\nBcc: x@y.z"}, "send: expected addresses"),
        ({"send": [None]}, "send: expected slack"),
    ],
)
def test_what_is_wrong_with_a_rule_is_named(changes: dict[str, Any], message: str) -> None:
    rule = {name: value for name, value in {**RULE, **changes}.items() if value is not None}
    with pytest.raises(ConfigurationError, match=message):
        alert_settings({"rules": [rule]})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"rules": {"name": "x"}}, "rules: expected tables"),
        ({"rules": [5]}, "rules: expected tables"),
        ({"rules": [RULE, RULE]}, "'slow' is the name of two"),
        ({"channels": []}, "'channels' is unknown"),
        ({"false_alarm_days": 0}, "false_alarm_days: expected a number"),
        ({"max_messages_per_hour": "ten"}, "max_messages_per_hour: expected a number"),
    ],
)
def test_what_is_wrong_with_the_table_is_named(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        alert_settings(table)


SECRET_URL = f"https://hooks.slack.com/services/{SECRET}"


@pytest.mark.parametrize(
    "table",
    [
        {"rules": [{**RULE, "send": SECRET_URL}]},
        {"rules": [{**RULE, "send": [f"slack:{SECRET_URL}"]}]},
        {"rules": [{**RULE, "send": f"webhook:{SECRET_URL}"}]},
        {"rules": [{**RULE, "send": f"slack:{SECRET}"}]},
        {"rules": [{**RULE, "send": f"mailto:{SECRET_URL}"}]},
        {"rules": [{**RULE, "send": {"slack": SECRET_URL}}]},
        {"rules": [{**RULE, "name": SECRET_URL}]},
        {"rules": [{**RULE, "margin": {"x": SECRET_URL}}]},
        {"rules": [{**RULE, "margin": SECRET_URL}]},
        {"rules": [{**RULE, "metric": SECRET_URL}]},
        {"rules": [{**RULE, SECRET_URL: 1}]},
        {"rules": SECRET_URL},
        {"channels": [SECRET_URL]},
        {SECRET_URL: 1},
        {"false_alarm_days": SECRET_URL},
    ],
    ids=str,
)
def test_a_hooks_url_in_the_file_is_refused_and_never_repeated(table: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        alert_settings(table)
    assert "SECRET" not in str(caught.value)
    assert "secret" not in str(caught.value).replace("a hook's URL is a secret", "")


def test_the_rules_come_from_the_file_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text(
        '[[tool.benchmark_recorder.alerts.rules]]\nname = "slow"\nversion = "v2.0"\nbaseline_days = 28\n'
    )
    monkeypatch.setenv("BENCHMARK_RECORDER_CONFIG", str(settings))
    assert [rule.name for rule in alert_settings().rules] == ["slow"]
    settings.write_text('[tool.benchmark_recorder.alerts]\nrules = [{name = "slow"}]\n')
    with pytest.raises(ConfigurationError, match=r"settings\.toml\): rules\[0\] \('slow'\): version"):
        alert_settings()
    get_benchmark_recorder(tmp_path / "metrics.json").close()  # a wrong rule is the watcher's, not the recorder's


def test_alerts_that_are_no_table_are_refused_without_their_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text(f'[tool.benchmark_recorder]\nalerts = "{SECRET_URL}"\n')
    monkeypatch.setenv("BENCHMARK_RECORDER_CONFIG", str(settings))
    with pytest.raises(ConfigurationError, match="alerts .*: expected a table of rules") as caught:
        alert_settings()
    assert SECRET not in str(caught.value)
