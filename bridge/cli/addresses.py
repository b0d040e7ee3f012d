"""The option that names where a bridge is."""

import click

from bridge.formats.addresses import web_address


def bridge_address(
    _context: click.Context, _option: click.Parameter, raw: str | None
) -> str | None:
    """Read the address of a bridge that an option was given, without a slash at its end."""
    try:
        return raw and web_address(raw).geturl().rstrip("/")
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
