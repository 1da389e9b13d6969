"""Rules as YAML: stable, so that a change of one rule is a change of its lines alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import yaml

from exporter.rules.nouns import Alert, Group, Record, Rule

HEADER: Final = """\
# Alerting and recording rules for Prometheus 2.42 and newer.
# Made by `hardlink-exporter rules`: change the configuration, not this file.
"""


class _Readable(yaml.SafeDumper):
    """Writes a text of several lines as it stands, and lists indented."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Readable.add_representer(str, _text)


def to_yaml(groups: Iterable[Group]) -> str:
    """Write a rules file."""
    document = {"groups": [_group(group) for group in groups]}
    dumped = yaml.dump(
        document, Dumper=_Readable, sort_keys=False, width=1 << 20, allow_unicode=True
    )
    return f"{HEADER}{dumped}"


def _group(group: Group) -> dict[str, Any]:
    interval = {} if group.interval is None else {"interval": group.interval}
    return {"name": group.name, **interval, "rules": [_rule(rule) for rule in group.rules]}


def _rule(rule: Rule) -> dict[str, Any]:
    if isinstance(rule, Record):
        labels = {"labels": dict(rule.labels)} if rule.labels else {}
        return {"record": rule.name, "expr": rule.expr, **labels}
    return _alert(rule)


def _alert(alert: Alert) -> dict[str, Any]:
    hold = {} if alert.hold is None else {"keep_firing_for": alert.hold}
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": alert.wait,
        **hold,
        "labels": {"severity": alert.severity},
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "action": alert.action,
            "runbook_url": alert.runbook,
        },
    }
