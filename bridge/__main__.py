"""`python -m bridge` and `n8n-bridge`: the one place that knows both the bridge and its workers."""

import gc

from bridge.cli.main import commands
from workers.command import worker

commands.add_command(worker)

GARBAGE_AFTER = 10_000
"""How many more objects there are before a process looks for garbage among them.

A few hundred are those of the requests at hand, which go by themselves, and those that a start
loads stay: each look is for nothing, and together they took a fifth of a start.
"""


def main() -> None:
    """Run the command that the arguments name."""
    gc.set_threshold(GARBAGE_AFTER)
    commands(prog_name="n8n-bridge")


if __name__ == "__main__":
    main()
