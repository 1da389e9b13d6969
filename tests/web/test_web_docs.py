"""The page about the web configuration names all keys and limits; its example works."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel
from webclients import Papers

from exporter.web.config import Headers, Http, Tls, WebConfig, parse_web_config
from exporter.web.connections import ANSWER, HELLO, IDLE, MOST
from exporter.web.rotation import WebSettings
from exporter.yamlfile import ConfigError

DEPLOY = Path(__file__).parents[2] / "deploy"
PAGE = (DEPLOY / "web-config.md").read_text()
WANTED, _, REFUSED = PAGE.partition("## Not supported")


def keys_of(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


@pytest.mark.parametrize("model", [WebConfig, Tls, Http, Headers])
def test_every_key_is_told_among_those_that_work_or_those_that_are_refused(
    model: type[BaseModel],
) -> None:
    for key in keys_of(model):
        section = "tls_server_config: {" if model is Tls else "{"
        text = f"{section}{key}: []{'}' * section.count('{')}\n"
        with pytest.raises(ConfigError) as caught:
            parse_web_config(text.encode(), "web.yml")
        refused = "is not supported" in str(caught.value)
        assert f"`{key}`" in (REFUSED if refused else WANTED)


def test_the_example_works(papers: Papers) -> None:
    (papers.folder / "client-ca.crt").write_bytes((papers.folder / "ca.pem").read_bytes())
    path = papers.config((DEPLOY / "web-config.example.yml").read_text())
    assert WebSettings(path).in_force.words == (
        "TLS12 to TLS13, HTTP/2, client certificates verified: always, users: 1"
    )


def test_the_limits_are_those_of_the_code() -> None:
    for row in (
        f"| connections | {MOST} at once",
        f"| TLS handshake | {HELLO:.0f} s,",
        f"| between two requests | {IDLE:.0f} s |",
        f"| one answer | {ANSWER:.0f} s",
    ):
        assert row in PAGE
