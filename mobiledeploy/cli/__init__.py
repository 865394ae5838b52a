"""The command line: one file a command, each of which parses, makes one call and prints."""

from mobiledeploy.cli.command_line import main, run

__all__ = ["main", "run"]
