"""`card.md`: what a person should know of an artifact before relying on it. Made from the manifest alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gradus_convert.parity.third_opinion import LIMIT, ThirdOpinion
from gradus_runtime.contracts.manifest import LONG, META, SHORT, Level, Manifest, period
from gradus_runtime.wording import counted, plural

__all__ = ["dropped", "write"]


def write(manifest: Manifest, third: Sequence[ThirdOpinion], remarks: Sequence[str] = ()) -> str:
    """Return the card: the same manifest (files apart), third opinions and remarks give the same text."""
    parts = [
        _head(manifest),
        *([_verdict(manifest)] if manifest.verdict is not None else []),
        *([_remarks(manifest, remarks)] if remarks or manifest.members_dropped else []),
        *(_level(manifest, s) for s in manifest.levels),
        *([_third(manifest, third)] if third else []),
        _decisions(manifest),
        _provenance(manifest),
    ]
    return "\n".join(parts)


def dropped(m: Manifest) -> tuple[str, ...]:
    """Say which members were left out, a sentence each."""
    return tuple(
        f"{x.level}: {x.name} was left out ({x.reason}); the weights of the others were divided by their sum"
        for x in m.members_dropped or ()
    )


def _head(m: Manifest) -> str:
    levels = f"{counted(len(m.levels), 'level')}"
    simulated = "\nThe data is simulated: the figures say nothing of a real market.\n"
    return f"""# {m.name} {m.version}

{levels} over {counted(len(m.features), "feature")}, classes {", ".join(m.classes)}.
{simulated if m.provenance.simulated else ""}"""


def _remarks(m: Manifest, remarks: Sequence[str]) -> str:
    return "## To know\n\n" + "".join(f"* {text}.\n" for text in (*dropped(m), *remarks))


def _verdict(m: Manifest) -> str:
    """What the probabilities are worth, before all figures."""
    if m.verdict is None:
        return ""
    order = m.order_of_service
    text = f"## Verdict: {m.verdict.name}\n\n" + "".join(f"{s}\n\n" for s in m.verdict.sentences)
    if m.label is not None:
        text += f"The label: {m.label.sentence}.\n\n"
    first = ", then ".join(order.levels) or "none"
    text += f"In service ({order.kind}): {first}."
    if order.others:
        text += f" Only where nothing in service can answer: {', '.join(order.others)}."
    text += "\n\n" + "".join(f"* {p.sentence}.\n" for p in order.proofs)
    text += "".join(f"* {c.sentence}.\n" for c in m.calibration or ())
    for gate in m.gates or ():
        said = {True: "passed", False: "failed" if gate.kind == "integrity" else "no", None: "skipped"}
        text += f"* {gate.kind} gate, {said[gate.passed]}: {gate.sentence}\n"
    return text


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    columns = list(head)
    lines = [columns, ["---"] * len(columns), *([str(x) for x in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _level(m: Manifest, s: Level) -> str:
    p = s.parity
    members = _table(
        ("member", "library", "weight", "trees", "nodes"),
        ((x.name, x.library, f"{x.weight:.3g}", x.trees, x.nodes) for x in s.members),
    )
    metrics = _table(
        ("metric of the holdout", "value"), ((k, f"{v:.6g}") for k, v in sorted(s.metrics.items()))
    )
    proof = _table(
        ("parity with the libraries", "value"),
        (
            ("leaves compared", p.leaf_checks),
            ("wrong leaves", p.wrong_leaves),
            ("rows on a threshold or beside it", p.boundary_rows),
            ("rows whose probabilities were compared", p.rows),
            ("largest difference of a probability", f"{p.max_difference:.2g}"),
            ("changed labels", p.label_changes),
            ("ties", p.ties),
            (
                "largest error against sums in float64",
                "unknown" if p.max_error is None else f"{p.max_error:.2g}",
            ),
        ),
    )
    served = ", ".join(f"{c} {n}" for c, n in zip(m.classes, s.class_counts, strict=False))
    features = len(m.level_features(s))
    text = f"""## {s.name}

{counted(features, "feature")}: {", ".join(s.groups)}.
Vote: {s.vote}. Encoding: {s.encoding}. Bits: {s.bits}.
"""
    if served:
        text += f"Predicted on the holdout rows: {served}.\n"
    return "\n".join([text, members, "", *([metrics, ""] if s.metrics else []), proof, ""])


def _third(m: Manifest, opinions: Sequence[ThirdOpinion]) -> str:
    rows = _table(
        ("member", "converter", "rows", "wrong rows", "largest difference"),
        (
            (x.member, x.converter, x.rows, x.failure if x.wrong is None else x.wrong, f"{x.largest:.2g}")
            for x in opinions
        ),
    )
    return f"""## The stock converters, for comparison

The members of {m.levels[0].name}, converted the usual way and held against the same libraries, on rows of the
holdout and rows on thresholds or beside them. A row is wrong if a probability is off by more than {LIMIT:g}.

{rows}
"""


def _sides(m: Manifest) -> str:
    """Say where the side of a trade comes from, where the classes say whether it comes off."""
    if m.label is None or m.label.kind != META:
        return ""
    taken, side = m.classes[1], m.label.texts.get("side", "")
    if side not in m.feature_names:
        return f". The side of a trade is the caller's to know: {side} is not a feature"
    rule = f"the action is the side that {side} proposes: {LONG} above 0, {SHORT} below"
    return f". Where {taken} is the answer, {rule}"


def _days(count: float) -> str:
    return f"{count:g} {plural(count, 'day')}"


def _decisions(m: Manifest) -> str:
    d = m.decision
    expiry = "It never expires." if d.max_age_days is None else f"It expires {_days(d.max_age_days)} after."
    end = m.provenance.data_end
    if m.policy is None:
        rule = (
            f"The most probable class is the answer; a call weaker than {d.confidence_threshold:g} becomes "
        )
        rule += d.fallback_action
    else:
        rule = f"Policy {m.policy.kind}: {m.policy.sentence}. "
        rule += f"A row that it does not call becomes {d.fallback_action}"
    rule += _sides(m)
    data = "When the data ends is unknown." if end is None else f"The data ends at {end}."
    return f"""## Decisions

{rule}. So does a row that no level serves,
with confidence {d.fallback_confidence:g}. {data} {expiry}
"""


def _provenance(m: Manifest) -> str:
    p, bad = m.provenance, m.runtime.known_bad
    runtime = f"{m.runtime.minimum} or newer" + (f", not {', '.join(bad)}" if bad else "")
    facts = _table(
        ("provenance", ""),
        (
            (
                "data",
                period(p.data_start, p.data_end) + (f", {counted(p.rows, 'row')}" if p.rows else ""),
            ),
            ("SHA-256 of the data", p.data_sha256),
            ("SHA-256 of the configuration", p.config_sha256),
            ("commit", p.git_commit or "unknown"),
            ("seed", p.seed),
            *((name, version) for name, version in sorted(p.libraries.items())),
            ("onnxruntime", runtime),
        ),
    )
    return f"## Where it comes from\n\n{facts}\n"
