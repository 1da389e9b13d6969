"""Alerting and recording rules for Prometheus, made from the configuration."""
