"""The process in which things are tried out: whatever they do, the doctor lives on and says which it was.

It is given pairs of a label and a target, ``module`` or ``module:function``, and tells on its first stdout, a line of
JSON each, what it has begun and what came of it. What imports print goes elsewhere.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib import import_module
from typing import Any, TextIO

from acofer.doctor.finding import one_line


def main(tasks: list[tuple[str, str]]) -> None:
    """Try each, and tell."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for label, target in tasks:
        _tell(out, begun=label)
        _tell(out, ended=label, **_tried(target))


def _tell(out: TextIO, **content: Any) -> None:
    print(json.dumps(content), file=out, flush=True)


def _tried(target: str) -> dict[str, Any]:
    module, _, function = target.partition(":")
    start, facts = time.perf_counter(), {}
    try:
        loaded = import_module(module)
        if function:
            facts = getattr(loaded, function)()
        fault = None
    except (Exception, SystemExit) as error:
        fault = one_line(error)
    return {"fault": fault, "facts": facts, "seconds": round(time.perf_counter() - start, 3)}


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
