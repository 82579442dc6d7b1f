"""Run the short suite as other machines would, on other days: `make anywhere`.

    python -m tests.anywhere.run                       # under every condition
    python -m tests.anywhere.run 2 4 -- tests/train    # under some of them, these tests
    python -m tests.anywhere.run --slice COMMIT        # one condition and a part of the tests, by a hash

Every run has a copy of the project in a folder of its own, an order of tests of its own, and no network. As
root it needs unshare, setpriv and mount (util-linux), and a C compiler for the clock. What a machine cannot
show is said, and the rest is shown.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from math import ceil
from pathlib import Path

from tests.anywhere.conditions import CONDITIONS, Condition, slice_of
from tests.support.projects import PROJECT, base_interpreter, copy_project, link_environment

PARTS = 8
USER = 64_321
"""Of the run that is not root: an id that owns nothing else."""
LOOPBACK = (
    "import fcntl, socket, struct;"
    "fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sH14x', b'lo', 1))"  # SIOCSIFFLAGS, IFF_UP
)


def can_isolate() -> bool:
    """Return whether a run can have mounts, a network and a user of its own."""
    if os.geteuid() or not all(map(shutil.which, ("unshare", "setpriv", "mount"))):
        return False
    return (
        subprocess.run(["unshare", "--mount", "--net", "true"], capture_output=True, check=False).returncode
        == 0
    )


def clock_library(folder: Path) -> Path | None:
    """Compile the library that shifts the clock of a process; None where there is no compiler."""
    library = folder / "clock.so"
    words = [
        "cc",
        "-shared",
        "-fPIC",
        "-O1",
        "-o",
        str(library),
        str(PROJECT / "tests" / "anywhere" / "clock.c"),
    ]
    if shutil.which("cc") is None:
        return None
    subprocess.run([*words, "-ldl", "-lpthread"], check=True)
    return library


def japanese(folder: Path) -> dict[str, str]:
    """Return the variables with which ja_JP.UTF-8 is a locale, making it if there is only its source."""
    listed = subprocess.run(
        ["locale", "-a"], capture_output=True, text=True, errors="replace", check=False
    ).stdout
    if "ja_JP.utf8" in listed.split():
        return {}
    words = ["localedef", "-i", "ja_JP", "-f", "UTF-8", str(folder / "ja_JP.UTF-8")]
    if shutil.which("localedef") and subprocess.run(words, capture_output=True, check=False).returncode <= 1:
        return {"LOCPATH": str(folder)}
    print("  not shown: ja_JP.UTF-8 is no locale here (the package locales has it); it is named all the same")
    return {}


def environment(condition: Condition, folder: Path, clock: Path | None) -> dict[str, str]:
    """Return the variables of a run; nothing of the caller's environment but the way to programs."""
    home = {"absent": folder / "nowhere", "read-only": folder / "home", "own": folder / "home"}[
        condition.home
    ]
    result = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(folder / "tmp"),
        "TZ": condition.zone,
        "LANG": condition.locale,
        "LC_ALL": condition.locale,
        "PIP_NO_INDEX": "1",
        "UV_OFFLINE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "GRADUS_TEST_ORDER": condition.clock,
    }
    if "ja_JP" in condition.locale:
        (folder / "locales").mkdir()
        result |= japanese(folder / "locales")
    if clock is not None:
        result |= {
            "LD_PRELOAD": str(clock),
            "GRADUS_CLOCK_OFFSET": str(ceil(condition.local_time.timestamp() - time.time())),
        }
    return result


def prepare(condition: Condition, folder: Path, *, isolated: bool) -> Path:
    """Make the copy of the project, its environment and its home; return the copy as the run will name it."""
    for name in ("tmp", "home"):
        (folder / name).mkdir()
    project = folder / condition.path
    copy_project(project)
    python = base_interpreter(folder / "python" if isolated else None)
    interpreter = link_environment(project, python, folder / "packages" if isolated else None)
    # A program, so not among the packages that are shared.
    shutil.copy(Path(sys.executable).with_name("uv"), interpreter.parent)
    if condition.linked:
        (folder / "link").symlink_to(project)
        return folder / "link"
    return project


