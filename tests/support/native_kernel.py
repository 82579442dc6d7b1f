"""The kernel's sources as programs of their own, with a stand-in for onnxruntime, and calls to give them."""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

import onnx
import pytest
from onnx import numpy_helper
from tests.support.forests import random_forest
from tests.support.levels import LEVELS

from gradus_convert.graphs import VotingMember, build_level

__all__ = ["ADDRESSES", "build", "environment", "write_calls"]

ROOT = Path(__file__).resolve().parents[2]
NATIVE, PROGRAMS = ROOT / "kernels" / "native", ROOT / "tests" / "kernels"
ADDRESSES = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")


def environment(**settings: str) -> dict[str, str]:
    """This environment with settings, where the sanitizer is the first library to load."""
    return {**{k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}, **settings}


def call_of(members: list[VotingMember]) -> bytes:
    """The call of a level's walk, as stand_in.h reads it."""
    model = onnx.load_from_string(build_level(members, list("abcd"), list("xyz"), metadata={}).model_bytes)
    (call,) = (n for n in model.graph.node if n.domain)
    tables = {t.name: t for t in model.graph.initializer}
    parts = [struct.pack("<3q", len(call.attribute), len(call.input), len(call.output))]
    for a in call.attribute:
        values = [a.i] if a.type == onnx.AttributeProto.INT else list(a.ints)
        parts.append(
            a.name.encode().ljust(32, b"\0") + struct.pack(f"<q{len(values)}q", len(values), *values)
        )
    for name in call.input[1:]:
        array = numpy_helper.to_array(tables[name])
        dims = (*array.shape, 1)[:2]
        parts.append(struct.pack("<4q", tables[name].data_type, array.ndim, *dims) + array.tobytes())
    return b"".join(parts)


def build(compiler: str, flags: Sequence[str], program: str, folder: Path, linked: Sequence[str] = ()) -> str:
    """Compile a program of `tests/kernels` with the kernel's sources; its path. Skips without sanitizers."""
    common = ["-std=gnu11", "-O1", "-g", f"-I{NATIVE}", *flags]
    units: list[tuple[Path, list[str]]] = [(PROGRAMS / f"{program}.c", [])]
    units += [(NATIVE / f"{n}.c", []) for n in ("plan", "layout", "isa", "walk")]
    if os.uname().machine == "x86_64":
        units += [(NATIVE / "walk.c", ["-march=x86-64-v3", f"-DISA_{isa}=1"]) for isa in ("AVX2", "AVX512")]
    objects = []
    for i, (source, more) in enumerate(units):
        objects.append(str(folder / f"{i}.o"))
        command = [compiler, *common, *more, "-c", str(source), "-o", objects[-1]]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode and "sanitize" in done.stderr:
            pytest.skip("the C compiler has no sanitizers")
        assert done.returncode == 0, done.stderr
    made = str(folder / program)
    subprocess.run([compiler, *flags, *objects, *linked, "-lm", "-o", made], check=True)
    return made


def write_calls(folder: Path) -> list[str]:
    """Write calls of every kind that a level has; their paths."""
    levels = [LEVELS["softmax"], LEVELS["averaged vectors"], LEVELS["three links"]]
    deep = [
        random_forest(1, trees=3, depth=8, vector=True),
        random_forest(2, trees=6, depth=3),
        random_forest(3, trees=3, depth=10),
    ]
    levels.append([VotingMember(f"m{i}", 1, f, (0, 1, 2)) for i, f in enumerate(deep)])
    paths = []
    for i, members in enumerate(levels):
        paths.append(folder / f"{i}.call")
        paths[-1].write_bytes(call_of(members))
    return [str(path) for path in paths]
