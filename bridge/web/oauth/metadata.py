"""What OAuth clients read first: who issues the tokens of a server, and what that issuer can."""

from urllib.parse import urlsplit

from mcp.server.auth.routes import build_metadata
from mcp.server.auth.settings import ClientRegistrationOptions, RevocationOptions
from pydantic import AnyHttpUrl, TypeAdapter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bridge.errors import NotFoundError
from bridge.formats.addresses import is_host
from bridge.verbs.oauth_grants import WIRES
from bridge.verbs.tokens import SCOPES
from bridge.web.middleware import state_of

NO_LOGIN = (
    "your token is missing or wrong, and there is no login here that could mend that (BRIDGE_OAUTH "
    "is not set): have the client send the header `Authorization: Bearer TOKEN`, with a token of "
    "this server"
)
"""What clients show that answer a 401 by trying to register; so it speaks to who set them up."""


async def show_resource(request: Request) -> Response:
    """Report who issues tokens for an MCP address.

    Source: RFC 9728, 3; MCP 2025-11-25, "Authorization Server Discovery".
    """
    runtime = state_of(request).runtime
    wire, server = (request.path_params[name] for name in ("wire", "server"))
    settings, known = runtime.settings, runtime.servers.get(server)
    issuer = settings.oauth_issuer or (settings.public_url if settings.oauth else None)
    if issuer is None or known is None or wire not in WIRES:
        raise NotFoundError("nothing here")
    return JSONResponse(
        {
            "resource": f"{settings.public_url}/{wire}/{server}",
            "resource_name": known.title,
            "authorization_servers": [issuer],
            "scopes_supported": list(SCOPES),
            "bearer_methods_supported": ["header"],
        }
    )


async def show_authorization_server(request: Request) -> Response:
    """Report what the built-in authorization server can, and where (RFC 8414)."""
    issuer = demand_built_in(request)
    url = TypeAdapter(AnyHttpUrl).validate_python(issuer)
    described = build_metadata(
        url,
        None,
        ClientRegistrationOptions(enabled=True, valid_scopes=list(SCOPES)),
        RevocationOptions(enabled=True),
    )
    described.token_endpoint_auth_methods_supported = ["none"]
    described.revocation_endpoint_auth_methods_supported = ["none"]
    described.client_id_metadata_document_supported = True
    described.authorization_response_iss_parameter_supported = True
    # Clients compare the issuer letter by letter (RFC 8414, 3.3), so it is said as it was set.
    return JSONResponse(described.model_dump(mode="json", exclude_none=True) | {"issuer": issuer})


def is_built_in(request: Request) -> bool:
    """Report whether the built-in authorization server is on."""
    settings = state_of(request).runtime.settings
    return bool(settings.oauth and settings.public_url)


def demand_built_in(request: Request) -> str:
    """Return the issuer's name where the built-in authorization server is on.

    Raises:
        NotFoundError: it is off.
    """
    settings = state_of(request).runtime.settings
    if not settings.oauth or not settings.public_url:
        raise NotFoundError(NO_LOGIN)
    return settings.public_url


def origin_of(url: str) -> str:
    """Return the scheme and host that an address leads to, as a Content-Security-Policy names them.

    A scheme of an app, and a host that has no form there (an IPv6 address has none), are named by
    the scheme alone.
    """
    parts = urlsplit(url)
    is_web = parts.scheme in ("http", "https") and is_host(parts.netloc) and "[" not in parts.netloc
    return f"{parts.scheme}://{parts.netloc}" if is_web else f"{parts.scheme}:"
