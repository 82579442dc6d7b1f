"""`gradus metrics`: serve what journals tell, for Prometheus."""

from __future__ import annotations

import argparse
from pathlib import Path

from gradus_runtime.cli.command import Command

__all__ = ["COMMAND"]


def _configure(parser: argparse.ArgumentParser) -> None:
    from gradus_runtime.cli import options

    options.add_journal(parser)
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: this machine only)"
    )
    parser.add_argument("--port", type=int, default=9464, help="port to listen on (default: 9464)")
    parser.add_argument("--once", action="store_true", help="print the metrics and exit")
    parser.add_argument("--store", type=Path, help="a store: adds the metrics of drift")


def _run(args: argparse.Namespace) -> int:
    from gradus_live.contracts_of import manifests_of
    from gradus_live.journal_metrics import JournalMetrics
    from gradus_live.server import open_server
    from gradus_runtime.cli import output

    metrics = JournalMetrics(args.journal, {} if args.store is None else manifests_of(args.store))
    if args.once:
        text = metrics.text()
        if args.json:
            output.print_json({"metrics": text})
        else:
            print(text, end="")
        return 0
    server = open_server(metrics.text, args.host, args.port)
    print(f"metrics at http://{server.server_address[0]!s}:{server.server_port}/metrics", flush=True)
    with server:
        server.serve_forever()
    return 0


COMMAND = Command(
    "metrics",
    "serve the metrics of journals for Prometheus; by default on this machine only",
    "gradus metrics --journal journal/ --port 9464",
    _configure,
    _run,
)
