"""Random roots whose layers are unpacked from archives, and their figures counted name by name."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from random import Random
from typing import Any, Final

import oracle
from looking import costs_of, ledger_of, links_of, moved_of, names_of
from randomtar import paths_of, random_archive, random_base
from tarball import END, Entry, record_of
from unpack import RefusedError, clone, unpack

from exporter.demo.planted import PlantedRoot
from exporter.looking.scan import LiveRoot
from exporter.model import LINKS_OVER, Reason, Resource, Root, RootReport
from exporter.text import shown_name

Diffs = tuple[str, ...]

_PADDED: Final = END + Random(1).randbytes(1 << 15)  # noqa: S311  (no secret)
"""The end of a base's archive: with so much behind it, its walk seems dear, and so layers are derived."""

_LIVE: Final = 0.3
"""The part of the roots that are looked at while they grow."""

_TWICE: Final = 0.1

LIMITS: Final = (100, 1000, 65_000)


@dataclass(frozen=True)
class Plan:
    """A root to be made: each layer's parent (by number, -1 for none) and archive.

    `tagged` is the layer that is walked. `live`: the root is looked at after each layer,
    so the base is walked; otherwise once, when all layers are there. `twice`: an archive may have
    a name twice, which no engine takes that keeps a record.
    """

    layers: tuple[tuple[int, tuple[Entry, ...]], ...]
    tagged: int
    limit: int
    live: bool
    twice: bool = False


class UnpackedRoot(PlantedRoot):
    """A planted root whose layers are archives, unpacked and recorded as the engine does."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._record = b""

    def stack(
        self, below: Diffs, entries: Sequence[Entry], *, twice: bool = False
    ) -> tuple[Diffs, tuple[Entry, ...]]:
        """Stack a layer; entries that the engine refuses are left out. Gives those that were taken."""
        taken = list(entries)

        def apply(tree: Path) -> None:
            while True:
                try:
                    unpack(os.fsencode(tree), taken, twice=twice)
                except RefusedError as refused:
                    del taken[refused.number]
                    shutil.rmtree(tree)
                    if below:
                        self.clone(self.tree(below), tree)
                    else:
                        tree.mkdir()
                else:
                    break
            self._record = record_of(taken, END if below else _PADDED)

        return self.layer(below, apply), tuple(taken)

    def clone(self, parent: Path, made: Path) -> None:
        clone(os.fsencode(parent), os.fsencode(made))

    def split(self, parent: Path | None, tree: Path) -> bytes:
        return self._record


@dataclass(frozen=True)
class Grown:
    """A root that was made, and what is told of it."""

    plan: Plan
    live: LiveRoot
    report: RootReport

    @property
    def derived(self) -> int:
        """Number of layers that were never walked."""
        walked = ledger_of(self.live).walked
        return sum(not walked[id] for id in names_of(self.live))


Choose = Callable[[UnpackedRoot, list[Diffs]], tuple[int, Sequence[Entry]]]
"""Gives the next layer of a root, whose layers so far are told: its parent and its archive."""


def random_root(
    folder: Path,
    dice: Random,
    layers: int,
    entries: int,
    base: Callable[[Random], list[Entry]] = random_base,
) -> Grown:
    """Grow a root of random archives, in which the engine would refuse nothing."""

    def choose(root: UnpackedRoot, made: list[Diffs]) -> tuple[int, Sequence[Entry]]:
        if not made:
            return -1, base(dice)
        parent = dice.choice((len(made) - 1, dice.randrange(len(made))))
        return parent, random_archive(dice, paths_of(os.fsencode(root.tree(made[parent]))), entries)

    none = ((-1, ()),) * (layers + 1)
    tagged, limit = dice.randrange(layers + 1), dice.choice(LIMITS)
    live, twice = dice.random() < _LIVE, dice.random() < _TWICE
    return _grow(folder, Plan(none, tagged, limit, live, twice), choose)


def planned_root(folder: Path, plan: Plan) -> Grown:
    """Grow the root of a plan."""
    return _grow(folder, plan, lambda _, made: plan.layers[len(made)])


def _grow(folder: Path, plan: Plan, choose: Choose) -> Grown:
    root = UnpackedRoot(folder)
    live = LiveRoot(Root(str(folder), folder, links_limits={str(folder): plan.limit}))
    made: list[Diffs] = []
    layers: list[tuple[int, tuple[Entry, ...]]] = []
    for number in range(len(plan.layers)):
        parent, entries = choose(root, made)
        diffs, taken = root.stack(made[parent] if made else (), entries, twice=plan.twice)
        made.append(diffs)
        layers.append((parent, taken))
        root.image(diffs, *(["tagged:1"] if number == plan.tagged else []))
        if plan.live:
            live.look(lambda _: None)
    (report,) = live.look(lambda _: None)
    return Grown(replace(plan, layers=tuple(layers)), live, report)


@dataclass(frozen=True)
class Figures:
    """All that is told of a root's links. `tightest` is by layer: left, inode, links, names, path."""

    names: dict[str, dict[int, int]]
    costs: dict[str, int | None]
    links: dict[int, int]
    tightest: dict[str, tuple[int, int, int, int, str]]
    left: int | None
    links_max: int | None
    over: dict[int, int]


