"""A version in service: its levels, single rows and tables, proof by golden rows, reload."""
