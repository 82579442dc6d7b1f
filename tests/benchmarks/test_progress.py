from benchmarks.progress import Progress


def test_an_interrupted_run_finds_what_it_had_measured(tmp_path):
    Progress(tmp_path / "p.json", "key").put("large/single", {"gradus": {"p50_us": 1.0}})
    assert Progress(tmp_path / "p.json", "key").get("large/single") == {"gradus": {"p50_us": 1.0}}


def test_results_of_another_key_are_dropped(tmp_path):
    Progress(tmp_path / "p.json", "key").put("large/single", 1)
    assert Progress(tmp_path / "p.json", "other").get("large/single") is None


def test_a_complete_run_leaves_nothing(tmp_path):
    progress = Progress(tmp_path / "p.json", "key")
    progress.put("a", 1)
    progress.clear()
    assert progress.get("a") is None
    assert list(tmp_path.iterdir()) == []
