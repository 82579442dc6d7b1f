"""What deploy/ holds: alert rules, each with the event that it is for, and a dashboard of known names."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.support.golden import TRIO, full_row, variant, with_alarms

from gradus_runtime import Predictor, Store

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
RULES = DEPLOY / "prometheus-alerts.yml"
OWN = 'artifact="trio"'

DASHBOARD_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["title", "uid", "schemaVersion", "panels", "templating", "time"],
    "properties": {
        "title": {"type": "string", "minLength": 1},
        "uid": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,40}$"},
        "schemaVersion": {"type": "integer", "minimum": 36},
        "panels": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["id", "title", "type", "gridPos", "targets", "datasource"],
                "properties": {
                    "id": {"type": "integer"},
                    "type": {"enum": ["stat", "timeseries"]},
                    "gridPos": {
                        "type": "object",
                        "required": ["x", "y", "w", "h"],
                        "properties": {
                            "x": {"type": "integer", "minimum": 0, "maximum": 23},
                            "w": {"type": "integer", "minimum": 1, "maximum": 24},
                        },
                    },
                    "targets": {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "type": "object",
                            "required": ["expr", "refId"],
                            "properties": {"expr": {"type": "string", "minLength": 1}},
                        },
                    },
                },
            },
        },
        "templating": {
            "type": "object",
            "properties": {
                "list": {"type": "array", "items": {"type": "object", "required": ["name", "type"]}}
            },
        },
    },
}
"""The parts of Grafana's dashboard model that are used here
(https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/)."""


def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed (Debian's package prometheus)")
    return found


def told(tmp_path: Path) -> set[str]:
    """The names that a bot tells Prometheus."""
    store = Store(tmp_path / "store")
    variant(TRIO, store.path / "versions" / TRIO.name, change=with_alarms(rows_per_day=8))
    store.pin(TRIO.name, actor="test")
    with Predictor.open(store.path, max_age_days=1e5, journal=tmp_path / "journal") as bot:
        bot.decide(full_row(), at=1_767_225_600_000)
        bot.decide(full_row(1), confidence_threshold=1.0)
        for i in range(32):
            bot.decide(full_row(i) | {"dxy": None})
        text = bot.metrics()
    return {re.split(r"[{ ]", line)[0] for line in text.splitlines() if not line.startswith("#")}


def names(text: str) -> set[str]:
    return set(re.findall(r"\bgradus_[a-z_]+", text))


def test_rules_and_dashboard_use_names_that_a_bot_tells(tmp_path: Path) -> None:
    known = told(tmp_path)
    rules = "".join(line for line in RULES.read_text("utf-8").splitlines(True) if not line.startswith("#"))
    panels = (DEPLOY / "grafana-dashboard.json").read_text("utf-8")
    assert names(rules) <= known
    assert names(panels) <= known
    assert known - names(panels) <= {
        "gradus_journal_ok",
        "gradus_refused_rows_total",
        "gradus_newest_bar_age_seconds",
        "gradus_decision_seconds_sum",
        "gradus_decision_seconds_count",
    }


def test_the_dashboard_keeps_to_the_model_of_grafana() -> None:
    dashboard = json.loads((DEPLOY / "grafana-dashboard.json").read_text("utf-8"))
    jsonschema.validate(dashboard, DASHBOARD_SCHEMA)
    places = [p["gridPos"] for p in dashboard["panels"]]
    cells = [
        (x, y) for p in places for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])
    ]
    assert len(cells) == len(set(cells)), "panels overlap"
    assert all(p["x"] + p["w"] <= 24 for p in places)
    assert len({p["id"] for p in dashboard["panels"]}) == len(places)
    del dashboard["panels"][0]["targets"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(dashboard, DASHBOARD_SCHEMA)


def unknown(given: Any, model: Any, place: str = "") -> list[str]:
    """Keys of a value that a model of Grafana did not take, and values that it writes otherwise."""
    if isinstance(given, dict) and isinstance(model, dict):
        found = [f"{place}/{key}" for key in given.keys() - model.keys()]
        return found + [
            t for k in given.keys() & model.keys() for t in unknown(given[k], model[k], f"{place}/{k}")
        ]
    if isinstance(given, list) and isinstance(model, list) and len(given) == len(model):
        return [
            t
            for i, (a, b) in enumerate(zip(given, model, strict=True))
            for t in unknown(a, b, f"{place}/{i}")
        ]
    return [] if given == model and type(given) is type(model) else [place]


def modelled(dashboard: Any) -> list[str]:
    """What Grafana's own models do not know of a dashboard: of the whole, and of each kind of panel."""
    foundation = pytest.importorskip("grafana_foundation_sdk.models")
    encoder = pytest.importorskip("grafana_foundation_sdk.cog.encoder").JSONEncoder

    def written(value: Any) -> Any:
        return json.loads(encoder().encode(value))

    def model(name: str) -> Any:
        return importlib.import_module(f"{foundation.__name__}.{name}")

    found = unknown(dashboard, written(model("dashboard").Dashboard.from_json(dashboard)))
    for i, panel in enumerate(dashboard["panels"]):
        kind, place = model(panel["type"]), f"/panels/{i}"
        options = panel.get("options", {})
        found += unknown(options, written(kind.Options.from_json(options)), f"{place}/options")
        custom = panel["fieldConfig"]["defaults"].get("custom", {})
        if custom:
            found += unknown(custom, written(kind.FieldConfig.from_json(custom)), f"{place}/custom")
        for j, target in enumerate(panel["targets"]):
            query = model("prometheus").Dataquery.from_json(target)
            found += unknown(target, written(query), f"{place}/targets/{j}")
    return found


