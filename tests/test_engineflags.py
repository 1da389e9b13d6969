"""The engine's options, read from units, drop-ins and settings files without a shell."""

from __future__ import annotations

import copy
import shlex
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.thinking.engineflags import (
    EngineFlags,
    flags_of_service,
    flags_of_settings,
    service_of,
)
from exporter.thinking.envfile import read_environment
from exporter.thinking.settings import NotUnderstoodError, Text
from exporter.thinking.shellfile import read_settings
from exporter.thinking.unitfile import words_of


def of_unit(*texts: str, environment: str = "") -> EngineFlags:
    """The options of a service: a unit and its drop-ins, with what its environment file says."""
    files = [Text(f"/unit/{i}", text) for i, text in enumerate(texts)]
    return flags_of_service(service_of(files), read_environment(Text("/env", environment)))


def of_command(line: str, environment: str = "") -> EngineFlags:
    return of_unit(f"[Service]\nExecStart={line}\n", environment=environment)


def of_settings(text: str) -> EngineFlags:
    return flags_of_settings([Text("/etc/sysconfig/docker", text)])


def root(flags: EngineFlags) -> str | None:
    assert flags.problems == ()
    return flags.data_root.value if flags.data_root else None


def refused(read: Callable[[], object]) -> str:
    with pytest.raises(NotUnderstoodError) as error:
        read()
    return str(error.value)


# The options themselves.


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("-g /data", "/data"),
        ("-g=/data", "/data"),
        ("-g/data", "/data"),
        ("--graph /data", "/data"),
        ("--graph=/data", "/data"),
        ("--data-root /data", "/data"),
        ("--data-root=/data//x/../y/", "/data/y"),
        ("-g /old --data-root=/new", "/new"),
        ("--data-root=/old -g /new", "/new"),
        ("-D -H fd:// -g /data", "/data"),
        ("-Dg /data", "/data"),
        ("-Dg/data", "/data"),
        ("-H -g/data", None),
        ("-ltcp-g/data", None),
        ("-l -g -p /data", None),
        ("--label -g=/data", "/data"),
        ("--graphics=/data --exec-root /data", None),
        ("-- -g /data", None),
        ("", None),
    ],
)
def test_the_root_is_the_last_value_of_its_option_in_each_way_it_may_be_written(
    options: str, expected: str | None
) -> None:
    assert root(of_command(f"/usr/bin/dockerd {options}")) == expected
    assert root(of_settings(f"OPTIONS='{options}'")) == expected


def test_the_configuration_file_and_the_storage_driver_are_told_with_their_places() -> None:
    flags = of_settings("OPTIONS='-s overlay'\n\nDOCKER_OPTS=--config-file=/etc/d.json\n")
    assert flags.storage_driver is not None
    assert flags.config_file is not None
    assert (flags.storage_driver.value, flags.storage_driver.where) == (
        "overlay",
        "/etc/sysconfig/docker:1",
    )
    assert (flags.config_file.value, flags.config_file.where) == (
        "/etc/d.json",
        "/etc/sysconfig/docker:3",
    )


def test_the_variable_of_a_service_that_names_the_driver_wins_over_the_option() -> None:
    flags = of_command("/usr/bin/dockerd -s overlay2", environment="DOCKER_DRIVER=overlay\n")
    assert flags.storage_driver is not None
    assert flags.storage_driver.value == "overlay"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("-g", "-g has no value"),
        ("--data-root", "--data-root has no value"),
        ("-g docker", "-g is not an absolute path"),
        ("--graph=", "--graph is not an absolute path"),
        ("-graph=/data", "-g is not an absolute path"),
        ("--config-file=d.json", "--config-file is not an absolute path"),
    ],
)
def test_a_value_that_is_no_path_is_refused_with_its_place(options: str, said: str) -> None:
    assert refused(lambda: of_command(f"/usr/bin/dockerd {options}")) == f"/unit/0:2: {said}"
    text = f"# comment\nOPTIONS='{options}'\n"
    assert refused(lambda: of_settings(text)) == f"/etc/sysconfig/docker:2: {said}"


# Units.


