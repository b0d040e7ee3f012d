"""From what people call a thing to what programs may: names of tools and of variables."""

import re

_NO_PREFIX = re.compile(r"[0-9]|BRIDGE")
"""No variable begins with a digit, and what begins with BRIDGE could be a setting's name."""


def tool_name(told: str) -> str:
    """Return a name as Python and models like to spell one; empty where no letter of it is left."""
    return re.sub(r"[^a-z0-9]+", "_", told.lower()).strip("_")


def variable_name(told: str) -> str:
    """Return a name as the environment has it, likewise."""
    return tool_name(told).upper()


def prefix_of(server: str) -> str:
    """Return what the variables of a server begin with."""
    upper = variable_name(server)
    return f"SERVER_{upper}" if _NO_PREFIX.match(upper) else upper
