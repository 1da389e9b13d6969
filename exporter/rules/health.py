"""Alerts about the watching itself: whether the figures can be trusted, and on what ground."""

from __future__ import annotations

from dataclasses import dataclass

from exporter.config import Config
from exporter.rules.nouns import Alert, Group
from exporter.rules.wording import PLACE, SUBJECT, ask, runbook
from exporter.telling.assessment import stale_after


def health_groups(config: Config) -> tuple[Group, ...]:
    """The group of alerts about the exporter and its roots."""
    maker = _Maker(config)
    return (
        Group(
            "hardlink-health",
            (
                maker.exporter_down(),
                maker.root_down(),
                maker.scan_stale(),
                maker.scan_incomplete(),
                maker.watch_lost(),
                maker.deprecated_driver(),
            ),
            config.alerts.interval,
        ),
    )


@dataclass(frozen=True, slots=True)
class _Maker:
    config: Config

    def alert(
        self,
        name: str,
        severity: str,
        expr: str,
        wait: str,
        summary: str,
        description: str,
        action: str,
        *,
        held: bool = True,
    ) -> Alert:
        return Alert(
            name=name,
            expr=expr,
            severity=severity,
            wait=wait,
            summary=summary,
            description=description,
            action=action,
            runbook=runbook(self.config, name),
            hold=self.config.alerts.keep_firing_for if held else None,
        )

    def exporter_down(self) -> Alert:
        """An exporter that is down, one that starts again and again, and that there is none.

        The second is up at most of the scrapes, each of which would end the wait of the first.
        """
        alerts = self.config.alerts
        job = f'{{job="{alerts.job}"}}'
        window, most = alerts.exporter_restarts_window, alerts.exporter_restarts
        return self.alert(
            "HardlinkExporterDown",
            "warning",
            f"up{job} == 0\nor\n"
            f"changes(process_start_time_seconds{job}[{window}]) > {most}\nor\n"
            f"absent(up{job})",
            alerts.exporter_down_for,
            "Nobody watches the hard links of a host.",
            "{{ if not $labels.instance }}Prometheus has no target of the job {{ $labels.job }}:"
            " no host is watched.{{ else if eq $value 0.0 }}Prometheus cannot scrape the exporter on"
            " {{ $labels.instance }} (job {{ $labels.job }}); what was known of its roots is held"
            " until it answers again.{{ else }}The exporter on {{ $labels.instance }}"
            " (job {{ $labels.job }}) has started again {{ $value }} times within"
            f" {window}; what was known of its roots is held until it answers again.{{{{ end }}}}",
            "See whether the exporter runs and Prometheus reaches it: `systemctl status`, the"
            " exporter's log, Prometheus' page Status, Targets.",
            held=False,
        )

    def root_down(self) -> Alert:
        """A root that gives no figures, and an exporter that has found no root to look at."""
        return self.alert(
            "HardlinkRootDown",
            "warning",
            "hardlink_root_up == 0\nor\n(\n"
            "  max without (version, python) (hardlink_exporter_build_info)\n"
            "  unless on (job, instance) (hardlink_root_up or hardlink_watch_active)\n)",
            self.config.alerts.root_down_for,
            "A Docker storage root cannot be looked at.",
            "{{ if $labels.root }}The last look at {{ $labels.root }} on {{ $labels.instance }}"
            " gave no figures: it is gone, cannot be read or is no storage root. What was known of"
            " it is held.{{ else }}The exporter on {{ $labels.instance }} has found no storage"
            " root: nothing is watched there.{{ end }}",
            "Run {{ if $labels.root }}`hardlink-exporter scan {{ $labels.root }}`{{ else }}"
            "`hardlink-exporter scan`{{ end }} on the host: it says why in one sentence.",
        )

    def scan_stale(self) -> Alert:
        """Tell figures that are old, that are of the time to come, and that never came.

        A clock that runs ahead makes figures look new for as long as it is ahead.
        """
        alerts, after = self.config.alerts, f"{stale_after(self.config):.15g}"
        age = "time() - hardlink_scan_timestamp_seconds"
        ahead = '{{ humanizeDuration $value | reReplaceAll "^-" "" }}'
        return self.alert(
            "HardlinkScanStale",
            "warning",
            f"{age} > {after}\nor\n{age} < -{after}\nor\n"
            "(hardlink_watch_active unless on (job, instance, root) hardlink_root_up)",
            alerts.stale_for,
            "The figures of a Docker storage root are old.",
            "{{ if not $labels.driver }}{{ $labels.root }} on {{ $labels.instance }} has given no"
            " answer since the exporter started.{{ else if lt $value 0.0 }}The figures of"
            f" {PLACE} bear a time {ahead} ahead of Prometheus' clock: one of the two clocks is"
            " wrong, and how old the figures are cannot be told.{{ else }}The figures of"
            f" {PLACE} were last known to be current"
            " {{ $value | humanizeDuration }} ago.{{ end }}",
            "See whether the host's disk answers (`ls` on the root), whether its clock is right, and"
            " what the exporter's log says.",
            held=False,
        )

    def scan_incomplete(self) -> Alert:
        coverage = ask("hardlink_scan_coverage_ratio{ROOT} < 1")
        problems = ask("hardlink_problems{ROOT} > 0")
        return self.alert(
            "HardlinkScanIncomplete",
            "warning",
            "hardlink_scan_coverage_ratio < 1\nor on (job, instance, root, driver)\n"
            "(\n  sum without (reason) (hardlink_problems) > 0\n"
            "  and on (job, instance, root) hardlink_root_up == 1\n)",
            self.config.alerts.incomplete_for,
            "Something of a Docker storage root cannot be counted.",
            f"{SUBJECT}Not all of {PLACE} can be told: layers counted"
            f" {{{{ range {coverage} }}}}{{{{ .Value | humanizePercentage }}}}"
            "{{ else }}100%{{ end }}; problems"
            f" {{{{ range $i, $found := {problems} }}}}{{{{ if $i }}}}, {{{{ end }}}}"
            "{{ $found.Labels.reason }} ({{ $found.Value }}){{ else }}none{{ end }}."
            f"{{{{ range {coverage} }}}}\n"
            "Layers left means at most; the true figure may be lower.{{ end }}",
            "Run `hardlink-exporter scan {{ $labels.root }}` on the host: it names each problem"
            " with its place.",
        )

    def watch_lost(self) -> Alert:
        return self.alert(
            "HardlinkWatchLost",
            "info",
            "hardlink_watch_active == 0\nand on (job, instance, root)\nhardlink_root_up == 1",
            self.config.alerts.watch_lost_for,
            "Changes in a Docker storage root are seen late.",
            "The exporter cannot watch {{ $labels.root }} on {{ $labels.instance }} by inotify: it"
            f" looks every {self.config.scan.interval:g} s instead, and cannot see layers given up.",
            "See what the exporter's log says; often fs.inotify.max_user_watches or"
            " max_user_instances is too low.",
        )

    def deprecated_driver(self) -> Alert:
        return self.alert(
            "HardlinkDeprecatedDriver",
            "info",
            'hardlink_images{driver="overlay"} >= 0',
            self.config.alerts.deprecated_for,
            "A Docker storage root uses the storage driver overlay, which Docker has removed.",
            f"{PLACE} holds {{{{ $value }}}} images. Docker deprecated this driver in 18.09 and"
            " removed it in 24.0; overlay2 shares no hard links between layers.",
            "Plan the move to overlay2; the runbook tells the way and its dangers.",
        )
