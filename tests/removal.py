"""Taking away what was planted, in the engine's own order."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from exporter.demo.planted import PlantedRoot
from exporter.thinking.chains import chain_ids


def remove_layer(root: PlantedRoot, diffs: tuple[str, ...]) -> None:
    """Take a layer away: record renamed, folder gone, record gone."""
    going, tree = begin_removal(root, diffs)
    shutil.rmtree(tree.parent)
    shutil.rmtree(going)


def begin_removal(root: PlantedRoot, diffs: tuple[str, ...]) -> tuple[Path, Path]:
    """Rename a layer's record, as a removal begins; give it, and the tree that is to go."""
    tree = root.tree(diffs)
    record = root.image_home / "layerdb/sha256" / chain_ids(diffs)[-1][7:]
    going = record.with_name(f"{record.name}-{'a' * 64}-removing")
    record.rename(going)
    return going, tree


def remove_image(root: PlantedRoot, id: str) -> None:
    """Untag an image and forget it."""
    path = root.image_home / "repositories.json"
    tags = json.loads(path.read_text())["Repositories"]
    kept = {
        repository: {tag: image for tag, image in all_of.items() if image != id}
        for repository, all_of in tags.items()
    }
    path.write_text(json.dumps({"Repositories": kept}))
    (root.image_home / "imagedb/content/sha256" / id[7:]).unlink()
    shutil.rmtree(root.image_home / "imagedb/metadata/sha256" / id[7:], ignore_errors=True)
