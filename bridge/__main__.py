"""`python -m bridge` and `n8n-bridge`: the one place that knows both the bridge and its workers."""

from bridge.cli.main import commands
from workers.command import worker

commands.add_command(worker)


def main() -> None:
    """Run the command that the arguments name."""
    commands(prog_name="n8n-bridge")


if __name__ == "__main__":
    main()
