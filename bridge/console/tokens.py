"""Tokens that let Claude's clients in: those that were made, making more, and taking them back."""

from http import HTTPStatus

from starlette.responses import Response

from bridge.auth.authentication import Scope
from bridge.configuration.servers import Server
from bridge.console.visits import Visit
from bridge.errors import ConflictError, MalformedError, NotFoundError
from bridge.formats.quantities import seconds
from bridge.log import audit
from bridge.verbs.tokens import LIFETIME_MIN_S, LIFETIME_RULE, NAME, NAME_RULE
from bridge.web.problems import status_of


async def show_tokens(visit: Visit) -> Response:
    """Show the tokens that were made, and a form to make one."""
    return await _page(visit)


async def add_token(visit: Visit) -> Response:
    """Make a token and show it, this once."""
    try:
        token, kept = await visit.runtime.authenticator.tokens.add(_server(visit), *_asked(visit))
    except (ConflictError, MalformedError, NotFoundError) as error:
        return await _page(visit, status_of(error), fault=str(error))
    audit(visit.login.who, "console tokens add", kept.token_id, "done")
    return await _page(visit, made=token, made_id=kept.token_id)


async def revoke_token(visit: Visit) -> Response:
    """Make a token good for nothing."""
    token_id = visit.request.path_params["token_id"]
    await visit.runtime.authenticator.tokens.revoke(token_id)
    audit(visit.login.who, "console tokens revoke", token_id, "done")
    return visit.back_to("/tokens")


def _server(visit: Visit) -> Server:
    server = visit.runtime.servers.get(visit.form.get("server", ""))
    if server is None:
        raise NotFoundError("choose a server")
    return server


def _asked(visit: Visit) -> tuple[str, Scope, float | None]:
    """Read name, rights and lifetime off the form.

    Raises:
        MalformedError: one of them is none.
    """
    form = visit.form
    name, expires = form.get("name", "").strip(), form.get("expires", "").strip()
    if not NAME.fullmatch(name):
        raise MalformedError(f"the name {NAME_RULE}")
    try:
        expires_s = seconds(expires) if expires else None
    except ValueError as error:
        raise MalformedError(f"the lifetime {error}") from error
    if expires_s is not None and expires_s < LIFETIME_MIN_S:
        raise MalformedError(f"the lifetime {LIFETIME_RULE}")
    hooks, workflows = _names(form.get("hooks", "")), _names(form.get("workflows", ""))
    acts = form.get("rights") != "read"
    scope = Scope(acts, hooks, workflows) if hooks or workflows else Scope(acts)
    return name, scope, expires_s


def _names(text: str) -> frozenset[str]:
    return frozenset(text.replace(",", " ").split())


async def _page(
    visit: Visit,
    status: int = HTTPStatus.OK,
    fault: str = "",
    made: str = "",
    made_id: str = "",
) -> Response:
    return visit.page(
        "tokens.html",
        status,
        tokens=await visit.runtime.authenticator.tokens.list(),
        servers=sorted(visit.runtime.servers),
        filled={} if made else visit.form,
        fault=fault,
        made=made,
        made_id=made_id,
    )
