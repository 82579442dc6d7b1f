"""Tasks for `gradus_convert.isolation` that go wrong in every way there is."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

from gradus_convert.pickles.inert import UnsafePickleError


def echo(request: Any, say: Callable[[str], None]) -> Any:
    print("a library prints on standard output")
    sys.stdout.flush()
    os.write(1, b"so does C\n")
    say("beginning")
    return {"got": request, "process": os.getpid()}


def crash(request: Any, say: Callable[[str], None]) -> Any:
    os.abort()


def leave(request: Any, say: Callable[[str], None]) -> Any:
    os._exit(7)


def stay(request: Any, say: Callable[[str], None]) -> Any:
    say("staying")
    time.sleep(3600)


def fill(request: Any, say: Callable[[str], None]) -> Any:
    return len(bytearray(request["bytes"]))


def refuse(request: Any, say: Callable[[str], None]) -> Any:
    raise UnsafePickleError("a rule", place="f.pkl", value=["x", {1: 2}], cause="it said so", hint="Do this.")
