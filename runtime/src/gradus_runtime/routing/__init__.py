"""Which level serves a row, and why not a better one."""
