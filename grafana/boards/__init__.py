"""The dashboards as code: what is shown (`host`, `fleet`) apart from how Grafana writes it (`model`, `panels`)."""
