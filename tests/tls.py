"""An app over TLS on loopback, by a certificate that only those trust who are told to."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from starlette.applications import Starlette

HERE = "127.0.0.1"
CERTIFICATE = "certificate.pem"


@asynccontextmanager
async def serving_tls(
    app: Starlette, folder: Path, name: str
) -> AsyncIterator[tuple[int, ssl.SSLContext]]:
    """Serve an app whose certificate is for `name`; returns the port, and who trusts it.

    The certificate lies in `folder` as CERTIFICATE.
    """
    file, trust = certified(folder, name)
    config = uvicorn.Config(
        app, host=HERE, port=0, ssl_keyfile=file, ssl_certfile=file, log_config=None
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield server.servers[0].sockets[0].getsockname()[1], trust
    finally:
        server.should_exit = True
        await server.shutdown()


def certified(folder: Path, host: str) -> tuple[Path, ssl.SSLContext]:
    """Write a key and a certificate for `host` into one file; returns it, and who trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "here")]), datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(host)])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / CERTIFICATE
    file.write_bytes(private + certificate.public_bytes(pem))
    return file, ssl.create_default_context(cadata=certificate.public_bytes(pem).decode())
