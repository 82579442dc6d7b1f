"""The command `gradus`: argparse, one subcommand a module."""

from gradus_runtime.cli.main import main

__all__ = ["main"]