@pytest.mark.parametrize(
    "line",
    [
        "/usr/bin/dockerd -H fd:// -g /data",
        "-/usr/bin/dockerd -g /data",
        "+!/usr/bin/dockerd -g /data",
        "@/usr/bin/dockerd --data-root=/name-of-the-process -g /data",
        "/usr/bin/docker daemon -g /data",
        "/usr/bin/docker -d -g /data",
        "/usr/bin/docker.io --graph=/data -d",
        "/usr/libexec/docker/dockerd-current -g /data",
        "/usr/bin/env PATH=/opt ${BIN}/dockerd -g /data",
        "/usr/bin/dockerd -g '/data'",
        '/usr/bin/dockerd "-g" "/data"',
        r"/usr/bin/dockerd -g /d\x61ta",
        "/usr/bin/dockerd --log-opt tag=%H -g /data",
        "/usr/bin/dockerd --log-opt=tag=%H -g /data",
        "/bin/true ; /usr/bin/dockerd -g /data",
        "/bin/sh -c '/usr/bin/docker daemon -g /data 2>&1 | /usr/bin/forward-journald -tag docker'",
        "/bin/sh -ec 'ulimit -n 9; exec dockerd -g /data >>/var/log/docker'",
        "/bin/sh /usr/bin/dockerd -g /data",
    ],
)
def test_a_command_that_starts_the_engine_is_known(line: str) -> None:
    flags = of_command(line)
    assert flags.data_root is not None
    assert flags.data_root.value == "/data"


@pytest.mark.parametrize(
    "line",
    ["/opt/start.sh -g /data", "/usr/bin/docker-compose up -d", "/usr/bin/docker start -a web"],
)
def test_a_program_that_is_not_known_as_the_engine_is_a_problem_and_its_options_are_not_taken(
    line: str,
) -> None:
    program = line.partition(" ")[0]
    assert of_command(line) == EngineFlags(
        problems=(f"/unit/0:2: starts {program}, which is not known as the engine",)
    )


def test_a_continued_line_with_comments_in_it_is_one_line() -> None:
    line = (
        "/usr/bin/dockerd \\\n  -H fd:// \\\n# comment \\\n ; another\n  -g \\\n  /data\nUser=root"
    )
    assert root(of_command(line)) == "/data"


def test_a_line_that_lacks_its_backslash_ends_the_options_as_it_does_for_systemd() -> None:
    assert root(of_command("/usr/bin/dockerd -D\n  --graph=/data \\\n  --debug")) is None


def test_an_empty_setting_in_a_drop_in_forgets_what_the_unit_set() -> None:
    unit = "[Service]\nExecStart=/usr/bin/dockerd -g /old\n"
    drop_in = "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd -g /new\n"
    assert root(of_unit(unit, drop_in)) == "/new"
    assert root(of_unit(unit, drop_in, "[Service]\nExecStart=\n")) is None


def test_other_sections_and_lines_that_are_no_settings_are_passed_over() -> None:
    text = "\ufeff[Unit]\nExecStart=/usr/bin/dockerd -g /a\n[Service]\nrubbish\n=x\n[X-Service]\nExecStart=x"
    assert of_unit(text) == EngineFlags()


@pytest.mark.parametrize(
    ("word", "value", "expected"),
    [
        ("$OPTIONS", "-g /data", "/data"),
        ("$OPTIONS", "'-g \"/data\"'", "/data"),
        ("$OPTIONS", "", None),
        ("$UNSET ${OPTIONS}", "--graph=/data", "/data"),
        ("-g ${OPTIONS}", "/data", "/data"),
        ("-g ${OPTIONS}/docker", '"/a b"', "/a b/docker"),
        ("--graph=${OPTIONS}", "/data", "/data"),
        ("-g /$$OPTIONS", "/data", "/$OPTIONS"),
        ("-g /%%", "/data", "/%"),
    ],
)
def test_variables_are_replaced_as_systemd_does(
    word: str, value: str, expected: str | None
) -> None:
    assert root(of_command(f"/usr/bin/dockerd {word}", f"OPTIONS={value}\n")) == expected
    if value.count('"') == 0:
        inside = f"[Service]\nEnvironment=X=y 'OPTIONS={value}'\nExecStart=/usr/bin/dockerd {word}"
        assert root(of_unit(inside)) == expected


def test_an_environment_file_wins_over_the_environment_and_a_colon_keeps_variables_away() -> None:
    text = "[Service]\nEnvironment=OPTIONS=-g/a\nExecStart={}/usr/bin/dockerd $OPTIONS\n"
    assert root(of_unit(text.format(""), environment="OPTIONS=-g/b")) == "/b"
    assert root(of_unit(text.format(":"), environment="OPTIONS=-g/b")) is None


def test_a_shell_in_a_unit_gets_the_variables_of_the_service() -> None:
    line = "/bin/sh -c 'exec /usr/bin/docker-current daemon $OPTIONS $UNSET 2>&1 | logger'"
    assert root(of_command(line, environment="OPTIONS='--debug -g /data'")) == "/data"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("/usr/bin/dockerd -g '/data", "a quote is not closed"),
        ("/usr/bin/dockerd -g /data/%H", "uses %H"),
        ("/bin/sh -c 'dockerd -g $(cat /root-folder)'", "uses a command substitution"),
        ("/bin/sh -c 'dockerd `cat /options`'", "uses a command substitution"),
        ("/bin/sh -c 'dockerd -g ${ROOT:-/data}'", "uses a substitution that needs a shell"),
        ("/bin/sh -c 'dockerd -g \"/data'", "a quote is not closed"),
        ("/usr/bin/dockerd -g ${UNSET}", "-g is not an absolute path"),
    ],
)
def test_a_command_that_cannot_be_known_is_refused_with_its_place(line: str, said: str) -> None:
    assert refused(lambda: of_command(line)) == f"/unit/0:2: {said}"