def inside(condition: Condition, folder: Path, tests: list[str], *, isolated: bool) -> int:
    """Prepare and run, within the namespaces where the interpreter and its packages lie in `folder`."""
    project = prepare(condition, folder, isolated=isolated)
    clock = clock_library(folder)
    if clock is None:
        print("  not shown: another clock (it needs a compiler)")
    as_user = not condition.root and os.geteuid() == 0
    if as_user:
        _give_away(folder)
    if condition.home == "read-only":
        (folder / "home").chmod(0o555)
    holds = [str(int(x)) for x in (clock is not None, isolated, isolated)]
    witness = ["-m", "tests.anywhere.witness", str(CONDITIONS.index(condition)), *holds]
    pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not long", "-rfE"]
    pytest += ["-n", str(condition.workers if condition.workers > 1 else 0), *tests]
    before = ["env", "-i", *(f"{k}={v}" for k, v in environment(condition, folder, clock).items())]
    if as_user:
        before = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *before]
    lines = [shlex.join([*before, ".venv/bin/python", *words]) for words in (witness, pytest)]
    script = f"umask {condition.umask:03o}; cd {shlex.quote(str(project))}; {' && '.join(lines)}"
    return subprocess.run(["bash", "-c", script], check=False).returncode


def _give_away(folder: Path) -> None:
    """Make the other user the owner of everything but what is mounted."""
    mounted = (folder / "python", folder / "packages")
    for path in (folder, *folder.rglob("*")):
        if not any(path.is_relative_to(place) for place in mounted):
            os.chown(path, USER, USER, follow_symlinks=False)


def _libraries(folder: Path) -> str:
    """Return the commands after which every process finds the library of the Python that was mounted.

    The user of a run may not read where it was installed; a variable would be lost where a test starts a
    program with variables of its own.
    """
    shared = sysconfig.get_config_var("Py_ENABLE_SHARED")
    # Where it is installed is not on every path.
    ldconfig = shutil.which("ldconfig", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if not shared or ldconfig is None:
        return ""
    listed, cache = folder / "libraries.conf", folder / "libraries.cache"
    # First, as the system may have a library of that name, of another release.
    listed.write_text(f"{folder / 'python' / 'lib'}\ninclude /etc/ld.so.conf\n", "utf-8")
    return f" && {ldconfig} -C {cache} -f {listed} && mount --bind {cache} /etc/ld.so.cache"


def run(number: int, tests: list[str]) -> bool:
    """Run one condition in a folder of its own; return whether the tests passed."""
    condition = CONDITIONS[number]
    print(f"\n{number}: {condition}", flush=True)
    isolated = can_isolate()
    if not isolated:
        print("  not shown: another user, and a machine without network (both need root and util-linux)")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gradus-anywhere-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        words = [sys.executable, "-m", "tests.anywhere.run", "--inside", name, str(number), "--", *tests]
        if isolated:
            packages = sysconfig.get_path("purelib")
            mounts = f"mount --bind {shlex.quote(sys.base_prefix)} {name}/python"
            mounts += f" && mount --bind {shlex.quote(packages)} {name}/packages"
            loopback = shlex.join([sys.executable, "-c", LOOPBACK])
            script = f"mkdir {name}/python {name}/packages && {mounts} && {loopback}{_libraries(Path(name))}"
            words = ["unshare", "--mount", "--net", "bash", "-c", f"{script} && exec {shlex.join(words)}"]
        code = subprocess.run(words, cwd=PROJECT, check=False).returncode
    print(
        f"{number}: {'passed' if code == 0 else f'FAILED ({code})'} in {time.monotonic() - started:.0f} s",
        flush=True,
    )
    return code == 0


def main() -> int:
    """Run conditions; 1 where the suite failed under one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "numbers", nargs="*", type=int, metavar="NUMBER", help="conditions, from 0; default: all"
    )
    parser.add_argument("--slice", metavar="COMMIT", help="one condition and a part of the tests, by a hash")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    words = sys.argv[1:]
    split = words.index("--") if "--" in words else len(words)
    args, tests = parser.parse_args(words[:split]), words[split + 1 :]
    if args.inside is not None:
        isolated = (args.inside / "python" / "bin").exists()
        return inside(CONDITIONS[args.numbers[0]], args.inside, tests, isolated=isolated)
    numbers = args.numbers or list(range(len(CONDITIONS)))
    if args.slice:
        files = sorted(p.relative_to(PROJECT) for p in (PROJECT / "tests").rglob("test_*.py"))
        number, chosen = slice_of(args.slice, files, PARTS)
        numbers, tests = [number], [str(p) for p in chosen]
        print(f"slice of {args.slice[:12]}: condition {number}, {len(tests)} of {len(files)} test files")
    failed = [n for n in numbers if not run(n, tests)]
    print(
        f"\n{len(numbers) - len(failed)} of {len(numbers)} conditions passed"
        + (f"; failed: {failed}" if failed else "")
    )
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
