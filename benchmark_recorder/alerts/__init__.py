"""Alerts: has a version become worse than its baseline, and who is told? Never in a process that records.

- ``rules``: what is watched, from the table ``[tool.benchmark_recorder.alerts]``.
- ``checking``: a rule and a history to an alert; ``results``: ``Alert``; ``texts``: alerts for people.
- ``channels``: Slack, mail, a JSON webhook, and those of other packages; they send reports, too.
- ``delivery``: at least once to each channel, within a budget. ``state``: what was told, in a file beside the records.
- ``watching``: one look: check, note what changed, deliver.

::

    from benchmark_recorder import get_benchmark_history
    from benchmark_recorder.alerts import check_alerts

    for alert in check_alerts(get_benchmark_history()):
        print(alert.name, alert.state, alert.sentence)
"""

from benchmark_recorder.alerts.channels import ChannelError, Mail, Message, open_channel
from benchmark_recorder.alerts.checking import check_alerts
from benchmark_recorder.alerts.results import Alert
from benchmark_recorder.alerts.rules import Rule, alert_settings

__all__ = ["Alert", "ChannelError", "Mail", "Message", "Rule", "alert_settings", "check_alerts", "open_channel"]
