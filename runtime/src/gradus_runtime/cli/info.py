"""`gradus info`: what an artifact is."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gradus_runtime.cli.command import Command

if TYPE_CHECKING:
    from gradus_runtime.monitoring.health import Info

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_runtime.cli import options

    options.add_source(parser)
    options.add_provider(parser)


def _run(args: argparse.Namespace) -> int:
    from gradus_runtime.cli import options, output

    with options.open_predictor(args, drift=False) as predictor:
        info = predictor.info()
    if args.json:
        output.print_json(info)
    else:
        _print(info)
    return 0


def _print(info: Info) -> None:
    from gradus_runtime.cli import output
    from gradus_runtime.contracts.manifest import period

    print(f"{info.name} {info.version}")
    print(f"  digest    {info.digest}")
    print(f"  origin    {info.origin}")
    print(f"  data      {period(info.data_start, info.data_end)}{' (simulated)' if info.simulated else ''}")
    print(f"  features  {info.features}")
    print(f"  classes   {', '.join(info.classes)}")
    weak = f"below confidence {info.confidence_threshold:g}, or " if info.confidence_threshold > 0 else ""
    print(f"  decision  {weak}without a level: {info.fallback_action}")
    policy = f"{info.policy}: {info.policy_sentence}" if info.policy_sentence else info.policy
    output.print_wrapped("  policy    ", policy)
    print(f"  verdict   {info.verdict or 'unknown'}")
    for sentence in info.verdict_sentences:
        output.print_wrapped("            ", sentence)
    print(f"  provider  {info.provider}; native kernel: {info.kernel}")
    print(f"  service   {', then '.join(info.service) or 'no level proved itself'}")
    for name, why in info.not_in_service.items():
        when = f"{name} only where no level in service can answer"
        output.print_wrapped("            ", f"{when}: {why}" if why else when)
    print()
    rows = [
        (
            level.name,
            str(level.features),
            f"{level.vote} vote of {', '.join(f'{n} {w:g}' for n, w in level.members.items())}",
            str(level.trees),
            level.encoding,
            level.bits,
            f"{level.size / 1e3:,.0f} kB",
            output.headline(level.metrics),
        )
        for level in info.levels
    ]
    output.print_table(("LEVEL", "FEATURES", "MEMBERS", "TREES", "ENCODING", "BITS", "SIZE", "METRICS"), rows)


COMMAND = Command("info", "describe an artifact", "gradus info --store artifacts/btc-jpy", _configure, _run)
