"""The ledger of hard links: what is counted, apart from any disk.

An inode is known here by its number alone: the walk never leaves the filesystem it began
on, so within one driver of one root the number is unique (where it is not, on stacked
filesystems, the walk hands in a key made of device and number).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

from exporter.model import LINKS_OVER


@dataclass(slots=True)
class Ledger:
    """Link counts of distinct regular files, by inode: one stat each, whatever the number of names."""

    links: dict[int, int] = field(default_factory=dict)

    @property
    def links_max(self) -> int | None:
        """The highest link count, or None when no regular file was seen."""
        return max(self.links.values(), default=None)

    def inodes_over(self) -> dict[int, int]:
        """How many distinct inodes have more links than each bound of `LINKS_OVER`."""
        by_bucket = Counter(bisect_left(LINKS_OVER, n) for n in self.links.values())
        return {
            bound: sum(n for bucket, n in by_bucket.items() if bucket > i)
            for i, bound in enumerate(LINKS_OVER)
        }