# Environment files.


def test_an_environment_file_is_read_as_systemd_reads_it() -> None:
    text = (
        "# it's a comment\n; another\nA=plain text  \nB='single \\n' \nC=\"double \\\" \\n\"\n"
        '  D = spaced\nexport E=no\nif [ -z x ]; then\n   F=indented\nfi\nG=a\\\nb\nH="two\nlines"\n'
        "I=\nJ=a 'b  c' d\\ \n1K=no\nL"
    )
    assert {name: word.text for name, word in read_environment(Text("/e", text)).items()} == {
        "A": "plain text",
        "B": "single \\n",
        "C": 'double " \\n',
        "D": "spaced",
        "F": "indented",
        "G": "ab",
        "H": "two\nlines",
        "I": "",
        "J": "a b  c d ",
    }


def test_what_systemd_and_a_shell_would_read_otherwise_is_refused_only_where_it_is_used() -> None:
    text = 'OTHER=$(hostname)\nOPTIONS="`cat /x`"\n'
    assert root(of_command("/usr/bin/dockerd -g /data", environment=text)) == "/data"
    assert root(of_command("/usr/bin/dockerd --bip=${OTHER} -g /data", environment=text)) == "/data"
    assert refused(lambda: of_command("/usr/bin/dockerd $OPTIONS", environment=text)) == (
        "/env:2: uses a command substitution"
    )
    below = "# comment \\\nOPTIONS=-g/data\n"
    assert "/env:2: stands below a comment" in refused(
        lambda: of_command("/usr/bin/dockerd $OPTIONS", environment=below)
    )
    assert refused(lambda: read_environment(Text("/env", "A=b\nOPTIONS='-g /a\n"))) == (
        "/env:2: a quote is not closed"
    )


# Settings files of init scripts.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("OPTIONS='-g /data'", "/data"),
        ('other_args="-g /data"', "/data"),
        ("DOCKER_OPTS=-g/data", "/data"),
        ("export DOCKERD_OPTS='--data-root=/data' X=1", "/data"),
        ("DOCKER_STORAGE_OPTIONS='-s overlay -g /data' # it's the big disk", "/data"),
        ('# don\'t\nDOCKER_OPTS="$DOCKER_OPTS -g /data"', "/data"),
        ('A=/da\nDOCKER_OPTS="-D"\nDOCKER_OPTS="$DOCKER_OPTS -g ${A}ta"', "/data"),
        ("DOCKER_OPTS=-D\nDOCKER_OPTS+=' -g /data'", "/data"),
        ('OPTIONS="-D \\\n  -g \\\n /data"', "/data"),
        ("OPTIONS='-D\n  -g /data'", "/data"),
        ("OPTIONS='-g /data'\nif [ -z \"${X}\" ]; then\n    X=/etc/docker\nfi\n", "/data"),
        ("X=$(hostname)\nOPTIONS='-g /data'", "/data"),
        ("ulimit -n 9 >/dev/null 2>&1; OPTIONS=-g/data", "/data"),
        ("OPTIONS=-g/old\nunset OPTIONS", None),
        ("OPTIONS=-g/data some-command", None),
        ("SOME_OPTIONS='-g /data'", None),
        ("case x in y) true;; esac; (cd /); if :; then :; fi\nOPTIONS=-g/data", "/data"),
        ("start() {\n  echo hello\n}\nOPTIONS=-g/data", "/data"),
        ("#OPTIONS='-g /data'", None),
        ("", None),
    ],
)
def test_the_options_are_read_from_assignments(text: str, expected: str | None) -> None:
    assert root(of_settings(text)) == expected


