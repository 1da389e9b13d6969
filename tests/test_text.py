"""Names from disk made fit to be shown: valid text, one line, no control reaches a screen."""

from __future__ import annotations

import os
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.text import alike, one_line, path_text, shown_name, valid

any_text = st.text(st.characters(exclude_categories=[]))
valid_text = st.text()
texts_with_controls = st.text(st.sampled_from("ab\\\n\r\t\x00\x1b\x7f\x85\x9b\u2028\u202e\ufeffé…"))


@given(valid_text)
def test_a_name_of_valid_utf8_is_shown_as_itself(name: str) -> None:
    assert shown_name(name) == name
    assert shown_name(name.encode()) == name


@given(st.binary())
def test_any_bytes_are_shown_as_text_that_utf8_carries(raw: bytes) -> None:
    text = shown_name(raw)
    assert text.encode().decode() == text
    assert text == raw.decode("utf-8", "backslashreplace")


@given(st.binary())
def test_a_name_is_shown_alike_as_bytes_and_as_the_system_gives_it(raw: bytes) -> None:
    assert shown_name(raw.decode("utf-8", "surrogateescape")) == shown_name(raw)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"plain", "plain"),
        (b"\xff", r"\xff"),
        (b"caf\xe9", r"caf\xe9"),
        ("café".encode(), "café"),
        (b"a\xe2\x82", r"a\xe2\x82"),
        (b"\xed\xa0\x80", r"\xed\xa0\x80"),
        (b"new\nline", "new\nline"),
    ],
)
def test_each_byte_that_is_not_utf8_is_written_as_its_number(raw: bytes, expected: str) -> None:
    assert expected == shown_name(raw)


@given(any_text)
def test_valid_text_can_be_encoded_and_is_left_alone(text: str) -> None:
    made = valid(text)
    assert made.encode().decode() == made
    assert valid(made) == made


def test_a_lone_surrogate_is_written_as_its_number() -> None:
    assert valid("a\ud800b") == r"a\ud800b"


@given(any_text | texts_with_controls, st.integers(0, 40))
def test_one_line_has_no_control_character_and_is_never_longer_than_asked(
    text: str, most: int
) -> None:
    line = one_line(text, most)
    assert [c for c in line if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")] == []
    assert len(line.splitlines()) <= 1
    assert most == 0 or len(line) <= most
    line.encode()


@given(texts_with_controls, st.integers(1, 40))
def test_one_line_cuts_only_what_is_too_long_and_only_in_its_middle(text: str, most: int) -> None:
    whole, cut = one_line(text), one_line(text, most)
    if len(whole) <= most:
        assert cut == whole
    else:
        head = (most - 1) // 2
        assert len(cut) == most
        assert cut[head] == "…"
        assert (whole[:head], whole[len(whole) - (most - 1 - head) :]) == (
            cut[:head],
            cut[head + 1 :],
        )


@given(any_text | texts_with_controls)
def test_one_line_of_one_line_changes_nothing_more(text: str) -> None:
    assert one_line(one_line(text)) == one_line(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shop:1.4", "shop:1.4"),
        ("a b", "a b"),
        ("a\nb", r"a\x0ab"),
        ("\x1b[31m", r"\x1b[31m"),
        ("\x9b", r"\x9b"),
        ("\x7f", r"\x7f"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\u200b\u2066\ufeff", r"\u200b\u2066\ufeff"),
        ("\u2028", r"\u2028"),
        ("\ud800", r"\ud800"),
        ("\u00ad", r"\xad"),
        ("\u180e", r"\u180e"),
        ("\U0001d173\U000e0001", r"\U0001d173\U000e0001"),
        ("\u034f\u115f\u3164\uffa0\u2800", r"\u034f\u115f\u3164\uffa0\u2800"),
        ("a\u00a0b\u3000c", r"a\xa0b\u3000c"),
        ("\ue000", r"\ue000"),
        ("❤\ufe0f", r"❤\ufe0f"),
        ("漢字 é 👍", "漢字 é 👍"),
    ],
)
def test_controls_and_invisible_characters_are_written_as_numbers(text: str, expected: str) -> None:
    assert expected == one_line(text)


IGNORABLE = (
    *((0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5)),
    *((0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164)),
    *((0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8)),
    *((0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)),
)
"""Unicode's DerivedCoreProperties.txt: Default_Ignorable_Code_Point."""


def test_every_character_of_unicode_is_shown_as_itself_or_if_it_shows_nothing_as_its_number() -> (
    None
):
    """Invisible are controls, formats, spaces but the plain one, and what has no meaning."""
    invisible = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}
    ignorable = {chr(i) for first, last in IGNORABLE for i in range(first, last + 1)}
    for character in map(chr, range(sys.maxunicode + 1)):
        hides = unicodedata.category(character) in invisible or character in ignorable
        escaped = (hides and character != " ") or character == "\u2800"  # the Braille blank
        line = one_line(character)
        assert (line != character) == escaped, hex(ord(character))
        if escaped:
            assert line.lower().endswith(f"{ord(character):x}")


@pytest.mark.parametrize(
    ("most", "expected"),
    [(0, "abcdefgh"), (8, "abcdefgh"), (7, "abc…fgh"), (6, "ab…fgh"), (2, "…h"), (1, "…")],
)
def test_a_long_line_loses_its_middle(most: int, expected: str) -> None:
    assert expected == one_line("abcdefgh", most)


@pytest.mark.parametrize("raw", [b"plain", "é".encode(), b"\xff\xfe"])
def test_a_path_made_on_disk_is_shown_as_valid_text(tmp_path: Path, raw: bytes) -> None:
    os.mkdir(os.fsencode(tmp_path) + b"/" + raw)
    (name,) = os.listdir(tmp_path)
    assert path_text(name) == raw.decode("utf-8", "backslashreplace")
    assert path_text(tmp_path / name) == f"{tmp_path}/{path_text(name)}"


def test_two_paths_that_are_told_by_the_same_text_are_found_and_one_given_twice_is_not() -> None:
    byte, letters = os.fsdecode(b"/d\xff"), "/d\\xff"
    assert alike(["/a", byte, "/b", letters]) == (byte, letters)
    assert alike(["/a", byte, "/a", byte, "/é"]) is None
