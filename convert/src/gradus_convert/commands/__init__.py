"""The commands that convert adds to `gradus`. One light module a command."""