def told(live: LiveRoot, report: RootReport) -> Figures:
    """What the program tells."""
    rows = (image.tightest for image in report.images if image.tightest)
    assert report.scan.complete, report.problems
    assert {p.reason for p in report.problems} <= {Reason.LIMIT_EXCEEDED}, report.problems
    return Figures(
        names_of(live),
        costs_of(live),
        links_of(live),
        {t.layer: (t.left, t.inode, t.links, t.names, t.path) for t in rows},
        report.layers_left.get(Resource.LINKS),
        report.links_max,
        dict(report.inodes_over or {}),
    )


def counted(home: Path, limit: int, *, names_cost: bool) -> Figures:
    """Count all of it with `os.walk` and `os.lstat`."""
    facts = {folder.name: oracle.tree_facts(folder / "root") for folder in home.iterdir()}
    links = {inode: n for _, of_it, _ in facts.values() for inode, n in of_it.items()}
    tightest: dict[str, tuple[int, int, int, int, str]] = {}
    for id, (names, of_it, _) in facts.items():
        rank = min(
            (
                (max(0, limit - of_it[inode]) // len(paths), -of_it[inode], -len(paths), inode)
                for inode, paths in names.items()
            ),
            default=None,
        )
        if rank is not None:
            left, most, many, inode = rank
            tightest[id] = (left, inode, -most, -many, shown_name(min(names[inode])))
    return Figures(
        {id: {i: len(paths) for i, paths in names.items()} for id, (names, _, _) in facts.items()},
        {
            id: others + (sum(map(len, names.values())) if names_cost else 0)
            for id, (names, _, others) in facts.items()
        },
        links,
        tightest,
        min((left for left, *_ in tightest.values()), default=None),
        max(links.values(), default=None),
        {bound: sum(n > bound for n in links.values()) for bound in LINKS_OVER},
    )


def wrong(grown: Grown) -> dict[str, Any]:
    """Each figure that is not what a count of every name gives: what was told, what is right."""
    live, report = grown.live, grown.report
    home = live.root.seen / "overlay"
    right = counted(home, grown.plan.limit, names_cost=report.fstype == "tmpfs")
    was = told(live, report)
    found: dict[str, Any] = {
        field.name: (getattr(was, field.name), getattr(right, field.name))
        for field in fields(Figures)
        if getattr(was, field.name) != getattr(right, field.name)
    }
    if unmoved := list(_unmoved(live, home)):
        found["moved"] = unmoved
    return found


def _unmoved(live: LiveRoot, home: Path) -> Iterator[tuple[str, int]]:
    """Inodes whose names differ between a derived layer and its source without a word of it."""
    for id, (source, moved) in moved_of(live).items():
        here, there = (oracle.tree_facts(home / f / "root")[0] for f in (id, source))
        for inode in here.keys() | there.keys():
            if set(here.get(inode, ())) != set(there.get(inode, ())) and inode not in moved:
                yield id, inode


def shrunk(plan: Plan, fails: Callable[[Plan], bool]) -> Plan:
    """Leave out of a plan what is not needed for it to fail."""
    smaller = True
    while smaller:
        smaller = False
        for candidate in _smaller(plan):
            if fails(candidate):
                plan, smaller = candidate, True
                break
    return plan


def _smaller(plan: Plan) -> Iterator[Plan]:
    parents = Counter(parent for parent, _ in plan.layers)
    for number in range(len(plan.layers) - 1, 0, -1):
        if not parents[number] and number != plan.tagged:
            layers = [
                (parent - (parent > number), entries)
                for at, (parent, entries) in enumerate(plan.layers)
                if at != number
            ]
            yield replace(plan, layers=tuple(layers), tagged=plan.tagged - (plan.tagged > number))
    for number, (parent, entries) in enumerate(plan.layers):
        for left_out in range(len(entries)):
            fewer = entries[:left_out] + entries[left_out + 1 :]
            layers = [*plan.layers]
            layers[number] = parent, fewer
            yield replace(plan, layers=tuple(layers))
