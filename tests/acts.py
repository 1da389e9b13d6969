"""What an engine and others do to a root, as rules of a state machine."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from layertar import RecordedRoot
from removal import begin_removal, remove_image, remove_layer
from truth import files_of

from exporter.looking import settle
from exporter.thinking.chains import chain_ids

NAMES = [f"{folder}{name}" for folder in ("", "d/", "d/e/") for name in "abcxyz"]
Names = st.sampled_from(NAMES)
Tags = st.none() | st.sampled_from(["a:1", "a:2", "b:1"])


class EngineAndStrangers(RuleBasedStateMachine):
    """Layers, images, containers and links from outside come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        (self.folder / "outside").mkdir()
        self.root = RecordedRoot(self.folder / "docker")
        self.layers: list[tuple[str, ...]] = []
        self.images: dict[str, tuple[str, ...]] = {}
        self.containers: list[Path] = []
        self.half_made: list[Path] = []
        self.made = self.built = 0

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def below(self, which: int) -> tuple[str, ...]:
        """Choose what a new layer stands on; it may be nothing."""
        return self.layers[which] if which < len(self.layers) else ()

    def one_of_the_layers(self, which: int) -> tuple[str, ...]:
        return self.layers[which % len(self.layers)]

    def came(self, diffs: tuple[str, ...], tag: str | None) -> None:
        """Take in a new layer, with an image on it."""
        self.built += 1
        self.layers.append(diffs)
        self.images[self.root.image(diffs, *([tag] if tag else []))] = diffs

    def goes(self, diffs: tuple[str, ...]) -> bool:
        """Remove the images on a layer, unless another layer stands on it."""
        if any(len(other) > len(diffs) and other[: len(diffs)] == diffs for other in self.layers):
            return False
        for id in [i for i, on in self.images.items() if on == diffs]:
            remove_image(self.root, id)
            self.root.forget(id)
            del self.images[id]
        self.layers.remove(diffs)
        return True

    @rule(
        below=st.integers(0, 12),
        writes=st.lists(Names, max_size=4),
        links=st.lists(st.tuples(Names, Names), max_size=4),
        removes=st.lists(Names, max_size=3),
        tag=Tags,
    )
    def build(
        self,
        below: int,
        writes: list[str],
        links: list[tuple[str, str]],
        removes: list[str],
        tag: str | None,
    ) -> None:
        def change(tree: Path) -> None:
            for name in removes:
                (tree / name).unlink(missing_ok=True)
            for name in writes:
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                (tree / name).unlink(missing_ok=True)
                (tree / name).write_text(name[-1])
            for source, name in links:
                if (tree / source).exists() and source != name:
                    (tree / name).parent.mkdir(parents=True, exist_ok=True)
                    (tree / name).unlink(missing_ok=True)
                    os.link(tree / source, tree / name)

        self.came(self.root.layer(self.below(below), change), tag)

    @precondition(lambda self: self.layers)
    @rule(which=st.integers(0, 12))
    def remove(self, which: int) -> None:
        diffs = self.one_of_the_layers(which)
        if self.goes(diffs):
            remove_layer(self.root, diffs)

    @precondition(lambda self: self.layers)
    @rule(which=st.integers(0, 12), file=st.integers(0, 20), count=st.integers(1, 5))
    def link_from_outside(self, which: int, file: int, count: int) -> None:
        files = files_of(self.root.tree(self.one_of_the_layers(which)))
        for i in range(count if files else 0):
            self.made += 1
            os.link(files[file % len(files)], self.folder / "outside" / f"{self.made}-{i}")

    @precondition(lambda self: self.layers)
    @rule(which=st.integers(0, 12))
    def stop_half_way_through_a_build(self, which: int) -> None:
        tree = self.root.tree(self.one_of_the_layers(which))
        making = self.root.home / self.root.new_id() / "tmproot1"
        making.mkdir(parents=True)
        for i, file in enumerate(files_of(tree)[::2]):
            os.link(file, making / str(i))
        self.half_made.append(making.parent)

    @precondition(lambda self: self.half_made)
    @rule()
    def clean_up_after_a_stop(self) -> None:
        shutil.rmtree(self.half_made.pop())

    @precondition(lambda self: self.layers)
    @rule(which=st.integers(0, 12))
    def stop_half_way_through_a_removal(self, which: int) -> None:
        diffs = self.one_of_the_layers(which)
        if self.goes(diffs):
            _, tree = begin_removal(self.root, diffs)
            for path in files_of(tree)[::2]:
                path.unlink()

    @precondition(lambda self: self.layers)
    @rule(which=st.integers(0, 12))
    def lose_a_record(self, which: int) -> None:
        chain = chain_ids(self.one_of_the_layers(which))[-1]
        record = self.root.image_home / "layerdb/sha256" / chain[7:] / "tar-split.json.gz"
        record.unlink(missing_ok=True)

    @rule()
    def remove_links_outside(self) -> None:
        for path in list((self.folder / "outside").iterdir())[::2]:
            path.unlink()

    @rule(files=st.integers(0, 3))
    def run_container(self, files: int) -> None:
        container = self.root.home / self.root.new_id()
        (container / "upper").mkdir(parents=True)
        (container / "lower-id").write_text("x")
        record = self.root.image_home / "layerdb/mounts" / f"c{container.name[:8]}"
        record.mkdir()
        (record / "mount-id").write_text(container.name)
        for i in range(files):
            (container / "upper" / str(i)).write_text("x")
            os.link(container / "upper" / str(i), container / "upper" / f"n{i}")
        self.containers.append(container)

    @precondition(lambda self: self.containers)
    @rule()
    def remove_container(self) -> None:
        container = self.containers.pop()
        shutil.rmtree(container)
        shutil.rmtree(self.root.image_home / "layerdb/mounts" / f"c{container.name[:8]}")


class SampledAlone(EngineAndStrangers):
    """No file is asked for its links for being tight: a few members of its kin must tell."""

    def __init__(self) -> None:
        super().__init__()
        self.watched, settle.WATCHED = settle.WATCHED, 0

    def teardown(self) -> None:
        settle.WATCHED = self.watched
        super().teardown()
