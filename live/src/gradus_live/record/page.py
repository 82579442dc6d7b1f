"""The live record as a page: one file, no network, light and dark, narrow and wide."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files

from gradus_live.record.chart import Band, Curve, draw
from gradus_live.record.group import AS_PROMISED, NO_PROMISE, TOO_EARLY, WORSE, GroupRecord
from gradus_live.record.live_record import LiveRecord
from gradus_live.record.text import between, groups_shown, left_out, percent_gained, waiting
from gradus_runtime.wording import counted, plural

__all__ = ["render_page"]

_CLASSES = {AS_PROMISED: "good", WORSE: "bad", NO_PROMISE: "none"}
_SKILL = ("Bars", "Skill", "Promised", "Calibration")
_MONEY = ("Confidence", "Accuracy", "Calls", "Hit rate", "Trades", "Net", "Net a day, %")


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
        when = f"{counted(record.bars, 'bar')}, {record.first[:10]} to {record.last[:10]} (UTC)"
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
            f"of {counted(group.calls, 'call')} for a side came",
        ),
        (f"{group.calibration:.3f}", "calibration error"),
        (f"{record.fallback:,}", f"{plural(record.fallback, 'bar')} without a level"),
    ]
    if group.money is not None:
        gained, trades = percent_gained(group.money.total), group.money.trades
        cards.append((f"{gained:+.2f} %", f"after the costs of {counted(trades, 'trade')}"))
    return (
        '<div class="cards">'
        + "".join(f'<div class="card"><b>{escape(a)}</b><span>{escape(b)}</span></div>' for a, b in cards)
        + "</div>\n"
    )


def _skill(record: LiveRecord) -> str:
    days = record.days
    if not days:
        return "<h2>Skill</h2><p>No whole day has passed yet.</p>\n"
    sequence = Band([p.low for p in days], [p.high for p in days], "var(--skill)", 0.18, may_be_cut=True)
    promised = Band([p.promised_low for p in days], [p.promised_high for p in days], "var(--promise)", 0.25)
    said = "Brier skill by day and its mean so far"
    keys = [("--muted", "a day"), ("--skill", "mean so far")]
    if sequence.ends():  # only what is drawn is named
        said += ", with a confidence sequence"
        keys[1] = ("--skill", "mean so far, and where the true mean is with 95 % confidence, at every look")
    if promised.ends():
        said += ", beside what training promised"
        keys.append(("--promise", "promised: lowest to highest fold of training"))
    chart = draw(
        [point.day for point in days],
        [
            Curve([point.skill for point in days], "var(--muted)", points=True),
            Curve([point.mean for point in days], "var(--skill)"),
        ],
        [promised, sequence],
        "+.3f",
        said,
        None if record.overall.said is None else (record.overall.said, "said to be worse"),
    )
    cut = " Where the area goes beyond the picture, it is cut." if sequence.ends() else ""
    return (
        "<h2>Skill</h2>\n<p>Brier score of the class shares of training, less that of the probabilities: "
        f"above 0 is better than the class shares.{cut}</p>\n"
        f"<figure>{chart}<figcaption>{_keys(*keys)}</figcaption></figure>\n"
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
    trades = plural(money.trades, "trade", "trades, one after another")
    even = "" if money.break_even is None else f", break-even at {100 * money.break_even:.1f} %"
    return (
        f"<h2>Money after the costs of {escape(record.market)}</h2>\n"
        f"<p>{money.trades:,} {trades}: {100 * money.gross:+.3f} % a trade before costs, "
        f"{100 * money.net:+.3f} % after; {100 * money.hit_rate:.1f} % left something{even}. "
        f"A day leaves {between(mean, 3, 100)} percent.</p>\n{_gained(record)}"
    )


def _gained(record: LiveRecord) -> str:
    if not record.days:
        return ""
    chart = draw(
        [point.day for point in record.days],
        [Curve([None if p.net is None else percent_gained(p.net) for p in record.days], "var(--net)")],
        [],
        "+.1f",
        "What a stake has gained so far, percent",
    )
    keys = _keys(("--net", "what a stake has gained, percent, if each trade took all of it"))
    return f"<figure>{chart}<figcaption>{keys}</figcaption></figure>\n"


def _groups(record: LiveRecord) -> str:
    groups = groups_shown(record)
    tables = _table(("Verdict", *_SKILL), [(g, [_verdict(g), *_skill_cells(g)]) for g in groups])
    tables += _table(_MONEY, [(g, _money_cells(g)) for g in groups])
    return (
        f"<h2>By version and level</h2>\n{tables}"
        '<p class="note">In brackets: where the true mean is, at every look, with 95 % confidence; the '
        "observations are blocks of whole days. Calls: decisions for a side that were not held.</p>\n"
    )


def _table(names: Sequence[str], rows: Sequence[tuple[GroupRecord, Sequence[str]]]) -> str:
    """A table; a narrow page shows a block a row, and each cell after its column's name."""
    head = "".join(f"<th{_class_for(name, None)}>{name}</th>" for name in ("Version", "Level", *names))
    body = "\n".join(
        f"<tr{_whole(group)}><th>{escape(group.version)}</th><td>{escape(group.level)}</td>"
        + "".join(
            f'<td{_class_for(name, group)} data-name="{name}">{escape(cell)}</td>'
            for name, cell in zip(names, cells, strict=True)
        )
        + "</tr>"
        for group, cells in rows
    )
    inner = f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>"
    return f'<div class="scroll" tabindex="0">\n<table>\n{inner}\n</table></div>\n'


def _class_for(name: str, group: GroupRecord | None) -> str:
    if name != "Verdict":
        return ""
    return ' class="verdict-cell"' if group is None else f' class="verdict-cell {_class_of(group)}"'


def _whole(group: GroupRecord) -> str:
    return ' class="all"' if group.version == group.level == "all" else ""


def _verdict(group: GroupRecord) -> str:
    return group.sentence.partition(";")[0] if group.verdict == TOO_EARLY else group.verdict


def _skill_cells(group: GroupRecord) -> list[str]:
    return [
        f"{group.bars:,}",
        between(group.skill),
        "" if group.promise is None else f"{group.promise.low:+.4f} to {group.promise.high:+.4f}",
        f"{group.calibration:.3f}",
    ]


def _money_cells(group: GroupRecord) -> list[str]:
    money, day = group.money, group.money_mean
    return [
        f"{100 * group.confidence:.1f} %",
        f"{100 * group.accuracy:.1f} %",
        f"{group.calls:,}",
        "" if group.hit_rate is None else f"{100 * group.hit_rate:.1f} %",
        "" if money is None else f"{money.trades:,}",
        "" if money is None else f"{percent_gained(money.total):+.2f} %",
        "" if day is None else between(day, 3, 100),
    ]


def _left_out(record: LiveRecord) -> str:
    told = [f"<li>{text}.</li>" for text in (*waiting(record), *left_out(record))]
    return f"<h2>Left out</h2>\n<ul>{''.join(told)}</ul>\n" if told else ""
