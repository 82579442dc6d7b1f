"""The live record as a page: one file, no network, light and dark, narrow and wide."""

from __future__ import annotations

from html import escape
from importlib.resources import files

from gradus_live.record.chart import Band, Curve, draw
from gradus_live.record.group import AS_PROMISED, NO_PROMISE, TOO_EARLY, WORSE, GroupRecord
from gradus_live.record.live_record import LiveRecord
from gradus_live.record.text import between

__all__ = ["render_page"]

_CLASSES = {AS_PROMISED: "good", WORSE: "bad", NO_PROMISE: "none"}
_HEAD = (
    "Version", "Level", "Verdict", "Bars", "Skill", "Promised", "Calls", "Hit rate", "Calibration", "Trades",
    "Net", "Net a day", "Confidence", "Accuracy",
)  # fmt: skip


def render_page(record: LiveRecord) -> str:
    """Return the page; the same record gives the same text."""
    style = files("gradus_live.record").joinpath("page.css").read_text("utf-8")
    body = [_top(record), _cards(record), _skill(record), _money(record), _groups(record), _left_out(record)]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(record.artifact)}: live record</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n{''.join(body)}</body>\n</html>\n"
    )


def _class_of(group: GroupRecord) -> str:
    """The colour of a verdict: good only where the record is better than knowing nothing, too."""
    if group.verdict == AS_PROMISED and not group.skill.low > 0:
        return "wait"
    return _CLASSES.get(group.verdict, "wait")


def _top(record: LiveRecord) -> str:
    group = record.overall
    sentence = group.sentence[:1].upper() + group.sentence[1:]
    when = ""
    if record.first and record.last:
        when = f"{record.bars:,} bars, {record.first[:10]} to {record.last[:10]} (UTC)"
    return (
        f"<h1>{escape(record.artifact)}: live record</h1>\n"
        f'<p class="verdict {_class_of(group)}">{escape(sentence)}</p>\n<p class="lead">{when}</p>\n'
    )


def _cards(record: LiveRecord) -> str:
    group = record.overall
    cards = [
        (f"{group.skill.mean:+.4f}", "Brier skill a bar"),
        (
            "none" if group.hit_rate is None else f"{100 * group.hit_rate:.1f} %",
            f"of {group.calls:,} calls for a side came",
        ),
        (f"{group.calibration:.3f}", "calibration error"),
        (f"{record.fallback:,}", "bars without a level"),
    ]
    if group.money is not None:
        cards.append((f"{100 * group.money.total:+.2f} %", f"net of {group.money.trades:,} trades"))
    return (
        '<div class="cards">'
        + "".join(f'<div class="card"><b>{escape(a)}</b><span>{escape(b)}</span></div>' for a, b in cards)
        + "</div>\n"
    )


def _skill(record: LiveRecord) -> str:
    days = record.days
    if not days:
        return "<h2>Skill</h2><p>No whole day has passed yet.</p>\n"
    chart = draw(
        [point.day for point in days],
        [
            Curve([point.skill for point in days], "var(--muted)", points=True),
            Curve([point.mean for point in days], "var(--skill)"),
        ],
        [
            Band([p.promised_low for p in days], [p.promised_high for p in days], "var(--promise)", 0.25),
            Band([p.low for p in days], [p.high for p in days], "var(--skill)", 0.18),
        ],
        "+.3f",
        "Brier skill by day, its mean so far with a confidence sequence, and what training promised",
    )
    keys = _keys(
        ("--muted", "a day"),
        ("--skill", "mean so far, and where the true mean is with 95 % confidence, at every look"),
        ("--promise", "promised: lowest to highest fold of training"),
    )
    return (
        "<h2>Skill</h2>\n<p>Brier score of the class shares of training, less that of the probabilities: "
        "above 0 is better than the class shares.</p>\n"
        f'<figure><div class="scroll">{chart}</div><figcaption>{keys}</figcaption></figure>\n'
    )


def _keys(*entries: tuple[str, str]) -> str:
    return " ".join(
        f'<span class="entry"><i class="key" style="background:var({c})"></i>{escape(t)}</span>'
        for c, t in entries
    )


def _money(record: LiveRecord) -> str:
    money, mean = record.overall.money, record.overall.money_mean
    if money is None or mean is None or record.market is None:
        return (
            "<h2>Money</h2>\n<p>No costs were given, so money is left out: --costs config/costs.toml.</p>\n"
        )
    chart = draw(
        [point.day for point in record.days],
        [Curve([None if p.net is None else 100 * p.net for p in record.days], "var(--net)")],
        [],
        "+.1f",
        "Sum of net returns so far, percent",
    )
    even = "" if money.break_even is None else f", break-even at {100 * money.break_even:.1f} %"
    return (
        f"<h2>Money after the costs of {escape(record.market)}</h2>\n"
        f"<p>{money.trades:,} trades, one after another: {100 * money.gross:+.3f} % a trade before costs, "
        f"{100 * money.net:+.3f} % after; {100 * money.hit_rate:.1f} % left something{even}. "
        f"A day leaves {between(mean, 5)} as log return.</p>\n"
        f'<figure><div class="scroll">{chart}</div>'
        f"<figcaption>{_keys(('--net', 'sum of net log returns, percent'))}</figcaption></figure>\n"
    )


def _groups(record: LiveRecord) -> str:
    head = "".join(f"<th>{name}</th>" for name in _HEAD)
    groups = (record.overall, *record.levels, *record.versions, *record.groups)
    rows = "\n".join(_row(group) for group in groups)
    return (
        '<h2>By version and level</h2>\n<div class="scroll"><table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>\n"
        '<p class="note">In brackets: where the true mean is, at every look, with 95 % confidence; the '
        "observations are blocks of whole days. Calls: decisions for a side that were not held.</p>\n"
    )


def _row(group: GroupRecord) -> str:
    money, day = group.money, group.money_mean
    cells = [
        f"{group.bars:,}",
        between(group.skill),
        "" if group.promise is None else f"{group.promise.low:+.4f} to {group.promise.high:+.4f}",
        f"{group.calls:,}",
        "" if group.hit_rate is None else f"{100 * group.hit_rate:.1f} %",
        f"{group.calibration:.3f}",
        "" if money is None else f"{money.trades:,}",
        "" if money is None else f"{100 * money.total:+.2f} %",
        "" if day is None else between(day, 5),
        f"{100 * group.confidence:.1f} %",
        f"{100 * group.accuracy:.1f} %",
    ]
    whole = ' class="all"' if group.version == group.level == "all" else ""
    inner = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    verdict = group.sentence.partition(";")[0] if group.verdict == TOO_EARLY else group.verdict
    return (
        f"<tr{whole}><th>{escape(group.version)}</th><td>{escape(group.level)}</td>"
        f'<td class="{_class_of(group)}">{escape(verdict)}</td>{inner}</tr>'
    )


def _left_out(record: LiveRecord) -> str:
    counts = (
        (record.pending, "decisions wait for their outcome"),
        (record.repeated, "decisions were for a bar that had one; the first counts"),
        (record.without_outcome, "bars have an outcome that cannot be known: candles are missing"),
        (record.without_artifact, "decisions are of versions that are not in the store"),
    )
    told = [f"<li>{count:,} {what}.</li>" for count, what in counts if count]
    return f"<h2>Left out</h2>\n<ul>{''.join(told)}</ul>\n" if told else ""
