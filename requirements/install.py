"""Install a lock, and the packages of this repository, into .venv: a line a step, everything else in a log.

    python3 requirements/install.py demo      # what `make demo`, `make train` and `make convert` need
    python3 requirements/install.py dev       # the same and the tools of development

A lock here is complete, and is installed without resolving anything (`--no-deps`): the pip that a Python
brings, the newest pip, and uv install the same files, whatever the index offers by then. `pip check` then
says whether something is missing. docs/decisions/0011 has the reasons.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAST_LINES = 20
SECONDS_BETWEEN_LINES = 15.0
ADDED_OVER = {"xgboost": "xgboost-cpu"}
"""Distributions of older locks, and what brings the same module in this one."""


class FailedError(Exception):
    """A step failed; its output is in the log."""


class Installer:
    """Runs the steps into one environment.

    Args:
        venv: The environment's folder; it is made if it is not there.
        uv: Path of uv; empty to use the environment's own pip, which also goes on where uv fails.
    """

    def __init__(self, venv: Path, uv: str) -> None:
        self.python = venv / "bin" / "python"
        self._venv = venv
        self._uv = uv
        self._log: Path | None = None

    def environment(self) -> None:
        """Create the environment, or use the one that is there."""
        if self._works():
            return
        print(f"Creating {self._venv} with Python {sys.version.split()[0]}", flush=True)
        words = [sys.executable, "-m", "venv", "--clear", str(self._venv)]
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            print(done.stdout, file=sys.stderr)
            raise FailedError("the environment could not be created")

    def lock(self, name: str) -> None:
        """Install what `requirements/NAME.txt` pins, each file by its digest."""
        path = Path("requirements") / f"{name}.txt"
        pins = [line for line in (ROOT / path).read_text("utf-8").splitlines() if line[:1].isalnum()]
        installer = "uv" if self._uv else "pip"
        print(f"Installing {path} with {installer}: log in {self.log}", flush=True)
        self._remove_others(pins)
        more = ["--compile-bytecode"] if self._uv else ["--disable-pip-version-check", "--no-input"]
        words = [*more, "--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", str(path)]
        try:
            self._install(words, len(pins))
        except FailedError as e:
            if not self._uv:
                raise
            # uv knows neither pip's settings (another index, a certificate) nor the system's certificates.
            print(*self.last_lines(), f"uv failed ({e}); trying pip", sep="\n", flush=True)
            self._uv = ""
            self.environment()
            self.lock(name)

    def packages(self) -> None:
        """Install the packages of this repository in place: every folder here with a pyproject.toml."""
        folders = sorted(p.parent.name for p in ROOT.glob("*/pyproject.toml"))
        if not folders:
            return
        print(f"Installing the packages in {', '.join(folders)}", flush=True)
        editable = [word for folder in folders for word in ("-e", folder)]
        self._install(["--no-deps", "--no-build-isolation", *editable], len(folders))
        for site in self._venv.glob("lib/python*/site-packages"):
            name_relatively(site)

    def check(self) -> None:
        """Check that no installed distribution misses what it requires."""
        words = [self._uv, "pip", "check", "--python", str(self.python)]
        self._run(words if self._uv else [str(self.python), "-m", "pip", "check"], 0)

    @property
    def log(self) -> Path:
        """The file that the output of all steps goes to."""
        if self._log is None:
            self._log = self._venv / "setup.log"
            self._log.write_bytes(b"")
        return self._log

    def last_lines(self) -> list[str]:
        """Return what a person should see of the log where a step failed; nothing where no step began."""
        if self._log is None:
            return []
        return self._log.read_text("utf-8", errors="replace").splitlines()[-LAST_LINES:]

    def _works(self) -> bool:
        if not self.python.exists():
            return False
        test = "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))"
        if subprocess.run([str(self.python), "-c", test], check=False).returncode:
            raise FailedError(
                f"{self._venv} has another Python than 3.11 to 3.14: remove it, and start again"
            )
        pip = [str(self.python), "-m", "pip", "--version"]
        return bool(self._uv) or subprocess.run(pip, capture_output=True, check=False).returncode == 0

    def _remove_others(self, pins: list[str]) -> None:
        """Remove a distribution that shares its files with one of the lock."""
        names = {pin.partition("==")[0] for pin in pins if "'darwin'" not in pin or sys.platform == "darwin"}
        site = self._venv / "lib"
        for old, new in ADDED_OVER.items():
            if (
                new in names
                and old not in names
                and any(site.glob(f"python*/site-packages/{old}-*.dist-info"))
            ):
                words = [self._uv, "pip", "uninstall", "--python", str(self.python), old, new]
                pip = [str(self.python), "-m", "pip", "uninstall", "--yes", old, new]
                self._run(words if self._uv else pip, 0)

    def _install(self, words: list[str], steps: int) -> None:
        uv = [self._uv, "pip", "install", "--python", str(self.python), *words]
        self._run(uv if self._uv else [str(self.python), "-m", "pip", "install", *words], steps)

    def _run(self, words: list[str], steps: int) -> None:
        with self.log.open("a", encoding="utf-8") as log:
            print("$", *words, file=log, flush=True)
            process = subprocess.Popen(
                words,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
            )
            count, began = 0, time.monotonic()
            said = began
            for line in process.stdout or ():
                log.write(line)
                log.flush()
                count += line.startswith(("Collecting ", "Requirement already satisfied"))
                if steps and time.monotonic() - said > SECONDS_BETWEEN_LINES:
                    said = time.monotonic()
                    print(f"  {count} of {steps}" if count else f"  {said - began:.0f} s", flush=True)
            if process.wait():
                raise FailedError(f"{' '.join(words[:6])} ... ended with {process.returncode}")


def name_relatively(site: Path) -> None:
    """Name the packages that are installed in place relatively, so in ASCII wherever the clone is.

    Python up to 3.12 reads `.pth` files in the locale's encoding, and does not start where LC_ALL=C meets a
    path with another letter.
    """
    if site.resolve() != site.absolute():  # a relative path would be read from where the link is
        return
    for path in site.glob("*gradus*.pth"):
        lines = path.read_text("utf-8").splitlines()
        named = [os.path.relpath(line, site.resolve()) if line.startswith("/") else line for line in lines]
        path.write_text("".join(line + "\n" for line in named), "utf-8")


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(p.lstat().st_size for p in folder.rglob("*") if not p.is_dir())


def main() -> int:
    """Install, and say how long it took and how large it is; 1 where a step failed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("lock", choices=("demo", "dev"))
    parser.add_argument("--venv", type=Path, default=Path(".venv"))
    parser.add_argument("--uv", default="", help="path of uv; pip of the environment otherwise")
    args = parser.parse_args()
    os.chdir(ROOT)
    started = time.monotonic()
    installer = Installer(args.venv, args.uv)
    try:
        installer.environment()
        installer.lock(args.lock)
        installer.packages()
        installer.check()
    except FailedError as e:
        lines = installer.last_lines()
        where = f" The whole log: {installer.log}" if lines else ""
        print(*lines, f"\nSet-up failed: {e}.{where}", sep="\n", file=sys.stderr)
        return 1
    seconds, megabytes = time.monotonic() - started, size_of(args.venv) / 1e6
    print(f"Ready in {seconds:.0f} s: {args.venv}, {megabytes:,.0f} MB", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
