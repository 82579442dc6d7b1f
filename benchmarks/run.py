"""The benchmarks, from the command line.

    python -m benchmarks.run full     # what `make bench` runs; writes benchmarks/results/
    python -m benchmarks.run quick    # what `make bench-quick` runs; checks correctness, never times

An interrupted run goes on where it stopped; `--fresh` starts anew. Exit code 1: an answer was wrong.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

from benchmarks import machine, plot, report
from benchmarks.checks import checks, problems
from benchmarks.growth import measure_growth
from benchmarks.levels import measure_levels
from benchmarks.measures import Bench, measure_subject
from benchmarks.profiles import PROFILES, Profile
from benchmarks.progress import Progress, say
from benchmarks.reference import CACHE, reference
from benchmarks.results import FORMAT, Growth, Results
from benchmarks.subjects import SUBJECTS
from gradus_runtime.contracts import codec

RESULTS = Path(__file__).resolve().parent / "results"


def main(words: list[str] | None = None) -> int:
    """Measure, write the results, say what was reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("profile", choices=tuple(PROFILES))
    parser.add_argument("--fresh", action="store_true", help="forget what an interrupted run has measured")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where what can be made again is kept")
    parser.add_argument("--out", type=Path, help="folder of the results")
    args = parser.parse_args(words)
    profile = PROFILES[args.profile]
    results = measure(profile, args.cache, fresh=args.fresh)
    out = args.out or (RESULTS if profile.name == "full" else RESULTS / "local")
    write(results, out)
    print(report.markdown(results))
    wrong = problems(results)
    for problem in wrong:
        say(f"WRONG: {problem}")
    return 1 if wrong else 0


def measure(profile: Profile, cache: Path, *, fresh: bool = False) -> Results:
    """Measure everything that a profile names."""
    for name in _recipes(profile):
        reference(name, cache)
    progress = Progress(cache / f"progress-{profile.name}.json", _key(profile, cache))
    if fresh:
        progress.clear()
    bench = Bench(profile, cache, progress)
    bench.install()
    subjects = tuple(measure_subject(bench, plan) for plan in profile.plans)
    growth: tuple[Growth, ...] = ()
    if profile.growth:
        subjects += (measure_levels(bench, reference("large", cache)),)
        growth = measure_growth(bench)
    results = Results(
        format=FORMAT,
        profile=profile.name,
        machine=machine.describe(),
        versions=machine.versions(list(bench.pythons.values())),
        subjects=subjects,
        growth=growth,
        checks=checks(subjects),
    )
    progress.clear()
    return results


def write(results: Results, out: Path) -> None:
    """Write `latest.json`, `latest.md`, and `growth.svg` where growth was measured."""
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(codec.encode(results), indent=1, sort_keys=True)
    (out / "latest.json").write_text(text + "\n")
    (out / "latest.md").write_text(report.markdown(results))
    if results.growth:
        plot.draw(results.growth, out / "growth.svg")
    say(f"wrote {out / 'latest.json'} and latest.md")


def _recipes(profile: Profile) -> list[str]:
    return list(dict.fromkeys(SUBJECTS[plan.subject].recipe for plan in profile.plans))


def _key(profile: Profile, cache: Path) -> str:
    """Digest of what the figures depend on: the profile, the models, the source that is measured."""
    root = Path(__file__).resolve().parents[1]
    runs = [reference(name, cache).name for name in _recipes(profile)]
    digest = hashlib.sha256(repr((profile, runs)).encode())
    for folder, kind in (
        ("benchmarks", "py"),
        ("runtime/src", "py"),
        ("convert/src", "py"),
        ("kernels/native", "[ch]"),
    ):
        for path in sorted((root / folder).rglob(f"*.{kind}")):
            if "cache" not in path.relative_to(root).parts:
                digest.update(path.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
