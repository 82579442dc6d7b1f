"""Replay the shared vectors outside of this Python: Node, WebAssembly, Chromium, Arm64 under qemu.

    python -m tests.vectors.run                       # `make vectors`: all of them
    python -m tests.vectors.run node web --version 1.30.0

Everything is installed into throwaway folders, from npm, PyPI and Debian. A line says what each environment
found, or why it cannot run here: then the others count. Ends with 1 where a bit differs or nothing could run.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent
ARM_PACKAGES = ("nodejs", "python3.11", "libpython3.11-stdlib", "libstdc++6")
ARM_CPU = """processor\t: 0
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x3
CPU part\t: 0xd0c
CPU revision\t: 1
"""
"""onnxruntime looks into /proc/cpuinfo when it is imported, and dies of what an x86 machine says there."""


class CannotRunError(Exception):
    """What an environment needs is not here."""


class Places:
    """Folders of what is installed, made when first asked for.

    Args:
        root: A throwaway folder.
        version: Of the npm packages; None for the newest.
    """

    def __init__(self, root: Path, version: str | None) -> None:
        self._root = root
        self._version = f"@{version}" if version else ""

    @cache  # noqa: B019  lives as long as the process
    def modules(self) -> Path:
        """onnxruntime-node and onnxruntime-web, without the CUDA libraries that a script would download."""
        _need("npm", "node")
        folder = self._root / "js"
        folder.mkdir(exist_ok=True)
        packages = [f"{name}{self._version}" for name in ("onnxruntime-node", "onnxruntime-web")]
        install = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", *packages]
        _run(install, cwd=folder)
        return folder

    @cache  # noqa: B019  lives as long as the process
    def features(self) -> Path:
        """The graph of all shipped features, with what it must give."""
        from tests.vectors import features

        path = self._root / "features.json"
        features.write(path)
        return path

    @cache  # noqa: B019  lives as long as the process
    def arm(self) -> Path:
        """The root of an arm64 system: Debian's packages, unpacked."""
        _need("qemu-aarch64-static", "apt-get", "dpkg-deb")
        folder = self._root / "arm"
        for part in ("state/lists/partial", "cache/archives/partial", "root/proc"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        (folder / "root/proc/cpuinfo").write_text(ARM_CPU)
        places = {
            "Dir::State": "state",
            "Dir::Cache": "cache",
            "Dir::State::status": "status",
        }
        options = ["-oAPT::Architecture=arm64", "-oAPT::Architectures=arm64", "-oDebug::NoLocking=1"]
        options += [f"-o{key}={folder / place}" for key, place in places.items()]
        _run(["apt-get", *options, "update"])
        chosen = ["install", "-y", "--no-install-recommends", "--download-only", *ARM_PACKAGES]
        _run(["apt-get", *options, *chosen])
        for package in sorted((folder / "cache/archives").glob("*.deb")):
            _run(["dpkg-deb", "-x", str(package), str(folder / "root")])
        return folder / "root"

    @cache  # noqa: B019  lives as long as the process
    def arm_site(self) -> Path:
        """onnxruntime and numpy for arm64."""
        uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
        site = self._root / "site"
        platform = ["--python-platform", "aarch64-manylinux_2_28", "--python-version", "3.11"]
        command = [uv, "pip", "install", "-q", "--target", str(site), *platform]
        _run([*command, "--only-binary", ":all:", "onnxruntime", "numpy"])
        return site

    @cache  # noqa: B019  lives as long as the process
    def arm_library(self) -> Path:
        """The native kernel for arm64, out of its wheel."""
        wheels = [*(HERE.parents[1] / "kernels" / "dist").glob("*manylinux*_aarch64.whl")]
        if not wheels:
            raise CannotRunError("the kernel is not built: make kernels-all")
        with zipfile.ZipFile(wheels[-1]) as wheel:
            return Path(wheel.extract("gradus_kernels/libgradus_kernels.so", self._root))

    def on_arm(self, program: str) -> list[str]:
        """Return the start of a command that runs an arm64 program."""
        return ["qemu-aarch64-static", "-L", str(self.arm()), str(self.arm() / "usr/bin" / program)]


def _need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            raise CannotRunError(f"{program} is not installed")


def _run(command: Sequence[str], **options: object) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if done.returncode:
        raise CannotRunError(f"{' '.join(command[:3])} ...: {(done.stderr or done.stdout).strip()[-200:]}")


def _node(p: Places) -> list[str]:
    return ["node", str(HERE / "in_node.mjs"), str(p.modules()), "onnxruntime-node"]


def _web(p: Places) -> list[str]:
    return ["node", str(HERE / "in_node.mjs"), str(p.modules()), "onnxruntime-web"]


def _chromium(p: Places) -> list[str]:
    _need("chromium")
    return ["node", str(HERE / "in_chromium.mjs"), str(p.modules()), "chromium"]


def _node_features(p: Places) -> list[str]:
    return ["node", str(HERE / "features.mjs"), str(p.modules()), "onnxruntime-node", str(p.features())]


def _web_features(p: Places) -> list[str]:
    return ["node", str(HERE / "features.mjs"), str(p.modules()), "onnxruntime-web", str(p.features())]


def _arm_python(p: Places) -> list[str]:
    script = str(HERE / "replay.py")
    return ["env", f"PYTHONPATH={p.arm_site()}", *p.on_arm("python3.11"), script]


def _arm_kernel(p: Places) -> list[str]:
    """By the native kernel, as `make kernels-all` linked it."""
    path = os.pathsep.join([str(p.arm_site()), str(HERE.parents[1] / "runtime" / "src")])
    script = [str(HERE / "replay.py"), "--kernel", str(p.arm_library())]
    return ["env", f"PYTHONPATH={path}", *p.on_arm("python3.11"), *script]


def _arm_node(p: Places) -> list[str]:
    return [*p.on_arm("node"), str(HERE / "in_node.mjs"), str(p.modules()), "onnxruntime-node"]


ENVIRONMENTS: dict[str, Callable[[Places], list[str]]] = {
    "node": _node,
    "web": _web,
    "chromium": _chromium,
    "node-features": _node_features,
    "web-features": _web_features,
    "arm64-python": _arm_python,
    "arm64-kernel": _arm_kernel,
    "arm64-node": _arm_node,
}


def ask(name: str, places: Places) -> tuple[str, int | None]:
    """Run one environment: a line about it, and how many numbers differ; None where it cannot run."""
    try:
        command = ENVIRONMENTS[name](places)
    except CannotRunError as e:
        return f"cannot run here: {e}", None
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    results = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    wrong = [r for r in results if "error" in r]
    if wrong or not results:
        return f"failed: {wrong[0]['error'] if wrong else done.stderr.strip()[-300:]}", 1
    where = ", ".join(r.get("where") or f"onnxruntime {r['onnxruntime']}, {r['machine']}" for r in results)
    compared, different = (sum(r[key] for r in results) for key in ("compared", "different"))
    return f"{where}: {compared:,} numbers compared, {different} differ", different


def main() -> int:
    """Run the environments and print a line each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("environments", nargs="*", metavar="NAME", help=", ".join(ENVIRONMENTS))
    parser.add_argument("--version", help="of onnxruntime-node and onnxruntime-web (default: the newest)")
    arguments = parser.parse_args()
    unknown = set(arguments.environments) - set(ENVIRONMENTS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(ENVIRONMENTS)}")
    found = []
    with tempfile.TemporaryDirectory(prefix="gradus-vectors-") as folder:
        places = Places(Path(folder), arguments.version)
        for name in arguments.environments or ENVIRONMENTS:
            line, different = ask(name, places)
            found.append(different)
            print(f"{name:13} {line}", flush=True)
    ran = [different for different in found if different is not None]
    return int(not ran or sum(ran) > 0)


if __name__ == "__main__":
    sys.exit(main())
