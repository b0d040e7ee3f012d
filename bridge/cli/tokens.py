"""`n8n-bridge tokens`: what lets Claude clients in, beside the tokens of the server files."""

from collections.abc import Mapping

import click

from bridge.auth.authentication import Scope
from bridge.cli.acting import act_on_named
from bridge.cli.operating import Operation, operate
from bridge.cli.options import as_json as json_option
from bridge.cli.options import duration
from bridge.cli.output import print_record, print_rows
from bridge.errors import NotFoundError
from bridge.log import OPERATOR, audit
from bridge.models import instant
from bridge.store.tokens import StoredToken
from bridge.verbs.tokens import LIFETIME_MIN_S, LIFETIME_RULE, NAME, NAME_RULE

COLUMNS = "token_id server name rights hooks workflows created_at expires_at"

Environ = Mapping[str, str]


@click.group()
def tokens() -> None:
    """Make, list and revoke tokens of Claude clients."""


@tokens.command("ls")
@click.option("--server", help="Only of this server.")
@json_option
@click.pass_obj
def list_tokens(environ: Environ, server: str | None, as_json: bool) -> None:
    """List tokens that were made by command, oldest first; never the tokens themselves."""

    async def work(operation: Operation) -> None:
        found = await operation.tokens.list(server)
        print_rows([token_row(token) for token in found], COLUMNS, as_json=as_json)

    operate(environ, work)


@tokens.command("add")
@click.argument("server")
@click.argument("name")
@click.option("--act/--read", "acts", default=True, help="Everything, or reading only. [act]")
@click.option("--hook", "hooks", multiple=True, help="Only this hook; may be repeated.")
@click.option("--workflow", "workflows", multiple=True, help="Only this workflow; as --hook.")
@click.option("--expires", callback=duration, help="Good for 12h, 90d, …; else until revoked.")
@json_option
@click.pass_obj
def add_token(
    environ: Environ,
    server: str,
    name: str,
    acts: bool,
    hooks: tuple[str, ...],
    workflows: tuple[str, ...],
    expires: float | None,
    as_json: bool,
) -> None:
    """Make a token for NAME at SERVER and print it, this once.

    With --hook or --workflow it is good for what they name and nothing else. Tokens of one NAME are
    one principal: make a second one, put it in place, and revoke the first.
    """
    if not NAME.fullmatch(name):
        raise click.BadParameter(NAME_RULE, param_hint="NAME")
    if expires is not None and expires < LIFETIME_MIN_S:
        raise click.BadParameter(LIFETIME_RULE, param_hint="--expires")
    scope = _scope(acts, hooks, workflows)

    async def work(operation: Operation) -> None:
        known = operation.servers.get(server)
        if known is None:
            there = ", ".join(operation.servers) or "none"
            raise NotFoundError(f"no sound server file is named {server}; there are: {there}")
        token, kept = await operation.tokens.add(known, name, scope, expires)
        audit(OPERATOR, "tokens add", kept.token_id, "done")
        print_record({"token": token, **token_row(kept)}, as_json=as_json)

    operate(environ, work)


@tokens.command("revoke")
@click.argument("token_ids", nargs=-1, required=True)
@json_option
@click.pass_obj
def revoke_tokens(environ: Environ, token_ids: tuple[str, ...], as_json: bool) -> None:
    """Make tokens good for nothing, at once and everywhere, by the ids that `ls` shows."""

    async def revoke(operation: Operation, token_id: str) -> dict[str, object]:
        token = await operation.tokens.revoke(token_id)
        return {"status": "revoked", "server": token.principal.server, "name": token.principal.name}

    act_on_named(environ, "tokens revoke", token_ids, revoke, as_json=as_json)


def token_row(token: StoredToken) -> dict[str, object]:
    """Return what is shown of a token; `hooks` and `workflows` are null where all are meant."""
    scope, expires_at_ms = token.scope, token.expires_at_ms
    return {
        "token_id": token.token_id,
        "server": token.principal.server,
        "name": token.principal.name,
        "rights": "act" if scope.acts else "read",
        "hooks": None if scope.hooks is None else sorted(scope.hooks),
        "workflows": None if scope.workflows is None else sorted(scope.workflows),
        "created_at": instant(token.created_at_ms),
        "expires_at": None if expires_at_ms is None else instant(expires_at_ms),
    }


def _scope(acts: bool, hooks: tuple[str, ...], workflows: tuple[str, ...]) -> Scope:
    if not hooks and not workflows:
        return Scope(acts)
    return Scope(acts, frozenset(hooks), frozenset(workflows))
