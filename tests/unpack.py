"""What a Docker Engine makes of a layer's archive: a model of its behaviour, on real directories.

The engine unpacks into a copy of the parent's tree (moby v20.10.24 `pkg/archive/diff.go`
UnpackLayer, `archive.go` createTarFile), in a process whose `/` is that tree. A symlink on the
way is followed inside of the tree, and an archive that cannot be unpacked whole is refused. That
the model does as the engine does is seen in `test_engine_unpack.py`.
"""

from __future__ import annotations

import errno
import os
import posixpath
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from tarball import (
    BLOCK,
    CHARACTER,
    DIRECTORY,
    FIFO,
    GLOBAL,
    LINK,
    OLD_REGULAR,
    REGULAR,
    SYMLINK,
    Entry,
)

_META: Final = b".wh..wh."
_LINKS: Final = b".wh..wh.plnk"
_OPAQUE: Final = b".wh..wh..opq"
_WHITEOUT: Final = b".wh."
_FOLLOWED: Final = 40
"""Symlinks that the kernel follows in one path (include/linux/namei.h, MAXSYMLINKS)."""


class RefusedError(Exception):
    """The engine does not take this archive, because of the entry with this number.

    `waits`: it does not say so, but waits for ever.
    """

    def __init__(self, number: int, why: str, *, waits: bool = False) -> None:
        super().__init__(f"entry {number}: {why}")
        self.number = number
        self.waits = waits


def clone(parent: bytes, made: bytes) -> None:
    """Copy a tree as the engine does: regular files are linked, all else is made anew."""
    os.mkdir(made)
    with os.scandir(parent) as entries:
        for entry in entries:
            path = os.path.join(made, entry.name)
            if entry.is_dir(follow_symlinks=False):
                clone(entry.path, path)
            elif entry.is_symlink():
                os.symlink(os.readlink(entry.path), path)
            elif entry.is_file(follow_symlinks=False):
                os.link(entry.path, path)
            else:
                status = entry.stat(follow_symlinks=False)
                os.mknod(path, status.st_mode, status.st_rdev)


def unpack(tree: bytes, entries: Sequence[Entry], *, twice: bool = False) -> None:
    """Unpack an archive into a tree. Raises RefusedError where the engine would fail.

    The engine keeps no record of an archive that has a name twice, and so refuses it (tar-split
    `tar/storage/packer.go`), but `/a` and `a` are two names to it; `twice` lets such archives pass.
    """
    unpacking = _Unpacking(tree)
    said: set[bytes] = set()
    for number, entry in enumerate(entries):
        name = _clean(entry.name)
        if name in said and not twice:
            raise RefusedError(number, "duplicates of file paths not supported")
        said.add(name)
        with _refusing(number):
            unpacking.take(number, entry)
    for number, path in unpacking.directories.items():
        with _refusing(number):  # they get their times at the end
            os.lstat(unpacking.real(path, follow=True))


@contextmanager
def _refusing(number: int) -> Iterator[None]:
    try:
        yield
    except (OSError, _CannotError) as error:
        waits = isinstance(error, BlockingIOError)
        raise RefusedError(number, str(error), waits=waits) from None


class _CannotError(Exception):
    """The engine gives up, and says this."""


def _clean(name: bytes) -> bytes:
    """Do as Go's `filepath.Clean`."""
    clean = posixpath.normpath(name)
    return clean[1:] if clean.startswith(b"//") else clean


def _joined(folder: bytes, name: bytes) -> bytes:
    return _clean(folder + b"/" + name)


def _kind(entry: Entry) -> bytes:
    """The type as Go's reader does: of old, a trailing slash makes a directory."""
    if entry.kind == OLD_REGULAR:
        return DIRECTORY if entry.name.endswith(b"/") else REGULAR
    return entry.kind


