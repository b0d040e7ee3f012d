"""The option that names where a bridge is."""

import click

from bridge.formats.addresses import web_address


def bridge_address(
    _context: click.Context, _option: click.Parameter, raw: str | None
) -> str | None:
    """Read the address of a bridge that an option was given, without a slash at its end."""
    try:
        parts = web_address(raw) if raw is not None else None
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if parts and (parts.query or parts.fragment):
        raise click.BadParameter("must end before any ? or #")
    return parts and parts.geturl().rstrip("/")
