"""Metrics of a process and of journals: the text, promtool's opinion, and a scrape by Prometheus."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.golden import OLDER_TRIO, TRIO, full_row, trio_store, variant, with_alarms

from gradus_live.journal_metrics import JournalMetrics
from gradus_live.server import open_server
from gradus_runtime import EnvironmentFailedError, Predictor, UsageError
from gradus_runtime.cli import main
from gradus_runtime.contracts.manifest import parse
from gradus_runtime.monitoring.metrics import BUCKETS, DecisionCounts, Snapshot, reason_kind, render_metrics

BAR = 1_767_225_600_000
Samples = dict[str, float]


def samples(text: str) -> Samples:
    """The samples of a text, by name and labels."""
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if not line.startswith("#")
    }


def total(found: Samples, name: str, *needles: str) -> float:
    return sum(v for k, v in found.items() if k.startswith(name + "{") and all(n in k for n in needles))


def decide(bot: Predictor) -> None:
    """Twelve decisions: eight by the first level, two without a group, one that no level serves, one held."""
    for i in range(8):
        bot.decide(full_row(i), at=BAR + i)
    for _ in range(2):
        bot.decide(full_row() | {"usd_jpy": None, "vix": None, "dxy": None}, at=BAR)
    bot.decide({}, at=BAR)
    bot.decide(full_row(), at=BAR, confidence_threshold=0.9999)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    with Predictor.open(TRIO, max_age_days=1e5, journal=tmp_path / "journal") as bot:
        decide(bot)
    return tmp_path / "journal"


def test_a_process_and_its_journal_tell_the_same(tmp_path: Path) -> None:
    with Predictor.open(TRIO, max_age_days=1e5, journal=tmp_path / "journal") as bot:
        decide(bot)
        own = samples(bot.metrics())
        told = samples(JournalMetrics([tmp_path / "journal"], {}, clock=time.time).text())
    for name in ("gradus_decisions_total", "gradus_step_downs_total", "gradus_decision_seconds_count"):
        assert {k: v for k, v in own.items() if k.startswith(name)} == {
            k: v for k, v in told.items() if k.startswith(name)
        }
    assert total(own, "gradus_decisions_total") == 12
    assert total(own, "gradus_decisions_total", 'level="level1"') == 9
    assert total(own, "gradus_decisions_total", 'level="fallback"') == 1
    assert total(own, "gradus_step_downs_total", 'level="level1"', 'reason="missing"') == 3
    assert own['gradus_decision_seconds_bucket{artifact="trio",le="+Inf"}'] == 12
    assert own['gradus_newest_bar_timestamp_seconds{artifact="trio"}'] == (BAR + 7) / 1000
    assert own['gradus_journal_ok{artifact="trio"}'] == 1
    assert own['gradus_health{artifact="trio",state="ok"}'] == 1


def test_metrics_must_be_switched_on() -> None:
    with (
        Predictor.open(TRIO, max_age_days=1e5) as bot,
        pytest.raises(UsageError, match=r"metrics must be counted\. Open with metrics=True"),
    ):
        bot.metrics()
    with Predictor.open(TRIO, max_age_days=1e5, metrics=True) as bot:
        decide(bot)
        assert total(samples(bot.metrics()), "gradus_decisions_total") == 12
        assert "gradus_journal_ok" not in bot.metrics()
        assert bot.decide(full_row()).id is None


def test_a_file_for_the_textfile_collector_is_written_whole(tmp_path: Path) -> None:
    store = trio_store(tmp_path / "store")
    path = tmp_path / "gradus.prom"
    with Predictor.open(store.path, max_age_days=1e5, metrics=True) as bot:
        decide(bot)
        bot.metrics(path)
        assert samples(path.read_text("utf-8"))['gradus_pin_generation{artifact="trio"}'] == 1
        assert [p.name for p in tmp_path.iterdir() if "prom" in p.name] == ["gradus.prom"]
        with pytest.raises(EnvironmentFailedError, match="metrics must be writable"):
            bot.metrics(tmp_path / "none" / "gradus.prom")


def test_the_text_is_openmetrics() -> None:
    counts = DecisionCounts()
    counts.count("1", 'odd "level"\n', "BUY", "HOLD", ("level1: missing a",), ("level1",), 0.0002, None)
    text = render_metrics(Snapshot("a", "1", "d", counts, 5.0), Snapshot("b", "2", "e", counts, 5.0))
    assert text.endswith("# EOF\n")
    families = re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)
    assert len(families) == len(set(families))
    assert r'level="odd \"level\"\n"' in text
    seen: set[str] = set()
    current = ""
    for line in text.splitlines():
        if line.startswith("# TYPE"):
            current = line.split()[2]
            assert current not in seen
            seen.add(current)
        elif not line.startswith("#"):
            assert line.startswith(current)
    found = samples(text)
    below = [found[f'gradus_decision_seconds_bucket{{artifact="a",le="{b!r}"}}'] for b in BUCKETS if b < 1]
    assert below == sorted(below)
    assert below[:2] == [0, 1]  # a bound belongs to its bucket


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("level1: missing a and 3 more", ("level1", "missing")),
        ("level1: macro declared unavailable", ("level1", "declared unavailable")),
        ("level1: out of service: MemoryError: missing memory", ("level1", "out of service")),
        ("level1: gave no valid probabilities for this row", ("level1", "invalid probabilities")),
        (
            "level2: used because no level in service can serve this row: no better than missing",
            ("level2", "not in service"),
        ),
        ("level2: not tried, as min_level is level1", ("level2", "not tried")),
        ("BUY with confidence 0.400 is below 0.500: HOLD", None),
        ("filled by the caller: a", None),
    ],
)
def test_reasons_have_kinds(reason: str, kind: tuple[str, str] | None) -> None:
    assert reason_kind(reason, ("level1", "level2")) == kind


def test_drift_is_told_where_the_store_is_known(tmp_path: Path, journal: Path) -> None:
    folder = variant(TRIO, tmp_path / "v", change=with_alarms(rows_per_day=8))
    manifest = parse((folder / "manifest.json").read_bytes())
    digest = (folder / "manifest.sha256").read_text().split()[0]
    assert "gradus_drift_ratio" not in JournalMetrics([journal], {}).text()
    metrics = JournalMetrics([journal], {digest: manifest})
    first = metrics.text()
    with Predictor.open(folder, max_age_days=1e5, journal=journal) as bot:
        for i in range(32):
            bot.decide(full_row(i) | {"close": 1e6})
    assert samples(metrics.text())['gradus_drift_ratio{artifact="trio",feature="close"}'] > 1
    assert total(samples(first), "gradus_decisions_total") == 12
    assert total(samples(metrics.text()), "gradus_decisions_total") == 44


@pytest.fixture
def server(journal: Path) -> Iterator[str]:
    opened = open_server(JournalMetrics([journal], {}).text, "127.0.0.1", 0)
    thread = threading.Thread(target=opened.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{opened.server_port}"
    finally:
        opened.shutdown()
        thread.join()
        opened.server_close()


def test_the_server_answers_at_metrics_alone(server: str) -> None:
    with urllib.request.urlopen(f"{server}/metrics") as answer:
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
        assert total(samples(answer.read().decode()), "gradus_decisions_total") == 12
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{server}/etc/passwd")


def test_the_command_prints_once(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["metrics", "--journal", str(journal), "--once"]) == 0
    assert total(samples(capsys.readouterr().out), "gradus_decisions_total") == 12


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian's package prometheus)")
    return found


def test_promtool_finds_nothing_wrong(tmp_path: Path) -> None:
    promtool = tool("promtool")
    store = trio_store(tmp_path / "store")
    path = tmp_path / "gradus.prom"
    with Predictor.open(store.path, max_age_days=1e5, journal=tmp_path / "journal") as bot:
        decide(bot)
        bot.metrics(path)
    checked = subprocess.run([promtool, "check", "metrics"], input=path.read_bytes(), capture_output=True)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
    planted = path.read_bytes().replace(b"# TYPE gradus_health gauge", b"# TYPE gradus_health wrong")
    assert subprocess.run([promtool, "check", "metrics"], input=planted, capture_output=True).returncode


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def asked(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.loads(answer.read())


@pytest.fixture
def command(journal: Path) -> Iterator[str]:
    """`gradus metrics` in a process of its own; its address, without what comes after."""
    program = [sys.executable, "-c", "import sys; from gradus_runtime.cli import main; sys.exit(main())"]
    process = subprocess.Popen(
        [*program, "metrics", "--journal", str(journal), "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = process.stdout.readline()
    try:
        yield said.removeprefix("metrics at ").removesuffix("/metrics\n")
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def test_the_command_listens_on_this_machine_alone(command: str) -> None:
    port = f"{int(command.rpartition(':')[2]):04X}"
    opened = [line.split()[1] for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
    opened += [line.split()[1] for line in Path("/proc/net/tcp6").read_text("ascii").splitlines()[1:]]
    assert {address for address in opened if address.endswith(f":{port}")} == {f"0100007F:{port}"}


def test_a_real_prometheus_scrapes_the_command(command: str, tmp_path: Path) -> None:
    prometheus, port = tool("prometheus"), free_port()
    assert command.startswith("http://127.0.0.1:")
    config = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [
            {"job_name": "gradus", "static_configs": [{"targets": [command.removeprefix("http://")]}]}
        ],
    }
    path = tmp_path / "prometheus.yml"
    path.write_text(json.dumps(config), "utf-8")  # JSON is YAML
    process = subprocess.Popen(
        [
            prometheus,
            f"--config.file={path}",
            f"--web.listen-address=127.0.0.1:{port}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}/api/v1/query?query=sum(gradus_decisions_total)"
        result: list[Any] = []
        for _ in range(120):
            try:
                result = asked(url)["data"]["result"]
            except OSError:
                result = []
            if result:
                break
            time.sleep(0.5)
        assert [float(r["value"][1]) for r in result] == [12.0]
        kinds = asked(f"http://127.0.0.1:{port}/api/v1/targets/metadata?metric=gradus_decisions")["data"]
        assert [k["type"] for k in kinds] == ["counter"]
    finally:
        process.terminate()
        process.wait()


def test_other_versions_have_samples_of_their_own(tmp_path: Path) -> None:
    for source in (OLDER_TRIO, TRIO):
        with Predictor.open(source, max_age_days=1e5, journal=tmp_path / "journal") as bot:
            bot.decide(full_row())
    found = samples(JournalMetrics([tmp_path / "journal"], {}).text())
    assert total(found, "gradus_decisions_total", f'version="{OLDER_TRIO.name}"') == 1
    assert total(found, "gradus_decisions_total", f'version="{TRIO.name}"') == 1
    assert total(found, "gradus_version_info", f'version="{TRIO.name}"') == 1
