"""Build the wheels of gradus-kernels, for every platform, on any one machine.

    python kernels/build.py                  # for this machine, into kernels/dist
    python kernels/build.py --all            # for all platforms
    python kernels/build.py --platform win_amd64 --out wheels/

`ziglang` of PyPI is the compiler (`python -m ziglang cc`, a clang with the headers and libraries of all
targets); nothing else is needed. A wheel holds the native library and no Python module: onnxruntime loads
the library, and gradus-runtime finds it by its entry in the wheel's RECORD. The format of wheels is PyPA's
binary distribution format 1.0.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import platform
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "native"
NAME, VERSION = "gradus_kernels", "0.1.0"
EPOCH = (1980, 1, 1, 0, 0, 0)

_FLAGS = ["-std=c11", "-O3", "-fvisibility=hidden", "-ffp-contract=off", "-fno-sanitize=all"]
_WARNINGS = ["-Wall", "-Wextra", "-Werror"]
_METADATA = f"""Metadata-Version: 2.1
Name: gradus-kernels
Version: {VERSION}
Summary: A native kernel for the trees of gradus artifacts, which onnxruntime loads
License: MIT
Description-Content-Type: text/markdown

A native library with the operator gradus::TreeWalk1 for onnxruntime. gradus-runtime finds and registers it.
It holds no Python module. docs/kernels.md of gradus says how it works and what is checked.
"""


@dataclass(frozen=True, slots=True)
class Target:
    """A platform: its wheel's tag, zig's word for it, the library's name, and whether it is x86."""

    tag: str
    zig: str
    library: str
    x86: bool


TARGETS = {
    t.tag: t
    for t in (
        Target("manylinux_2_17_x86_64", "x86_64-linux-gnu.2.17", "libgradus_kernels.so", True),
        Target("manylinux_2_17_aarch64", "aarch64-linux-gnu.2.17", "libgradus_kernels.so", False),
        Target("macosx_11_0_arm64", "aarch64-macos.11.0", "libgradus_kernels.dylib", False),
        Target("win_amd64", "x86_64-windows-gnu", "gradus_kernels.dll", True),
        Target("win_arm64", "aarch64-windows-gnu", "gradus_kernels.dll", False),
    )
}


def here() -> Target:
    """Return the target that this machine is."""
    machine = platform.machine().lower().replace("amd64", "x86_64").replace("arm64", "aarch64")
    known = {
        ("linux", "x86_64"): "manylinux_2_17_x86_64",
        ("linux", "aarch64"): "manylinux_2_17_aarch64",
        ("darwin", "aarch64"): "macosx_11_0_arm64",
        ("win32", "x86_64"): "win_amd64",
        ("win32", "aarch64"): "win_arm64",
    }
    try:
        return TARGETS[known[sys.platform, machine]]
    except KeyError:
        raise SystemExit(f"there is no target for {sysconfig.get_platform()}") from None


def compile_library(target: Target, folder: Path) -> Path:
    """Compile the library of a target into a folder and return its path."""
    compiler = [sys.executable, "-m", "ziglang", "cc", "-target", target.zig]
    flags = [*_FLAGS, *_WARNINGS, *([] if target.tag.startswith("win") else ["-fPIC"])]
    units = [(name, []) for name in ("op", "plan", "layout", "isa", "walk")]
    if target.x86:
        units += [
            ("walk", ["-mcpu=x86_64_v3", "-DISA_AVX2=1"]),
            ("walk", ["-mcpu=x86_64_v3", "-DISA_AVX512=1"]),
        ]
    objects: list[str] = []
    for i, (name, more) in enumerate(units):
        objects.append(str(folder / f"{i}-{name}.o"))
        _run([*compiler, *flags, *more, "-c", str(SOURCES / f"{name}.c"), "-o", objects[-1]])
    library = folder / target.library
    _run([*compiler, "-shared", "-s", *objects, "-o", str(library)])
    return library


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def write_wheel(target: Target, library: bytes, out: Path) -> Path:
    """Write the wheel around a library and return its path. The same library gives the same bytes."""
    info = f"{NAME}-{VERSION}.dist-info"
    tag = f"py3-none-{target.tag}"
    wheel = f"Wheel-Version: 1.0\nGenerator: gradus\nRoot-Is-Purelib: false\nTag: {tag}\n"
    files = {
        f"{NAME}/{target.library}": library,
        f"{info}/METADATA": _METADATA.encode(),
        f"{info}/WHEEL": wheel.encode(),
    }
    record = "".join(f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{NAME}-{VERSION}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return path


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def main(arguments: Sequence[str] | None = None) -> None:
    """Build what the command line asks for, and print a line a wheel."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--platform", action="append", choices=[*TARGETS], help="a platform; may be repeated")
    parser.add_argument("--all", action="store_true", help="all platforms")
    parser.add_argument("--out", type=Path, default=HERE / "dist", help="the folder (default: kernels/dist)")
    chosen = parser.parse_args(arguments)
    named = [*TARGETS] if chosen.all else chosen.platform or [here().tag]
    for target in (TARGETS[tag] for tag in named):
        with tempfile.TemporaryDirectory(prefix="gradus-kernels-") as folder:
            library = compile_library(target, Path(folder)).read_bytes()
        path = write_wheel(target, library, chosen.out)
        print(f"{path}: {path.stat().st_size:,} bytes, the library {len(library):,}", flush=True)


if __name__ == "__main__":
    main()
