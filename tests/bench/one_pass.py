"""One pass over a root, by itself: prints when the first answer and when the whole was known.

    python one_pass.py ROOT BEGAN

BEGAN is the monotonic time at which this process was started, so that its start counts.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from exporter.looking.scan import LiveRoot
from exporter.model import Reports, Root


def main(path: str, began: float) -> None:
    seconds: dict[str, float] = {}

    def first(_: Reports) -> None:
        seconds.setdefault("first", time.monotonic() - began)

    (report,) = LiveRoot(Root(path, Path(path))).look(first)
    seconds["complete"] = time.monotonic() - began
    tops = [image for image in report.images if image.tightest]
    assert (report.scan.coverage, len(tops)) == (1.0, len(report.images)), report.problems
    print(json.dumps({"first": seconds["complete"]} | seconds))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
