import json
from pathlib import Path

import pytest
from benchmarks.checks import checks
from benchmarks.quote import BEGIN, END, LATEST, quoted, table
from benchmarks.results import FORMAT, Results, Series, Subject

from gradus_runtime.contracts import codec

DOCUMENTS = ("docs/benchmarks.md", "README.md", "README.ja.md")
ROOT = Path(__file__).resolve().parents[2]


def results():
    figures = {"peak_mib": 61.4, "p50_us": 95.2, "wrong_rows": 0.0, "boundary_rows": 45000.0}
    subject = Subject(
        "large",
        "Reference ensemble",
        {"trees": 1400.0, "nodes": 465836.0},
        (Series("gradus", "gradus", 1, 5, figures),),
        (),
    )
    machine = {"cores": "2", "memory": "8 GiB", "processor": "x", "system": "Linux", "python": "3.11"}
    return Results(FORMAT, "full", machine, {}, (subject,), (), checks((subject,)))


def test_the_table_shows_the_figures_that_were_measured():
    assert "| gradus | 61 |  | 95 |  |  | 0 |" in table(results())
    assert "1,400 trees, 465,836 nodes" in table(results())


def test_the_table_stands_between_the_markers_and_all_else_stays():
    text = quoted(f"before\n{BEGIN}\nstale figures\n{END}\nafter\n", results())
    assert text.startswith(f"before\n{BEGIN}\n| |")
    assert text.endswith(f"{END}\nafter\n")
    assert "stale figures" not in text
    assert quoted(text, results()) == text


def test_a_document_without_markers_is_refused():
    with pytest.raises(ValueError, match="a document must hold <!-- benchmarks:begin -->"):
        quoted("no markers", results())


@pytest.mark.skipif(not LATEST.exists(), reason="the benchmarks have not been run")
@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_quote_the_latest_results(name):
    text = (ROOT / name).read_text()
    if BEGIN not in text:
        assert name != "docs/benchmarks.md"
        return
    latest = codec.decode(Results, json.loads(LATEST.read_text()), place=LATEST.name)
    assert quoted(text, latest) == text
