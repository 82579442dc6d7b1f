"""A walk has the same bytes on one process, on two, and on two workers in network namespaces of their own."""

import signal
import subprocess
import sys

import pytest
from tests.support.cluster import Cluster, two_namespaces
from tests.support.walks import run_walk, words, write_project
from tests.walk.test_walk import COMMAND, versions

WEEKS = ("--to", "2025-02-16")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("walk")
    write_project(folder)
    run_walk(folder, folder / "one", *WEEKS)
    return folder


def assert_same(project, name):
    assert (project / name / "walk.json").read_bytes() == (project / "one" / "walk.json").read_bytes()
    assert versions(project / name) == versions(project / "one")


@pytest.mark.long
def test_two_processes_walk_to_the_bytes_of_one(project):
    run_walk(project, project / "two", *WEEKS, "--jobs", "2")
    assert_same(project, "two")


@pytest.mark.long
def test_two_workers_apart_walk_to_the_same_bytes_also_with_one_killed_in_the_middle(project, tmp_path):
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    with two_namespaces() as found:
        if found is None:
            pytest.skip("network namespaces cannot be made here: that needs ip and its rights")
        host, (first, second) = found
        cluster = Cluster(tmp_path, host)
        try:
            victim, _ = cluster.worker("first", first), cluster.worker("second", second)
            more = (*WEEKS, "--out", str(project / "apart"), "--scheduler", cluster.address(), "--verbose")
            walking = subprocess.Popen(
                [sys.executable, "-c", COMMAND, *words(project, *more)],
                stderr=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                text=True,
            )
            for line in walking.stderr:
                if line.startswith("[3/"):
                    victim.send_signal(signal.SIGKILL)
                    break
            rest = walking.stderr.read()
            assert walking.wait(600) == 0, rest
            assert victim.wait(60) == -signal.SIGKILL
        finally:
            cluster.close()
    assert_same(project, "apart")
