"""The figures against a real Docker Engine: overlay2."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import need_engine
from engine import engine, tar
from looking import image, look, look_one

from exporter.model import Kind

pytestmark = [pytest.mark.engine, pytest.mark.root]


def test_on_overlay2_each_file_is_there_once_in_one_layer(tmp_path: Path) -> None:
    with engine(tmp_path, "overlay2") as running:
        (tmp_path / "base").mkdir()
        (tmp_path / "base/etc-base").write_text("base\n")
        running.import_tree(tmp_path / "base", "article-base:1")
        lines = ["FROM article-base:1", "COPY aa /aa", "COPY bb /bb", "COPY cc /cc"]
        running.build(lines, {n: f"{n}\n" for n in ("aa", "bb", "cc")}, "article:1")
        for name in ("aa", "bb", "cc"):
            (file,) = running.root.glob(f"overlay2/*/diff/{name}")
            assert file.lstat().st_nlink == 1
        report = look_one(running.root)
        row = image(report, "article:1")
        assert report.driver == "overlay2"
        assert (row["depth"], row["layers_left"]) == (4, {"depth": 121})
        assert (report.links_max, report.layers[Kind.IMAGE], report.problems) == (1, 4, ())


def test_an_engine_switched_to_overlay2_is_one_root_with_two_drivers(tmp_path: Path) -> None:
    for driver in ("overlay", "overlay2"):
        with engine(tmp_path, driver) as running:
            running.docker("import", "-", f"on-{driver}:1", stdin=tar({"file": b"x"}))
    reports = look(tmp_path / "data")
    assert [(r.driver, r.up, [i.name for i in r.images]) for r in reports] == [
        ("overlay", True, ["on-overlay:1"]),
        ("overlay2", True, ["on-overlay2:1"]),
    ]


@pytest.fixture(autouse=True)
def _programs() -> None:
    need_engine()
