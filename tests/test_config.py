"""The configuration file: what is in force, and for what is wrong one sentence with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import Config, Thresholds, load_config, parse_config
from exporter.yamlfile import ConfigError

MAPPING = "it should be a mapping of keys to values"
ABSOLUTE = "it should be an absolute path"
TEXT = "it should be a valid string"
WHOLE = "it should be a valid integer"

BAD = {
    # Not YAML.
    "roots: [": "1:9: is not YAML: expected the node content, but found '<stream end>'",
    "roots: ]": "1:8: is not YAML: expected the node content, but found ']'",
    "scan:\n  interval: 3: 4": "2:14: is not YAML: mapping values are not allowed here",
    "\troots: []": "1:1: is not YAML: found character '\\t' that cannot start any token",
    "roots: *x": "1:8: is not YAML: found undefined alias 'x'",
    "x: 'abc": "1:8: is not YAML: found unexpected end of stream",
    "--- {}\n--- {}": "2:1: is not YAML: but found another document",
    "roots: !!python/tuple [/a]": "1:8: is not YAML: could not determine a constructor for the tag"
    " 'tag:yaml.org,2002:python/tuple'",
    "x: !mine 3": "1:4: is not YAML: could not determine a constructor for the tag '!mine'",
    # Keys.
    "root: [/a]": "1:1: root: this key is not known",
    "roots: []\nextra: 1": "2:1: extra: this key is not known",
    "scan: {intervall: 3}": "1:8: scan.intervall: this key is not known",
    "roots: []\nroots: []": "2:1: roots: is there twice",
    "scan:\n  interval: 3\n  interval: 3": "3:3: interval: is there twice",
    "scan: {<<: {interval: 3}}": "1:8: a key should be plain text",
    "? [a]\n: b": "1:3: a key should be plain text",
    # The whole file, and whole sections.
    "[]": f"1:1: the file: {MAPPING}",
    "- a": f"1:1: the file: {MAPPING}",
    "7": f"1:1: the file: {MAPPING}, not 7",
    "\n\n  text": f"3:3: the file: {MAPPING}, not 'text'",
    "scan: 30": f"1:1: scan: {MAPPING}, not 30",
    "scan:": f"1:1: scan: {MAPPING}",
    "metrics: []": f"1:1: metrics: {MAPPING}",
    "thresholds: 2020-01-01": f"1:1: thresholds: {MAPPING}",
    # roots.
    "roots: 7": "1:1: roots: it should be a list, not 7",
    "roots: /a": "1:1: roots: it should be a list, not '/a'",
    "roots: {/a: 1}": "1:1: roots: it should be a list",
    "roots:": "1:1: roots: it should be a list",
    "roots: [/a, 7]": f"1:13: roots.1: {TEXT}, not 7",
    "roots: [~]": f"1:9: roots.0: {TEXT}",
    "roots: &a [*a]": f"1:8: roots.0: {TEXT}",
    "roots:\n  - /a\n  - b/c": f"3:5: roots.1: {ABSOLUTE}, not 'b/c'",
    "roots: ['']": f"1:9: roots.0: {ABSOLUTE}, not ''",
    'roots: ["/a\\nb"]': f"1:9: roots.0: {ABSOLUTE}, not '/a\\nb'",
    'roots: ["/a\\e[1m"]': f"1:9: roots.0: {ABSOLUTE}, not '/a\\x1b[1m'",
    # links_limits.
    "links_limits: [/a]": f"1:1: links_limits: {MAPPING}",
    "links_limits: {a: 5}": f"1:16: links_limits.a: {ABSOLUTE}, not 'a'",
    "links_limits: {7: 5}": f"1:16: links_limits.7: {TEXT}, not 7",
    "links_limits: {/a: 0}": "1:16: links_limits./a: it should be greater than or equal to 1,"
    " not 0",
    "links_limits: {/a: 9223372036854775809}": "1:16: links_limits./a: it should be less than or"
    " equal to 9223372036854775808, not 9223372036854775809",
    "links_limits:\n  /a: 7\n  /b: many": f"3:3: links_limits./b: {WHOLE}, not 'many'",
    "links_limits: {/a: 1.0}": f"1:16: links_limits./a: {WHOLE}, not 1.0",
    "links_limits: {/a: true}": f"1:16: links_limits./a: {WHOLE}, not True",
    # scan, metrics and thresholds.
    "scan: {interval: 0}": "1:8: scan.interval: it should be greater than or equal to 0.1, not 0",
    "scan: {interval: 86401}": "1:8: scan.interval: it should be less than or equal to 86400,"
    " not 86401",
    "scan:\n  interval: .inf": "2:3: scan.interval: it should be less than or equal to 86400,"
    " not inf",
    "scan: {interval: '30'}": "1:8: scan.interval: it should be a valid number, not '30'",
    "scan: {interval: 30s}": "1:8: scan.interval: it should be a valid number, not '30s'",
    "scan: &a {interval: *a}": "1:11: scan.interval: it should be a valid number",
    "metrics: {images: -1}": "1:11: metrics.images: it should be greater than or equal to 0,"
    " not -1",
    "metrics: {images: 1001}": "1:11: metrics.images: it should be less than or equal to 1000,"
    " not 1001",
    "metrics: {images: 1.5}": f"1:11: metrics.images: {WHOLE}, not 1.5",
    "metrics: {images: yes}": f"1:11: metrics.images: {WHOLE}, not True",
    "thresholds: {warning: 3, critical: 9}": "1:1: thresholds: critical, 9, should not be above"
    " warning, 3",
    "thresholds: {warning: 3}": "1:1: thresholds: critical, 5, should not be above warning, 3",
    "thresholds: {warning: -1}": "1:14: thresholds.warning: it should be greater than or equal"
    " to 0, not -1",
    "thresholds:\n  warning: 9\n  critical: few": f"3:3: thresholds.critical: {WHOLE}, not 'few'",
}


@pytest.mark.parametrize("text", BAD)
def test_what_is_wrong_is_one_sentence_with_its_line_and_column(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_config(text.encode(), "config.yml")
    assert f"config.yml:{BAD[text]}" == str(error.value)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"\xff", "unacceptable character #x00ff: invalid start byte"),
        (b"roots: [\x00]", "unacceptable character #x0000: special characters are not allowed"),
        (b"[" * 5_000, "maximum recursion depth exceeded"),
        (b"scan: {interval: 2020-13-45}", "month must be in 1..12"),
        (b"roots: " + b"1" * 5000, "Exceeds the limit (4300 digits) for integer string conversion"),
    ],
    ids=["not UTF-8", "a NUL", "five thousand brackets", "no date", "a huge number"],
)
def test_what_has_no_place_is_one_sentence_all_the_same(raw: bytes, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_config(raw, "config.yml")
    assert str(error.value).startswith(f"config.yml: is not YAML: {said}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("raw", [b"", b"\n", b"# only words\n", b"---\n", b"{}", b"null"])
def test_an_empty_file_leaves_everything_as_it_is_by_default(raw: bytes) -> None:
    assert parse_config(raw, "config.yml") == Config()


def test_the_defaults_are_those_of_the_contract() -> None:
    expected = {
        "roots": (),
        "links_limits": {},
        "scan": {"interval": 30.0, "reconcile": 86400.0},
        "metrics": {"images": 10},
        "thresholds": {"warning": 20, "critical": 5},
    }
    assert expected == Config().model_dump(exclude={"alerts"})


def test_a_whole_file_is_understood() -> None:
    text = """
    roots: [/var/lib/docker/, /data/docker, /]
    links_limits: {/data/docker/: 32000, /é: 9223372036854775808}
    scan: {interval: 5, reconcile: 3600}
    metrics: {images: 0}
    thresholds: {warning: 100, critical: 0x10}
    """
    expected = {
        "roots": ("/var/lib/docker", "/data/docker", "/"),
        "links_limits": {"/data/docker": 32_000, "/é": 2**63},
        "scan": {"interval": 5.0, "reconcile": 3600.0},
        "metrics": {"images": 0},
        "thresholds": {"warning": 100, "critical": 16},
    }
    read = parse_config(text.encode(), "config.yml")
    assert expected == read.model_dump(exclude={"alerts"})


def test_a_value_may_be_written_once_and_used_again() -> None:
    read = parse_config(b"thresholds: {warning: &n 7, critical: *n}", "config.yml")
    assert read.thresholds == Thresholds(warning=7, critical=7)


@given(st.text(st.sampled_from("ab/:-[]{}&*?|>'\"#%@! \n\t0.~\\é\x1b"), max_size=40))
def test_any_text_is_a_configuration_or_one_sentence(text: str) -> None:
    try:
        parse_config(text.encode(), "config.yml")
    except ConfigError as error:
        assert str(error).startswith("config.yml:")  # noqa: PT017  (most texts are wrong, not all)


def test_a_file_is_read_and_named_in_what_is_said(tmp_path: Path) -> None:
    path = tmp_path / "c.yml"
    path.write_text("metrics: {images: 3}")
    assert load_config(path).metrics.images == 3
    path.write_text("roots: 7")
    with pytest.raises(ConfigError) as error:
        load_config(path)
    assert str(error.value) == f"{path}:1:1: roots: it should be a list, not 7"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere", "cannot be read: No such file or directory"),
        (".", "is not a regular file"),
        ("long", "is longer than 1048576 bytes"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "long").write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(ConfigError) as error:
        load_config(tmp_path / name)
    assert f"{tmp_path / name}: {said}" == str(error.value)