def test_a_later_file_goes_on_with_the_variables_of_an_earlier_one() -> None:
    files = [Text("/a", "ROOT=/data"), Text("/b", 'DOCKER_OPTS="-g $ROOT"')]
    assert root(flags_of_settings(files)) == "/data"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("OPTIONS='-g /data", "1: a quote is not closed"),
        ('\nOPTIONS="-g /data\n\n', "2: a quote is not closed"),
        ("OPTIONS=$(cat /options)", "1: uses a command substitution"),
        ("\n\nOPTIONS=`cat /options`", "3: uses a command substitution"),
        ('OPTIONS="-g $(cat', "1: a command substitution is not closed"),
        ('OPTIONS="-g ${ROOT:-/data}"', "1: uses a substitution that needs a shell"),
        ('OPTIONS="-g $ROOT"', "1: uses $ROOT, which this file does not set"),
        ('OPTIONS="-g $1"', "1: uses a substitution that needs a shell"),
        ("if true; then\n  OPTIONS=-g/data\nfi", "2: OPTIONS is set under a condition"),
        ("[ -f /x ] && OPTIONS=-g/data", "1: OPTIONS is set under a condition"),
        ("OPTIONS=-D\n[ -f /x ] || unset OPTIONS", "2: OPTIONS is set under a condition"),
        ("done\nwhile read x; do OPTIONS=-g/data; done", "2: OPTIONS is set under a condition"),
        ("(cd /; OPTIONS=-g/data)", "1: OPTIONS is set under a condition"),
        ("OPTIONS=-g/data | cat", "1: OPTIONS is set under a condition"),
        ("case x in y) OPTIONS=-g/data;; esac", "1: OPTIONS is set under a condition"),
        ("OPTIONS=(-g /data)", "1: OPTIONS is an array or a function"),
        (". /etc/other", "1: `.` sets what is not written here"),
        ("\neval OPTIONS=x", "2: `eval` sets what is not written here"),
        ("cat <<EOF\nOPTIONS=-g/x\nEOF", "1: a here-document"),
    ],
)
def test_a_settings_file_that_needs_a_shell_is_refused_with_its_line(text: str, said: str) -> None:
    assert refused(lambda: of_settings(text)) == f"/etc/sysconfig/docker:{said}"


# Any text at all.

SHELL_LIKE = st.text(
    st.sampled_from("OPTIONS= -g/d\"'`$(){}\\\n#;&|<>+%[]\r\t\0\udcff@:é"), max_size=60
)
ANY_TEXT = st.one_of(st.text(max_size=60), SHELL_LIKE, SHELL_LIKE.map(lambda t: f"OPTIONS={t}"))


def flags_or_error(read: Callable[[], EngineFlags]) -> str:
    """The sentence that says why there are no flags, or nothing if there are; both make sense."""
    try:
        flags = read()
    except NotUnderstoodError as error:
        said = str(error)
    else:
        assert flags.data_root is None or flags.data_root.value.startswith("/")
        assert all(problem.isprintable() for problem in flags.problems)
        said = ""
    assert said.isprintable()
    return said


@given(ANY_TEXT)
def test_no_settings_file_ends_in_anything_but_flags_or_the_one_error(text: str) -> None:
    said = flags_or_error(lambda: of_settings(text))
    assert not said or said.startswith("/etc/sysconfig/docker:")


@given(ANY_TEXT, ANY_TEXT, st.sampled_from(["dockerd {}", "sh -c '{}'", "{}"]))
def test_no_unit_ends_in_anything_but_flags_or_the_one_error(
    text: str, environment: str, command: str
) -> None:
    line = command.replace("{}", f"{text} $OPTIONS ${{OPTIONS}}")
    said = flags_or_error(lambda: of_command(line, environment))
    assert not said or said.startswith(("/unit/0:", "/env:"))


@given(st.text(max_size=60))
def test_no_unit_file_at_all_is_a_crash(text: str) -> None:
    said = flags_or_error(lambda: of_unit(text, f"[Service]\n{text}"))
    assert not said or said.startswith("/unit/")


WORDS = st.lists(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
)


@given(WORDS)
def test_words_quoted_for_systemd_come_back(words: list[str]) -> None:
    quoted = ['"' + w.replace("\\", "\\\\").replace('"', '\\"') + '"' for w in words]
    assert [word.text for word in words_of(" ".join(quoted), "/unit:1")] == words


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40))
def test_a_value_quoted_for_a_shell_comes_back_from_both_readers(value: str) -> None:
    text = Text("/f", f"BEFORE=1\nVALUE={shlex.quote(value)}\nAFTER=2\n")
    variables = read_settings(text, {})
    assert (variables["VALUE"].known(), variables["AFTER"].known()) == (value, "2")
    assert variables["VALUE"].where == "/f:2"
    if "'" not in value:
        assert read_environment(text)["VALUE"].text == value


@pytest.mark.parametrize(
    "piece", ["x\\\n", "A=b\n", "sh ", "docker ", "sh -c ", "((", "`", "%%", "${A}"]
)
def test_a_long_file_takes_no_longer_than_its_length_asks_for(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    begun = time.monotonic()
    for line in (f"dockerd {text}", f"sh -c '{text}'", text):
        flags_or_error(lambda line=line: of_command(line, text))  # type: ignore[misc]
    flags_or_error(lambda: of_settings(text))
    assert time.monotonic() - begun < 20


def test_the_error_survives_a_copy_as_from_one_process_to_another() -> None:
    error = NotUnderstoodError("/etc/default/docker:3", "a quote is not closed")
    again = copy.copy(error)
    assert str(again) == str(error) == "/etc/default/docker:3: a quote is not closed"
