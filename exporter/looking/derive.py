"""Counting a layer by its difference to a counted neighbour in its chain.

    names(child) = names(parent) - what the child's archive removed or replaced + what it added

and the other way round. In doubt nothing is derived, and the layer is walked: there is no record,
it is damaged or cannot be read (a problem), it is as large as the tree, or it does not tell for sure where to look.
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from exporter.disk.count import Home
from exporter.disk.difference import Side, difference
from exporter.disk.files import BrokenFileError
from exporter.disk.tarheader import DoubtError
from exporter.disk.tarsplit import NAME, can_be_read, read_touched
from exporter.model import Folder, LayerRecord, Problem, Reason
from exporter.thinking.findings import LayerFigures
from exporter.thinking.kinship import Kinship
from exporter.thinking.routes import WALK_GAIN, Family, family_of

_OF_A_MOMENT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE})
"""Trouble of ours, which says nothing about the record."""

_DAMAGED = "the layer is walked, but the engine cannot save or push it: pull or build it again"
_UNREADABLE = (
    "the layer is walked instead, and the daemon tries to read it again every five minutes"
)

_FEWEST = 1000
"""A record of no more names is read, however small the tree."""


@dataclass(frozen=True, slots=True)
class Derived:
    """What deriving a layer gave: its figures, and the inodes that have other names than in its source.

    They are all among those that `moved`, also where only a name changed and not their number; so
    may be others. With each comes the smallest of the layer's names that were looked up, if any:
    all names that the source has not are. `asked` is the number of names that were looked up.
    """

    figures: LayerFigures
    moved: Mapping[int, bytes | None]
    asked: int


@dataclass(slots=True)
class Differences:
    """The engine's records of what each layer changed: their sizes, and those that are damaged.

    They go by the layer's folder: a layer that is pulled again has the same chain, but another
    folder, and a record of its own.
    """

    sizes: dict[str, int] = field(default_factory=dict)
    damaged: dict[str, Problem] = field(default_factory=dict)
    _unreadable: dict[str, str] = field(default_factory=dict)
    """Those of the damaged ones that the disk did not give, with their chains: it may have been for a moment."""

    def family(self, home: Home, layers: Mapping[str, LayerRecord]) -> Family:
        """Which layers can be derived from which, and what that costs."""
        driver, ground = home.driver, home.ground
        if not driver.shares_links or not ground.inode_in_entry or ground.covered:
            return Family()
        chains = {layer.cache_id: chain for chain, layer in layers.items()}
        for gone in self.sizes.keys() - chains.keys():
            del self.sizes[gone]
            self.damaged.pop(gone, None)
        for id in chains.keys() - self.sizes.keys():
            try:
                self.sizes[id] = os.lstat(home.image / _record(chains[id])).st_size
            except OSError:
                continue  # it has none, or went
        good = {chains[id]: n for id, n in self.sizes.items() if id not in self.damaged}
        return family_of(layers, good)

    def derive(
        self, home: Home, kinship: Kinship, folder: Folder, source: LayerFigures, upper: LayerRecord
    ) -> Derived | None:
        """Derive a layer from its neighbour; the `upper` of the two has the record. None: in doubt."""
        try:
            return _derive(home, kinship, folder, source, upper)
        except BrokenFileError as error:
            where = f"{os.path.dirname(home.where)}/image/{home.driver.name}/{_record(upper.chain)}"
            meaning = _DAMAGED
            if isinstance(error.__cause__, OSError):
                meaning = _UNREADABLE
                self._unreadable[upper.cache_id] = upper.chain
            self.damaged[upper.cache_id] = Problem(where, f"{error}; {meaning}", Reason.TAR_SPLIT)
        except (DoubtError, OSError, ValueError):
            pass
        return None

    def retry(self, home: Home) -> None:
        """See which records can be read now that could not be: they are no problem any more."""
        for id, chain in list(self._unreadable.items()):
            if id not in self.damaged or can_be_read(home.image / _record(chain)):
                self.damaged.pop(id, None)
                del self._unreadable[id]


def _record(chain: str) -> str:
    return f"layerdb/sha256/{chain.removeprefix('sha256:')}/{NAME}"


def _derive(
    home: Home, kinship: Kinship, folder: Folder, source: LayerFigures, upper: LayerRecord
) -> Derived | None:
    names = sum(len(kin.members) for kin in kinship.held[source.folder.id])
    try:
        touched = read_touched(home.image / _record(upper.chain), max(_FEWEST, names // WALK_GAIN))
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in _OF_A_MOMENT:
            raise
        raise BrokenFileError(f"cannot be read: {error.strerror}") from error
    goes_up = folder.id == upper.cache_id
    child, parent = (folder, source.folder) if goes_up else (source.folder, folder)
    with _open(home, parent) as below, _open(home, child) as above:
        found = difference(below, above, touched, home.ground, kinship.kin_of)
    for chain in (upper.chain, upper.parent or ""):
        # A removal renames the record first: while both are there, both trees are whole.
        os.stat(home.image / "layerdb/sha256" / chain.removeprefix("sha256:") / "cache-id")
    gained, lost = (found.above, found.below) if goes_up else (found.below, found.above)
    moves = _moves(gained, lost)
    kinship.derive(folder.id, source.folder.id, moves, found.links, gained.places)
    figures = _figures(home, kinship, folder, source, gained, lost)
    moved = {i: gained.places.get(i) for i in gained.names.keys() | lost.names.keys()}
    return Derived(figures, moved, found.asked)


def _open(home: Home, folder: Folder) -> AbstractContextManager[int]:
    if folder.stacked is None:
        raise DoubtError("it has no tree")
    return home.open_tree(folder.id, folder.stacked)


def _moves(gained: Side, lost: Side) -> dict[int, int]:
    """How many names of each inode came or went."""
    moves = Counter(gained.names)
    moves.subtract(lost.names)
    return {inode: move for inode, move in moves.items() if move}


def _figures(
    home: Home, kinship: Kinship, folder: Folder, source: LayerFigures, gained: Side, lost: Side
) -> LayerFigures:
    cost = source.cost
    if cost is not None:
        cost += gained.others - lost.others
        if home.filesystem.link_costs_inode:
            cost += sum(gained.names.values()) - sum(lost.names.values())
    return LayerFigures(folder, has_files=bool(kinship.held[folder.id]), cost=cost)
