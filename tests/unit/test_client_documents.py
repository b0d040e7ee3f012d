"""Client id metadata documents: whose address is taken, and which network is never asked."""

import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bridge.web.oauth.documents import (
    BYTES_MAX,
    ClientDocuments,
    UnusableDocumentError,
    is_address,
    is_public,
)

CALLBACK = "https://claude.ai/api/mcp/auth_callback"


@pytest.mark.parametrize(
    ("client_id", "is_one"),
    [
        ("https://claude.ai/oauth/client.json", True),
        ("https://claude.ai:8443/c", True),
        ("http://claude.ai/c", False),
        ("https://claude.ai", False),
        ("https://claude.ai/", False),
        ("https://claude.ai/a/../b", False),
        ("https://claude.ai/c#x", False),
        ("https://user@claude.ai/c", False),
        ("https://[::1]/c", False),
        ("https://claude.ai/" + "c" * 1000, False),
        ("file:///etc/passwd", False),
        ("6c8a3c5e", False),
    ],
)
def test_an_address_of_a_document_is_told_from_other_ids(client_id: str, is_one: bool) -> None:
    assert is_address(client_id) is is_one


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1",
        "fc00::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::",
        "::",
    ],
)
def test_addresses_of_this_network_are_not_public(host: str) -> None:
    assert not is_public(host)


@pytest.mark.parametrize("host", ["160.79.104.10", "1.1.1.1", "2606:4700::1111"])
def test_addresses_of_the_internet_are_public(host: str) -> None:
    assert is_public(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001"])
async def test_nobody_makes_the_bridge_ask_its_own_machine(host: str) -> None:
    with pytest.raises(UnusableDocumentError, match="cannot be read"):
        await ClientDocuments().fetch(f"https://{host}:9/c.json")


@asynccontextmanager
async def telling(
    folder: Path, tell: Callable[[str], Response]
) -> AsyncIterator[tuple[str, ClientDocuments]]:
    """Serve a document over TLS on loopback, and give one who may ask there."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "here")]), datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    file = folder / "key.pem"
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + certificate.public_bytes(pem))

    async def answer(request: Request) -> Response:
        return tell(str(request.url))

    app = Starlette(routes=[Route("/{path:path}", answer)])
    config = uvicorn.Config(app, port=0, ssl_keyfile=file, ssl_certfile=file, log_config=None)
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    port = server.servers[0].sockets[0].getsockname()[1]
    trust = ssl.create_default_context(cadata=certificate.public_bytes(pem).decode())
    try:
        is_let = lambda host: ip_address(host).is_loopback  # noqa: E731 - said where it is meant
        yield f"https://localhost:{port}/c.json", ClientDocuments(is_let, trust)
    finally:
        server.should_exit = True
        await server.shutdown()


def document(url: str, **changes: Any) -> Response:
    told = {"client_id": url, "redirect_uris": [CALLBACK], "client_name": "It"} | changes
    return Response(json.dumps(told))


async def test_a_client_is_what_its_document_says(tmp_path: Path) -> None:
    async with telling(tmp_path, document) as (url, documents):
        client = await documents.fetch(url)
    assert (client.client_id, client.client_name) == (url, "It")
    assert client.token_endpoint_auth_method == "none"


BAD: dict[str, Callable[[str], Response]] = {
    "another id": lambda url: document(url, client_id="https://evil.example/c"),
    "a secret": lambda url: document(url, client_secret="x"),
    "a key": lambda url: document(url, token_endpoint_auth_method="private_key_jwt"),
    "a bad redirect": lambda url: document(url, redirect_uris=["http://evil.example"]),
    "no redirect": lambda url: document(url, redirect_uris=[]),
    "a redirection": lambda url: RedirectResponse(url + "x"),
    "too much": lambda url: document(url, client_name="x" * BYTES_MAX),
    "no JSON": lambda _: Response("<html>"),
    "no object": lambda _: Response("[]"),
    "not there": lambda _: Response(status_code=404),
}


@pytest.mark.parametrize("fault", BAD)
async def test_a_document_with_a_fault_lets_nobody_in(tmp_path: Path, fault: str) -> None:
    async with telling(tmp_path, BAD[fault]) as (url, documents):
        with pytest.raises(UnusableDocumentError):
            await documents.fetch(url)


async def test_a_certificate_of_nobody_known_is_not_believed(tmp_path: Path) -> None:
    async with telling(tmp_path, document) as (url, documents):
        with pytest.raises(UnusableDocumentError, match="cannot be read"):
            await ClientDocuments(documents.is_let).fetch(url)
