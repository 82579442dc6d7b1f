"""A Dask scheduler and its workers as processes, each in a network namespace of its own where wanted."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Cluster:
    """A scheduler and its workers.

    Args:
        folder: For the file that says where the scheduler is.
        host: Address that the scheduler listens on.
    """

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        self.file = folder / "scheduler.json"
        self.processes = [self._start("dask_scheduler", "--host", host, "--port", "0", "--no-dashboard")]

    def _start(self, module: str, *more: str, inside: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
        command = [*inside, sys.executable, "-m", f"distributed.cli.{module}"]
        words = ["--scheduler-file", str(self.file), *more]
        quiet = subprocess.DEVNULL
        return subprocess.Popen([*command, *words], cwd=ROOT, stdout=quiet, stderr=quiet)

    def worker(self, name: str, namespace: str | None = None) -> subprocess.Popen[bytes]:
        """Start a worker, which waits for the scheduler's file."""
        self.address()
        words = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--name", name)
        inside = () if namespace is None else ("ip", "netns", "exec", namespace)
        self.processes.append(self._start("dask_worker", *words, inside=inside))
        return self.processes[-1]

    def address(self) -> str:
        """Where the scheduler is, once it is there."""
        while True:
            with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
                found: str = json.loads(self.file.read_text())["address"]
                return found
            assert self.processes[0].poll() is None
            time.sleep(0.05)

    def close(self) -> None:
        """End all of them."""
        for process in self.processes:
            process.kill()
            process.wait()


@contextlib.contextmanager
def two_namespaces() -> Iterator[tuple[str, tuple[str, str]] | None]:
    """Yield an address on a bridge, and two network namespaces that reach it; None without rights."""
    bridge = f"gr{os.getpid() % 100_000}"
    names = (f"{bridge}-a", f"{bridge}-b")
    net = f"10.{os.getpid() % 200 + 20}.7"
    steps = [f"link add {bridge} type bridge", f"addr add {net}.1/24 dev {bridge}", f"link set {bridge} up"]
    for i, name in enumerate(names, start=2):
        steps += [
            f"netns add {name}",
            f"link add {bridge}v{i} type veth peer name {bridge}w{i}",
            f"link set {bridge}w{i} netns {name}",
            f"link set {bridge}v{i} master {bridge}",
            f"link set {bridge}v{i} up",
            f"-n {name} addr add {net}.{i}/24 dev {bridge}w{i}",
            f"-n {name} link set {bridge}w{i} up",
            f"-n {name} link set lo up",
        ]
    try:
        works = all(_ip(step) for step in steps)
        yield (f"{net}.1", names) if works else None
    finally:
        for name in names:
            _ip(f"netns del {name}")
        _ip(f"link del {bridge}")


def _ip(words: str) -> bool:
    try:
        return subprocess.run(["ip", *words.split()], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
