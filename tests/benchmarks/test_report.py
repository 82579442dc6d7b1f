from benchmarks.checks import checks, problems
from benchmarks.report import markdown
from benchmarks.results import FORMAT, Absent, Results, Series, Subject

from gradus_runtime.contracts import codec, strict_json


def exact(**figures):
    return {"wrong_rows": 0.0, "label_changes": 0.0, "largest_difference": 2e-7, **figures}


def results(gradus, *, graph=None, absent=()):
    series = (
        Series("gradus", "gradus", 1, 5, gradus),
        Series(
            "gradus_graph", "gradus, the bare graph", 1, 5, graph if graph is not None else exact(p50_us=80.0)
        ),
        Series("native", "native libraries", 1, 5, {"p50_us": 9000.0}),
        Series("stock", "stock ONNX", 1, 5, {"p50_us": 160.0}),
    )
    subject = Subject("large", "Reference ensemble", {"trees": 1400.0}, series, absent)
    machine = {"cores": "2", "memory": "8 GiB", "processor": "x", "system": "Linux", "python": "3.11"}
    return Results(FORMAT, "full", machine, {"gradus": "0.1.0"}, (subject,), (), checks((subject,)))


def test_a_figure_stands_with_its_ratios_to_native_and_to_stock():
    text = markdown(results(exact(p50_us=90.0, own_us=12.0)))
    assert "| gradus | 90 (0.01 / 0.56) |" in text
    assert "12 us are its own" in text


def test_a_peer_that_is_absent_is_reported_with_the_reason():
    assert "Absent: `tl2cgen`: no gcc" in markdown(results(exact(), absent=(Absent("tl2cgen", "no gcc"),)))


def test_what_must_be_reached_says_whether_it_is():
    found = {c.name: c for c in results(exact(own_us=30.0)).checks}
    assert found["one row against stock"].value == 0.5
    assert found["one row against stock"].reached
    assert not found["gradus' own share of one row, us"].reached
    assert found["load against stock"].value is None
    assert not found["load against stock"].reached


def test_exact_answers_are_no_problem_and_times_never_are():
    assert problems(results(exact(p50_us=1e9))) == []


def test_wrong_rows_changed_labels_and_differences_are_problems():
    found = problems(results(exact(wrong_rows=3.0, label_changes=1.0, largest_difference=0.2)))
    assert found == [
        "large: gradus has 3.0 wrong_rows",
        "large: gradus has 1.0 label_changes",
        "large: gradus differs by 0.2",
    ]


def test_gradus_not_measured_is_a_problem():
    assert "large: gradus_graph has None wrong_rows" in problems(results(exact(), graph={}))


def test_results_are_json_and_back():
    value = results(exact())
    text = strict_json.canonical_bytes(codec.encode(value))
    assert codec.decode(Results, strict_json.parse(text, place="latest.json"), place="latest.json") == value
