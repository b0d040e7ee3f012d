"""Layouts of the store: how its records are laid out, and which versions of the bridge read them.

A layout is a number. The store has one, in which all that is new is written; a process reads that
of its version (NEWEST) and all before. Every step looks at the store's layout first and takes
nothing of a store in a later one, so that no process misreads what it does not know.
"""

from bridge.redis_faults import NEWER_LAYOUT

NEWEST = 1
"""The latest layout that this version reads, and writes once all processes read it."""

NOW = "layouts.now"
"""What of the Lua modules is the layout of the store."""

MARK = f"@{NEWEST}"
"""How the id of a process ends: with the latest layout that it reads. Without a mark that is 1."""


def guard(layout: str) -> str:
    """Return the line of Lua that ends a step where the store's layout is a later one."""
    return (
        f"if {layout} > {NEWEST} then return redis.error_reply('{NEWER_LAYOUT} ' .. {layout}) end"
    )
