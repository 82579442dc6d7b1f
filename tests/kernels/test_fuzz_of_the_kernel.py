"""Damaged attributes and tables under the sanitizers of addresses and undefined behaviour: nothing is found.

The usual form takes some thousand inputs; `make kernels-fuzz` a million.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

import onnx
import pytest
from onnx import numpy_helper
from tests.support.forests import random_forest
from tests.support.levels import LEVELS

from gradus_convert.graphs import VotingMember, build_level

ROOT = Path(__file__).resolve().parents[2]
NATIVE = ROOT / "kernels" / "native"
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]


def call_of(members: list[VotingMember]) -> bytes:
    """The call of a level's walk, as fuzz.c reads it."""
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


@pytest.fixture(scope="module")
def fuzz(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command of the fuzzer, without its arguments."""
    compiler = shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler with sanitizers is installed")
    return build(compiler, SANITIZERS, tmp_path_factory.mktemp("fuzz"))


@pytest.fixture(scope="module")
def by_coverage(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The same as a target of libFuzzer."""
    compiler = os.environ.get("GRADUS_FUZZ_CLANG") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no clang with libFuzzer is installed, and GRADUS_FUZZ_CLANG names none")
    flags = ["-fsanitize=fuzzer,address,undefined", *SANITIZERS[1:], "-DCOVERAGE"]
    return build(compiler, flags, tmp_path_factory.mktemp("coverage"))


def build(compiler: str, sanitizers: list[str], folder: Path) -> list[str]:
    """Compile the fuzzer with the kernel's sources; the command without its arguments."""
    flags = ["-std=gnu11", "-O1", "-g", f"-I{NATIVE}", *sanitizers]
    units = [
        (Path(__file__).with_name("fuzz.c"), []),
        *((NATIVE / f"{n}.c", []) for n in ("plan", "layout", "isa", "walk")),
    ]
    if os.uname().machine == "x86_64":
        units += [(NATIVE / "walk.c", ["-march=x86-64-v3", "-DISA_AVX2=1"])]
        units += [(NATIVE / "walk.c", ["-march=x86-64-v3", "-DISA_AVX512=1"])]
    objects = []
    for i, (source, more) in enumerate(units):
        objects.append(str(folder / f"{i}.o"))
        done = subprocess.run(
            [compiler, *flags, *more, "-c", str(source), "-o", objects[-1]], capture_output=True, text=True
        )
        if done.returncode and "sanitize" in done.stderr:
            pytest.skip("the C compiler has no sanitizers")
        assert done.returncode == 0, done.stderr
    program = str(folder / "fuzz")
    subprocess.run([compiler, *sanitizers, *objects, "-lm", "-o", program], check=True)
    return [program]


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("calls")
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


def run(fuzz: list[str], calls: list[str], count: int, seed: int, **environment: str) -> None:
    inherited = {
        k: v for k, v in os.environ.items() if k != "LD_PRELOAD"
    }  # the sanitizer must be loaded first
    settings = {**inherited, "ASAN_OPTIONS": "detect_leaks=1:allocator_may_return_null=1", **environment}
    command = [*fuzz, str(count), str(seed), *calls]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=settings)
    assert done.returncode == 0, done.stderr[-3000:]
    taken, refused = (int(word) for word in done.stdout.split()[1::2])
    assert taken + refused == count
    assert taken > count // 100
    assert refused > count // 100


@pytest.mark.parametrize("isa", ["avx512", "avx2", "sse2"])
def test_damaged_tables_are_refused_or_walked_within_their_bounds(
    fuzz: list[str], calls: list[str], isa: str
) -> None:
    run(fuzz, calls, 4000, seed=1, GRADUS_KERNELS_ISA=isa)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_a_million_damaged_tables_are_refused_or_walked_within_their_bounds(
    fuzz: list[str], calls: list[str]
) -> None:
    for seed, isa in enumerate(("avx512", "avx2", "sse2")):
        run(fuzz, calls, 334_000, seed=seed + 2, GRADUS_KERNELS_ISA=isa)


def by_libfuzzer(command: list[str], calls: list[str], folder: Path, count: int) -> str:
    for call in calls:
        shutil.copy(call, folder)
    inherited = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
    settings = {**inherited, "ASAN_OPTIONS": "allocator_may_return_null=1"}
    words = [f"-runs={count}", "-seed=11", "-max_len=65536", "-rss_limit_mb=3000", str(folder)]
    done = subprocess.run(
        [*command, f"-artifact_prefix={folder}/", *words],
        capture_output=True,
        text=True,
        check=False,
        env=settings,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


def test_inputs_that_reach_new_code_are_refused_or_walked_within_their_bounds(
    by_coverage: list[str], calls: list[str], tmp_path: Path
) -> None:
    assert "Done 3000 runs" in by_libfuzzer(by_coverage, calls, tmp_path, 3000)


@pytest.mark.long
@pytest.mark.timeout(14400)
def test_a_million_inputs_that_reach_new_code_are_refused_or_walked_within_their_bounds(
    by_coverage: list[str], calls: list[str], tmp_path: Path
) -> None:
    assert "Done 1000000 runs" in by_libfuzzer(by_coverage, calls, tmp_path, 1_000_000)
