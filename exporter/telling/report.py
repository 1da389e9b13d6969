"""The report as JSON: what `scan --output json` prints and `/api/v1/report` serves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from exporter.model import (
    DEPTH_LIMIT,
    ImageFigures,
    LayersLeft,
    RootReport,
    Tightest,
)
from exporter.telling.assessment import Assessment

VERSION: Final = 1
"""Version of the document's shape. Keys are added without a new one, never renamed."""

Json = dict[str, Any]


def to_json(assessments: Sequence[Assessment]) -> str:
    """Write all reports as one JSON document, in ASCII, so that no name can harm a terminal.

    Roots that have not answered yet are listed apart: they have no report.
    """
    document = {
        "version": VERSION,
        "roots": [
            _root(one.report) | {"assessment": _assessment(one)}
            for one in assessments
            if one.report is not None
        ],
        "waiting": [
            {"root": one.root, "assessment": _assessment(one)}
            for one in assessments
            if one.report is None
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def _assessment(one: Assessment) -> Json:
    return {
        "level": one.level.word,
        "sentence": one.sentence,
        "at_most": one.at_most,
        "stale": one.stale,
    }


def _root(report: RootReport) -> Json:
    first, full = report.runs_out_first, report.scan.full
    tightest = _tightest(report.tightest)
    if tightest is not None:
        tightest |= {"images": list(report.tightest_images)}
    return {
        "root": report.root,
        "driver": report.driver,
        "up": report.up,
        "fstype": report.fstype,
        "links_limit": report.limit.value,
        "limit_source": report.limit.source,
        "links_max": report.links_max,
        "inodes": _text_keys(report.inodes_over),
        "layers": {str(kind): n for kind, n in report.layers.items()},
        "depth_max": report.depth_max,
        "depth_limit": DEPTH_LIMIT,
        "layers_left": _left(report.layers_left),
        "runs_out_first": str(first) if first else None,
        "tightest": tightest,
        "images": [_image(i) for i in report.images],
        "problems": [
            {"where": p.where, "what": p.what, "reason": str(p.reason)} for p in report.problems
        ],
        "scan": {
            "complete": report.scan.complete,
            "coverage": report.scan.coverage,
            "seconds": full.seconds if full else None,
            "entries": full.entries if full else None,
            "finished": full.finished if full else None,
            "looked": report.scan.looked,
        },
    }


def _image(image: ImageFigures) -> Json:
    chain = image.chain_layers_left
    return {
        "name": image.name,
        "names": list(image.names),
        "id": image.id,
        "depth": image.depth,
        "layers_left": _left(image.layers_left),
        "chain_layers_left": None if chain is None else _left(chain),
        "tightest": _tightest(image.tightest),
    }


def _left(left: LayersLeft) -> Json:
    return {str(resource): n for resource, n in left.items()}


def _tightest(tightest: Tightest | None) -> Json | None:
    if tightest is None:
        return None
    return {
        "layer": tightest.layer,
        "inode": tightest.inode,
        "links": tightest.links,
        "names": tightest.names,
        "path": tightest.path,
    }


def _text_keys(counts: Mapping[int, int] | None) -> Json | None:
    return None if counts is None else {str(bound): n for bound, n in counts.items()}
