"""A YAML file: its text in, one frozen value out, or one sentence that says where it is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from yaml.reader import ReaderError

from exporter.disk.files import BrokenFileError, read_small
from exporter.errors import UserError
from exporter.text import one_line


class ConfigError(UserError):
    """The configuration cannot be used. The text is one sentence with the place in the file."""


class Section(BaseModel):
    """A mapping of known keys only."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


_MOST_BYTES: Final = 1 << 20

_BAD_VALUES: Final = (TypeError, LookupError, AttributeError)

UNSUPPORTED: Final = "unsupported"
"""The type of pydantic's error for a key that others know and we do not."""

_TOLD_BY_KEY: Final = ("extra_forbidden", UNSUPPORTED)  # whatever the value is

_QUOTED: Final = re.compile(r" '[^']*'")  # what PyYAML cites of the text

_SHOWN: Final = 100  # characters of a key or value that are told

_WORDS: Final = {
    "extra_forbidden": "this key is not known",
    "missing": "this key is missing",
    "model_type": "it should be a mapping of keys to values",
    "dict_type": "it should be a mapping of keys to values",
    "tuple_type": "it should be a list",
}


def read_bytes(path: Path) -> bytes:
    """Read a file that the configuration consists of or names. Raises ConfigError."""
    try:
        return read_small(path, _MOST_BYTES, follow=True)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except BrokenFileError as error:
        raise ConfigError(f"{path}: {error}") from None


Place = Callable[..., str]
"""Gives the place in the file, as `name:line:column`, of a key by the keys that lead to it."""

_Whole = TypeVar("_Whole", bound=Section)


def parse_as(
    kind: type[_Whole], raw: bytes, name: str, secrets: frozenset[str] = frozenset()
) -> tuple[_Whole, Place]:
    """Understand a YAML text as such a section, and tell the places of its keys.

    With `secrets`, no value below a key of that name is told, nor one of the wrong place or of no
    YAML; and no key there that may itself be one. Raises ConfigError.
    """
    try:
        tree = yaml.compose(raw, Loader=yaml.SafeLoader)
        _refuse_repeated_keys(tree, name)
        document = yaml.safe_load(raw)
    except yaml.MarkedYAMLError as error:
        place = _place(name, error.problem_mark or error.context_mark)
        problem = _QUOTED.sub("", error.problem or "") if secrets else error.problem
        raise ConfigError(f"{place}: is not YAML: {problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        where = f" (at {error.position})" if isinstance(error, ReaderError) else ""
        told = not (secrets and isinstance(error, ValueError))  # that of `!!int x` cites the x
        said = str(error).splitlines()[0] if told else "a value is not what its tag says"
        raise ConfigError(f"{name}: is not YAML: {said}{where}") from None
    except _BAD_VALUES:  # what PyYAML raises for `!!int ''` and the like
        raise ConfigError(f"{name}: holds a value that is not what its tag says") from None
    try:
        # Lists become tuples, which strict validation otherwise refuses.
        whole = kind() if document is None else kind.model_validate(_tupled(document))
    except ValidationError as error:
        first = error.errors()[0]
        what = _WORDS.get(first["type"]) or _sentence(first["msg"])
        value = first["input"]
        given = (
            f", not {one_line(repr(value), _SHOWN)}"
            if isinstance(value, str | int | float | bool)
            else ""
        )
        secret = secrets & set(first["loc"])
        loc = first["loc"]
        if first["type"] in _TOLD_BY_KEY or secret or (secrets and len(loc) <= 1):
            given = ""
        if secret and (loc[-1] == "[key]" or not isinstance(value, str)):
            # Up to the key that is known: `{name:secret}` is one key, without a value.
            loc = loc[: 1 + next(n for n, part in enumerate(loc) if part in secret)]
        keys = ".".join(one_line(str(part), _SHOWN) for part in loc if part != "[key]")
        place = _place(name, _mark(tree, first["loc"]))
        raise ConfigError(f"{place}: {keys or 'the file'}: {what}{given}") from None
    return whole, lambda *loc: _place(name, _mark(tree, loc))


def _sentence(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return text.replace("Input should be", "it should be")


def _tupled(document: Any) -> Any:
    if isinstance(document, dict) and isinstance(document.get("roots"), list):
        return document | {"roots": tuple(document["roots"])}
    return document


def _place(name: str, mark: yaml.Mark | None) -> str:
    return f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name


def _mark(tree: yaml.Node | None, loc: tuple[int | str, ...]) -> yaml.Mark | None:
    """Walk down to the key or list item that `loc` names, or as near to it as the file goes."""
    node = tree
    mark = tree.start_mark if tree else None
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if pair is None:
                break
            mark, node = pair[0].start_mark, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
            mark = node.start_mark
    return mark


def _refuse_repeated_keys(tree: yaml.Node | None, name: str) -> None:
    for mapping in _mappings(tree):
        seen: set[str] = set()
        for key, _ in mapping.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                raise ConfigError(f"{_place(name, key.start_mark)}: a key should be plain text")
            if key.value in seen:
                raise ConfigError(
                    f"{_place(name, key.start_mark)}: {one_line(key.value, _SHOWN)}: is there twice"
                )
            seen.add(key.value)


def _mappings(tree: yaml.Node | None) -> Iterator[yaml.MappingNode]:
    todo, met = [tree], set[int]()
    while todo:
        node = todo.pop()
        if node is None or id(node) in met:
            continue
        met.add(id(node))
        if isinstance(node, yaml.MappingNode):
            yield node
            todo += [v for _, v in node.value]
        elif isinstance(node, yaml.SequenceNode):
            todo += node.value