def test_the_dashboard_holds_nothing_that_the_models_of_grafana_do_not_know() -> None:
    dashboard = json.loads((DEPLOY / "grafana-dashboard.json").read_text("utf-8"))
    assert modelled(dashboard) == []
    first = dashboard["panels"][0]
    first["options"]["textmode"] = "name"
    first["gridpos"] = {}
    first["targets"][0]["query"] = "up"
    dashboard["panels"][1]["type"] = "timeseries"
    dashboard["timeZone"] = "utc"
    assert sorted(modelled(dashboard))[:4] == [
        "/panels/0/gridpos",
        "/panels/0/options/textmode",
        "/panels/0/targets/0/query",
        "/panels/1/options/colorMode",
    ]
    assert "/timeZone" in modelled(dashboard)


ALERTS: dict[str, dict[str, str]] = {
    "GradusSilent": {f'gradus_decisions_total{{{OWN},level="level1"}}': "5+0x200"},
    "GradusStaleBar": {f"gradus_newest_bar_timestamp_seconds{{{OWN}}}": "0+0x200"},
    "GradusFailed": {f'gradus_health{{{OWN},state="failed"}}': "1+0x200"},
    "GradusDegraded": {f'gradus_health{{{OWN},state="degraded"}}': "1+0x200"},
    "GradusFallback": {f'gradus_decisions_total{{{OWN},level="fallback"}}': "0+1x200"},
    "GradusJournalFailed": {f"gradus_journal_ok{{{OWN}}}": "0+0x200"},
    "GradusExpiring": {f"gradus_expires_timestamp_seconds{{{OWN}}}": "100000+0x200"},
    "GradusSlow": {
        f'gradus_decision_seconds_bucket{{{OWN},le="0.01"}}': "0+0x200",
        f'gradus_decision_seconds_bucket{{{OWN},le="0.1"}}': "0+5x200",
        f'gradus_decision_seconds_bucket{{{OWN},le="+Inf"}}': "0+5x200",
    },
    "GradusDrift": {f'gradus_drift_ratio{{{OWN},feature="close"}}': "1.5+0x3000"},
}
WELL = {
    f'gradus_decisions_total{{{OWN},level="level1"}}': "0+1x3000",
    f"gradus_newest_bar_timestamp_seconds{{{OWN}}}": "0+60x3000",
    f'gradus_health{{{OWN},state="failed"}}': "0+0x3000",
    f'gradus_health{{{OWN},state="degraded"}}': "0+0x3000",
    f"gradus_journal_ok{{{OWN}}}": "1+0x3000",
    f"gradus_journal_lost_total{{{OWN}}}": "0+0x3000",
    f"gradus_expires_timestamp_seconds{{{OWN}}}": "1000000+0x3000",
    f'gradus_drift_ratio{{{OWN},feature="close"}}': "0.5+0x3000",
    f'gradus_decision_seconds_bucket{{{OWN},le="0.01"}}': "0+5x3000",
    f'gradus_decision_seconds_bucket{{{OWN},le="+Inf"}}': "0+5x3000",
}


def fires(tmp_path: Path, series: dict[str, str], at: str) -> set[str]:
    """The alerts that fire on given series: of each, promtool says whether "none" is as expected."""
    found = set()
    for alert in ALERTS:
        case = {
            "rule_files": [str(RULES)],
            "tests": [
                {
                    "interval": "1m",
                    "input_series": [{"series": name, "values": values} for name, values in series.items()],
                    "alert_rule_test": [{"eval_time": at, "alertname": alert, "exp_alerts": []}],
                }
            ],
        }
        path = tmp_path / f"{alert}.json"
        path.write_text(json.dumps(case), "utf-8")  # JSON is YAML
        if subprocess.run([promtool(), "test", "rules", str(path)], capture_output=True).returncode:
            found.add(alert)
    return found


def test_promtool_accepts_the_rules() -> None:
    checked = subprocess.run([promtool(), "check", "rules", str(RULES)], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    assert f"SUCCESS: {len(ALERTS)} rules found" in checked.stdout


def test_a_bot_that_is_well_raises_no_alert(tmp_path: Path) -> None:
    assert fires(tmp_path, WELL, "3h") == set()


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_fires_on_its_event_and_no_other_does(tmp_path: Path, alert: str) -> None:
    replaced = {name.split("{")[0] for name in ALERTS[alert]}
    planted = {name: series for name, series in WELL.items() if name.split("{")[0] not in replaced}
    if alert in ("GradusFallback", "GradusFailed", "GradusDegraded"):
        planted = dict(WELL)
    planted |= ALERTS[alert]
    assert fires(tmp_path, planted, "26h" if alert == "GradusDrift" else "3h") == {alert}
