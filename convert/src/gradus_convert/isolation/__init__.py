"""Work on files that nobody vouches for, in a process of its own with bounded memory and time.

`parent.call` starts the process and relays what it says; `child` is what runs in it. They speak JSON by
lines; no object crosses. A crash, an endless loop and full memory end the child; the parent raises an error.
"""

from gradus_convert.isolation.parent import ProcessLimits, call

__all__ = ["ProcessLimits", "call"]