@dataclass(slots=True)
class _Unpacking:
    """One archive on its way into a tree. `/` below is the tree's own directory.

    `unpacked` holds the paths that entries wrote, `directories` those that are directories, by the
    entry's number; `linked` the names below `.wh..wh.plnk`, whose files lie in a temporary
    directory of the tree until the end.
    """

    tree: bytes
    unpacked: set[bytes] = field(default_factory=set)
    directories: dict[int, bytes] = field(default_factory=dict)
    linked: dict[bytes, Entry] = field(default_factory=dict)
    temporary: bool = True

    def take(self, number: int, entry: Entry) -> None:
        """Do what one entry says."""
        name = _clean(entry.name)
        if name != b"/":
            self._make_parents(_joined(b"/", posixpath.dirname(name)))
        if name.startswith(_META):
            if name.startswith(_LINKS) and _kind(entry) == REGULAR:
                self._must_have_temporary()
                self.linked[posixpath.basename(name)] = entry
            if name != _OPAQUE:
                return
        path = _joined(b"/", name)
        folder, last = posixpath.split(path)
        if last == _OPAQUE:
            self._lstat(folder)
            self._empty(folder)
        elif last.startswith(_WHITEOUT):
            self._remove_all(_joined(folder, last.removeprefix(_WHITEOUT)))
        else:
            self._replace(path, entry)
            self.unpacked.add(path)
            if _kind(entry) == DIRECTORY:
                self.directories[number] = path

    def _replace(self, path: bytes, entry: Entry) -> None:
        try:
            status = self._lstat_if_there(path)
        except OSError:
            status = None
        merges = status is not None and stat.S_ISDIR(status.st_mode) and _kind(entry) == DIRECTORY
        if status is not None and not merges:
            self._remove_all(path)
        if _kind(entry) == LINK and _clean(entry.target).startswith(_LINKS):
            self._must_have_temporary()
            found = self.linked.get(posixpath.basename(entry.target.rstrip(b"/")))
            if found is None:
                raise _CannotError("Invalid aufs hardlink")
            entry = found
        self._create(path, entry)

    def _create(self, path: bytes, entry: Entry) -> None:
        kind = _kind(entry)
        if kind == GLOBAL:
            return  # what stood at its name is gone
        real = self.real(path)
        if kind == DIRECTORY:
            if not os.path.lexists(real):
                os.mkdir(real)
        elif kind == REGULAR:
            with open(real, "xb") as file:
                file.write(entry.content)
        elif kind == LINK:
            os.link(self.real(_joined(b"/", entry.target)), real, follow_symlinks=False)
            self._touch_link(path, entry.target)
        elif kind == SYMLINK:
            os.symlink(entry.target, real)
        elif kind in _SPECIALS:
            os.mknod(real, _SPECIALS[kind] | 0o755)
        else:
            raise _CannotError("unhandled tar header type")

    def _touch_link(self, path: bytes, target: bytes) -> None:
        """See that a link can get its mode, which the engine sets through a symlink too."""
        try:
            status = os.lstat(self.real(target))
        except OSError:
            return
        if not stat.S_ISLNK(status.st_mode):
            os.stat(self.real(path, follow=True), follow_symlinks=False)

    def _make_parents(self, path: bytes) -> None:
        try:
            self._lstat(path)
        except FileNotFoundError:
            self._make_all(path)

    def _make_all(self, path: bytes) -> None:
        """Do as Go's `os.MkdirAll`."""
        try:
            real = self.real(path, follow=True)
            status = os.lstat(real)
        except OSError:
            if path != b"/":
                self._make_all(posixpath.dirname(path))
            os.mkdir(self.real(path))
            return
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, "not a directory")

    def _empty(self, folder: bytes) -> None:
        """Remove all below a directory but what the archive brought; a symlink is not followed."""
        if not stat.S_ISDIR(self._lstat(folder).st_mode):
            return
        self.temporary = self.temporary and folder != b"/"
        for name in os.listdir(self.real(folder)):
            path = _joined(folder, name)
            if path in self.unpacked:
                self._empty(path)
            else:
                self._remove_all(path)

    def _remove_all(self, path: bytes) -> None:
        """Do as Go's `os.RemoveAll`."""
        if path == b"/":
            raise OSError(errno.EBUSY, "the tree's own directory cannot be removed")
        try:
            status = self._lstat_if_there(path)
        except NotADirectoryError:
            if stat.S_ISFIFO(os.lstat(self.real(posixpath.dirname(path), follow=True)).st_mode):
                raise BlockingIOError(errno.EAGAIN, "it opens a fifo to read from it") from None
            raise
        if status is None:
            return
        if stat.S_ISDIR(status.st_mode):
            shutil.rmtree(self.real(path))
        else:
            os.unlink(self.real(path))

    def _must_have_temporary(self) -> None:
        if not self.temporary:
            raise _CannotError("the directory for temporary files is gone")

    def _lstat(self, path: bytes) -> os.stat_result:
        return os.lstat(self.real(path))

    def _lstat_if_there(self, path: bytes) -> os.stat_result | None:
        try:
            return self._lstat(path)
        except FileNotFoundError:
            return None

    def real(self, path: bytes, *, follow: bool = False) -> bytes:
        """The real place of a path of the tree; a symlink at its end is followed on demand.

        Raises OSError as the kernel does. Without `follow` the last name need not be there.
        """
        done: list[bytes] = []
        todo = _names(path)
        followed = 0
        while todo:
            name = todo.pop()
            if name == b".":
                continue
            if name == b"..":
                del done[-1:]
                continue
            here = b"/".join((self.tree, *done, name))
            if todo or follow:
                status = os.lstat(here)
                if stat.S_ISLNK(status.st_mode):
                    followed += 1
                    if followed > _FOLLOWED:
                        raise OSError(errno.ELOOP, "too many symlinks")
                    target = os.readlink(here)
                    done = [] if target.startswith(b"/") else done
                    todo += _names(target)
                    continue
                if todo and not stat.S_ISDIR(status.st_mode):
                    raise NotADirectoryError(errno.ENOTDIR, "not a directory")
            done.append(name)
        return b"/".join((self.tree, *done))


def _names(path: bytes) -> list[bytes]:
    """Split a path, the last name first; one that ends in a slash asks for a directory."""
    names = [name for name in path.split(b"/") if name]
    if path.endswith(b"/"):
        names.append(b".")
    return names[::-1]


_SPECIALS: Final = {CHARACTER: stat.S_IFCHR, BLOCK: stat.S_IFBLK, FIFO: stat.S_IFIFO}
