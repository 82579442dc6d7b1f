"""Damaged attributes and tables under the sanitizers of addresses and undefined behaviour: nothing is found.

The usual form takes some thousand inputs; `make kernels-fuzz` a million.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.support.native_kernel import ADDRESSES, build, environment, write_calls


@pytest.fixture(scope="module")
def fuzz(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command of the fuzzer, without its arguments."""
    compiler = shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler with sanitizers is installed")
    return [build(compiler, ADDRESSES, "fuzz", tmp_path_factory.mktemp("fuzz"))]


@pytest.fixture(scope="module")
def by_coverage(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The same as a target of libFuzzer."""
    compiler = os.environ.get("GRADUS_FUZZ_CLANG") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no clang with libFuzzer is installed, and GRADUS_FUZZ_CLANG names none")
    flags = ["-fsanitize=fuzzer,address,undefined", *ADDRESSES[1:], "-DCOVERAGE"]
    return [build(compiler, flags, "fuzz", tmp_path_factory.mktemp("coverage"))]


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return write_calls(tmp_path_factory.mktemp("calls"))


def run(fuzz: list[str], calls: list[str], count: int, seed: int, isa: str) -> None:
    options = "detect_leaks=1:allocator_may_return_null=1"
    settings = environment(ASAN_OPTIONS=options, GRADUS_KERNELS_ISA=isa)
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
    run(fuzz, calls, 4000, seed=1, isa=isa)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_a_million_damaged_tables_are_refused_or_walked_within_their_bounds(
    fuzz: list[str], calls: list[str]
) -> None:
    for seed, isa in enumerate(("avx512", "avx2", "sse2")):
        run(fuzz, calls, 334_000, seed=seed + 2, isa=isa)


def by_libfuzzer(command: list[str], calls: list[str], folder: Path, count: int) -> str:
    for call in calls:
        shutil.copy(call, folder)
    settings = environment(ASAN_OPTIONS="allocator_may_return_null=1")
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
