"""An image's parent, recorded later than the image itself."""

from __future__ import annotations

from exporter.demo.planted import PlantedRoot


def write_parent(root: PlantedRoot, image: str, parent: str) -> None:
    """Write as the engine does: a temporary file, and a rename (moby v20.10.24 image/fs.go)."""
    metadata = root.image_home / "imagedb/metadata/sha256" / image[7:]
    metadata.mkdir(exist_ok=True)
    temporary = metadata / ".tmp-parent123"
    temporary.write_text(parent)
    temporary.rename(metadata / "parent")
