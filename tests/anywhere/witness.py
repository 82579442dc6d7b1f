"""Look, from inside a run, whether its condition holds; print what does not. Run before the tests.

python -m tests.anywhere.witness NUMBER CLOCK USER NETWORK    # the last three: 1 where it is to be checked
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.anywhere.conditions import CONDITIONS, Condition

__all__ = ["differences"]

_SECONDS = 600


def differences(condition: Condition, *, clock: bool, user: bool, network: bool) -> list[str]:
    """Name what is not as the condition says.

    Args:
        condition: Which one.
        clock: Whether the clock could be set.
        user: Whether another user could be chosen.
        network: Whether the network could be taken away.
    """
    found = []
    said = datetime.fromisoformat(condition.clock)
    code = "import time; print(time.time())"
    child = float(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    )
    for where, now in (("here", time.time()), ("in a child", child)):
        if clock and not 0 <= now - said.timestamp() < _SECONDS:
            found.append(f"the clock {where} says {datetime.fromtimestamp(now, UTC)}")
    offset = datetime.now().astimezone().utcoffset()
    if clock and offset != condition.local_time.utcoffset():
        found.append(f"the zone is {offset} from UTC")
    umask = os.umask(0)
    os.umask(umask)
    if umask != condition.umask:
        found.append(f"the umask is {umask:03o}")
    if user and (os.geteuid() == 0) != condition.root:
        found.append(f"the user is {os.geteuid()}")
    home = Path(os.environ["HOME"])
    if (condition.home == "absent") == home.exists():
        found.append(f"{home} is there, or is not")
    if condition.home == "read-only" and user and os.access(home, os.W_OK):
        found.append(f"{home} can be written to")
    if Path(__file__).resolve().parents[2].name != condition.path:
        found.append(f"the folder is {Path(__file__).resolve().parents[2]}")
    if network and _reaches_out():
        found.append("the network is there")
    return found


def _reaches_out() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # of TEST-NET-1; connecting a datagram socket sends nothing
        except OSError:
            return False
    return True


def main() -> int:
    """Print the differences; 1 where there are any."""
    number, clock, user, network = map(int, sys.argv[1:])
    found = differences(CONDITIONS[number], clock=bool(clock), user=bool(user), network=bool(network))
    print(*(f"  the condition does not hold: {text}" for text in found), sep="\n", end="\n" if found else "")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
