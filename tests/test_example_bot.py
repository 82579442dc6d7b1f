"""The example bot against a local exchange in the forms of Binance's and bitbank's APIs."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.test_features_travel import made as made  # the same artifact, one for this module

from gradus_runtime import Decision, Predictor
from gradus_runtime.cli.main import main
from gradus_runtime.journal import read_journal
from gradus_runtime.store import Store

FOLDER = Path(__file__).resolve().parents[1] / "examples/bot"
sys.path.insert(0, str(FOLDER))

import bot as example  # noqa: E402
from exchanges import EXCHANGES, Http  # noqa: E402
from stub_exchange import StubExchange, bars_of  # noqa: E402

BAR = 900.0
AT = 1900
"""Position of the bar that is about to close where a test begins."""


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(made: Path) -> Clock:
    with (made / "market/candles.csv").open() as file:
        rows = list(csv.DictReader(file))
    return Clock(datetime.fromisoformat(rows[AT]["timestamp"]).timestamp() + BAR + 1.0)


@pytest.fixture
def exchange(made: Path, clock: Clock) -> Iterator[StubExchange]:
    start = bars_of(made / "market/candles.csv", 0.0)
    true = [(bar[0] + _shift(made, start), *bar[1:]) for bar in start]
    server = StubExchange(true, clock)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def _shift(made: Path, moved: list[Any]) -> int:
    with (made / "market/candles.csv").open() as file:
        first = next(csv.DictReader(file))["timestamp"]
    return int(datetime.fromisoformat(first).timestamp() * 1000) - int(moved[0][0])


class Market:
    """A trader at work, and what it decided."""

    def __init__(
        self, bot: Predictor, form: str, exchange: StubExchange, clock: Clock, daily: Path | None
    ) -> None:
        self.decisions: list[Decision] = []
        self.exchange, self.clock = exchange, clock
        self.trader = example.Trader(
            bot,
            lambda web, bar_ms: EXCHANGES[form](web, exchange.url, "btc_jpy", bar_ms),
            daily,
            self.decisions.append,
            clock,
        )

    def step(self, seconds: float = 0.0) -> float:
        self.clock.now += seconds
        return self.trader.step()

    def expect(self, bot: Predictor, daily: list[dict[str, str]]) -> Decision:
        return bot.decide_candles(self.exchange.known(), daily, now=int(self.clock.now * 1000))


@pytest.fixture
def bot(made: Path, clock: Clock) -> Iterator[Predictor]:
    with Predictor.open(made / "own", clock=clock) as opened:
        yield opened


def daily_of(made: Path) -> list[dict[str, str]]:
    with (made / "market/macro.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("form", ["binance", "bitbank"])
def test_it_decides_once_a_bar_as_the_whole_history_does(
    made: Path, bot: Predictor, exchange: StubExchange, clock: Clock, form: str
) -> None:
    market = Market(bot, form, exchange, clock, made / "market/macro.csv")
    daily = daily_of(made)
    for bars in range(1, 6):
        wait = market.step()
        assert len(market.decisions) == bars
        want = market.expect(bot, daily)
        assert want.level == "all"
        got = market.decisions[-1]
        assert (got.probabilities, got.bar_time) == (want.probabilities, want.bar_time)
        assert got.reasons == ()
        assert market.step(3.0) <= BAR
        assert len(market.decisions) == bars
        clock.now += wait - 3.0
    paths = [path for path in exchange.asked if "klines" in path]
    assert all("limit=1000" in path for path in paths)
    assert len(exchange.asked) >= (3 if form == "binance" else 20)


@pytest.mark.parametrize(
    ("fault", "pause"),
    [
        ((429, {"Retry-After": "30"}), 30.0),
        ((418, {"Retry-After": "45"}), 45.0),
        ((503, {}), 1.0),
        ((500, {"Retry-After": "soon"}), 1.0),
        ((0, {}), 1.0),
        ((200, {}), 1.0),
    ],
)
def test_nobody_asks_before_the_exchange_says_so(
    bot: Predictor, exchange: StubExchange, clock: Clock, fault: Any, pause: float
) -> None:
    market = Market(bot, "binance", exchange, clock, None)
    market.step()
    exchange.faults.append(fault)
    asked = len(exchange.asked)
    wait = market.step(BAR)
    assert wait == pytest.approx(pause)
    assert len(exchange.asked) == asked + 1
    market.step(pause / 2)
    assert len(exchange.asked) == asked + 1
    market.step(pause / 2)
    assert len(exchange.asked) > asked + 1
    assert [d.level for d in market.decisions] == ["alone", "alone"]


def test_a_date_says_when_as_well(clock: Clock, exchange: StubExchange) -> None:
    clock.now = float(int(clock.now))
    web = Http(clock)
    exchange.faults.append((429, {"Retry-After": formatdate(clock.now + 17, usegmt=True)}))
    with pytest.raises(example.OutageError, match="429"):
        web.get(exchange.url)
    assert web.not_before == clock.now + 17


def test_failures_without_a_word_double_the_pause_up_to_a_minute(
    clock: Clock, exchange: StubExchange
) -> None:
    web, pauses = Http(clock), []
    for _ in range(8):
        exchange.faults.append((502, {}))
        with pytest.raises(example.OutageError):
            web.get(exchange.url)
        pauses.append(web.not_before - clock.now)
        clock.now = web.not_before
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]


@pytest.mark.parametrize("form", ["binance", "bitbank"])
def test_after_an_outage_what_is_missing_is_fetched_and_meanwhile_it_holds(
    made: Path, bot: Predictor, exchange: StubExchange, clock: Clock, form: str
) -> None:
    market = Market(bot, form, exchange, clock, made / "market/macro.csv")
    market.step()
    for _ in range(8):
        exchange.faults.append((503, {}))
        market.step(BAR)
    levels = [d.level for d in market.decisions]
    assert levels[:2] == ["all", "fallback"]
    assert set(levels[1:]) == {"fallback"}
    assert len(levels) == 8  # one for each bar that it waited too long
    assert market.decisions[-1].reasons[-1].startswith("no bar after that of")
    asked = len(exchange.asked)
    market.step(BAR)
    assert market.decisions[-1].probabilities == market.expect(bot, daily_of(made)).probabilities
    assert len(exchange.asked) - asked <= 2


def test_what_came_before_a_failing_page_stays(bot: Predictor, exchange: StubExchange, clock: Clock) -> None:
    market = Market(bot, "binance", exchange, clock, None)
    real, calls = exchange.answer, []

    def second_fails(path: str) -> Any:
        calls.append(path)
        if len(calls) == 2:
            raise ConnectionResetError
        return real(path)

    exchange.answer = second_fails  # type: ignore[method-assign]
    exchange.handle_error = lambda *_: None  # type: ignore[method-assign]
    market.step()
    assert market.trader.feed.bars == 1000
    market.step(2.0)
    assert market.trader.feed.bars > 1900
    assert market.decisions[-1].level == "alone"


def test_a_late_bar_is_waited_for_without_deciding_twice(
    bot: Predictor, exchange: StubExchange, clock: Clock
) -> None:
    market = Market(bot, "binance", exchange, clock, None)
    market.step()
    late = exchange.bars.pop(AT + 1)
    running = exchange.bars.pop(AT + 2)
    del exchange.bars[AT + 1 :]
    assert market.step(BAR) == example.LATE_S
    assert len(market.decisions) == 1
    exchange.bars += [late, running]
    market.step(example.LATE_S)
    assert len(market.decisions) == 2
    assert market.decisions[-1].bar_time is not None
    assert market.decisions[-1].bar_time.timestamp() * 1000 == late[0]


def test_daily_values_that_come_later_lift_the_level(
    made: Path, bot: Predictor, exchange: StubExchange, clock: Clock, tmp_path: Path
) -> None:
    market = Market(bot, "binance", exchange, clock, tmp_path / "macro.csv")
    market.step()
    (tmp_path / "macro.csv").write_bytes((made / "market/macro.csv").read_bytes())
    market.step(BAR)
    assert [d.level for d in market.decisions] == ["alone", "all"]


def test_it_follows_the_pin(made: Path, exchange: StubExchange, clock: Clock, tmp_path: Path) -> None:
    store = tmp_path / "own"
    subprocess.run(["cp", "-r", str(made / "own"), str(store)], check=True)
    convert = ["convert", "--run", str(made / "run"), "--store", str(store), "--version", "2026.1.3"]
    convert += ["--config", str(made / "artifact.toml"), "--no-third-opinion", "--no-gate"]
    assert main(convert) == 0
    with Predictor.open(store, clock=clock) as bot:
        market = Market(bot, "binance", exchange, clock, None)
        market.step()
        Store(store).pin("2026.1.3", actor="test")
        market.step(BAR)
    assert [d.version for d in market.decisions] == ["2026.1.2", "2026.1.3"]


def test_the_program_runs_journals_tells_its_health_and_stops_when_told(
    made: Path, clock: Clock, tmp_path: Path
) -> None:
    server = StubExchange(bars_of(made / "market/candles.csv", time.time()))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    probe = StubExchange(server.bars)  # for a port that is free
    port = probe.server_address[1]
    probe.server_close()
    command = [sys.executable, "bot.py", "--store", str(made / "own"), "--exchange", "binance"]
    command += ["--url", server.url, "--symbol", "ANY", "--state", str(tmp_path / "state")]
    environment = {**os.environ, "PORT": str(port)}
    process = subprocess.Popen(command, cwd=FOLDER, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        assert line["version"] == "2026.1.2"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
            assert json.load(answer)["status"] in ("ok", "degraded")
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=600) == 0
        server.shutdown()
        server.server_close()
    content = read_journal([tmp_path / "state/journal"])
    assert content.decisions[0].id == line["id"]
    assert content.events[-1].event == "closed"
    assert json.loads((tmp_path / "state/health.json").read_text())


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    python = tmp_path / "venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    text = (FOLDER / "gradus-bot.service").read_text()
    unit = tmp_path / "gradus-bot.service"
    unit.write_text(text.replace("/opt/bot", str(tmp_path)))
    done = subprocess.run(
        [analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    unit.write_text(unit.read_text().replace("Restart=always", "Restart=sometimes"))
    done = subprocess.run(
        [analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert "restart specifier" in done.stderr


def test_what_the_deployments_start_are_arguments_of_the_program() -> None:
    service = yaml.safe_load((FOLDER / "cloud-run.yaml").read_text())
    (container,) = service["spec"]["template"]["spec"]["containers"]
    unit = (FOLDER / "gradus-bot.service").read_text().replace("\\\n", " ")
    (started,) = re.findall("^ExecStart=(.*)$", unit, re.MULTILINE)
    steps = dict(docker_steps())
    entry = json.loads(steps["ENTRYPOINT"])
    for arguments in (
        [*entry[2:], *container["args"]],
        [*entry[2:], *json.loads(steps["CMD"])],
        started.split()[2:],
    ):
        options = arguments[::2]
        assert {"--store", "--exchange", "--url", "--symbol"} <= set(options)
        help_text = subprocess.run(
            [sys.executable, "bot.py", "--help"], cwd=FOLDER, capture_output=True, text=True, check=True
        ).stdout
        assert all(option in help_text for option in options)
        assert arguments[arguments.index("--exchange") + 1] in EXCHANGES


def docker_steps() -> list[tuple[str, str]]:
    lines = (FOLDER / "Dockerfile").read_text().splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line and line[0] != "#"]


@pytest.mark.long
def test_the_steps_of_the_dockerfile_make_a_bot_that_starts(made: Path, tmp_path: Path) -> None:
    context, image = tmp_path / "context", tmp_path / "image"
    shutil.copytree(FOLDER, context)
    shutil.copytree(FOLDER.parents[1] / "runtime", context / "runtime")
    shutil.copytree(made / "own", context / "store")
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    environment = {"PATH": f"{tmp_path / 'venv/bin'}:/usr/bin:/bin", "HOME": str(tmp_path)}
    entry: list[str] = []
    for step, text in docker_steps():
        if step == "WORKDIR":
            image.mkdir()
        elif step == "COPY":
            *sources, target = text.split()
            for source in sources:
                to = image / target if target != "./" else image / source
                (shutil.copytree if (context / source).is_dir() else shutil.copy)(context / source, to)
        elif step == "RUN":
            more = {k: v for k, v in os.environ.items() if k.startswith(("PIP_", "SSL_", "HTTP", "http"))}
            subprocess.run(["sh", "-ec", text], cwd=image, env={**more, **environment}, check=True)
        elif step == "ENV":
            environment |= dict(pair.split("=") for pair in text.split())
        elif step == "ENTRYPOINT":
            entry = json.loads(text)
        else:
            assert step in ("FROM", "USER", "CMD")
    server = StubExchange(bars_of(made / "market/candles.csv", time.time()))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    more_arguments = ["--exchange", "bitbank", "--url", server.url, "--symbol", "btc_jpy"]
    program = str(tmp_path / "venv/bin" / entry[0])
    process = subprocess.Popen(
        [program, *entry[1:], *more_arguments], cwd=image, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["version"] == "2026.1.2"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=600) == 0
        server.shutdown()
        server.server_close()
    listed = subprocess.run(
        [str(tmp_path / "venv/bin/pip"), "list", "--format=freeze"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not any(
        line.startswith(("polars", "onnx==", "gradus-train")) for line in listed.stdout.splitlines()
    )
