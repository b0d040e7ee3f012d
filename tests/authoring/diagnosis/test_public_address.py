"""What `doctor --public` says of a real nginx that is right, and that is wrong in one place."""

import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from bridge.authoring.diagnosis.public_stream import HeardStream, judged_stream
from bridge.local.ports import free_port
from tests import processes
from tests.bridge_processes import Bridge, running_bridge
from tests.commands import run
from tests.proxies.programs import PROGRAMS
from tests.proxies.trials import ports_of
from tests.raw_server import raw_server
from tests.tls import CERTIFICATE, serving_tls

NGINX = PROGRAMS[0]
KEEPALIVE_S = 2

behind_nginx = pytest.mark.skipif(NGINX.path is None, reason="there is no nginx on this machine")


@pytest.fixture(scope="module")
async def bridge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bridge]:
    folder = tmp_path_factory.mktemp("bridge")
    async with running_bridge(folder, workers=0, BRIDGE_KEEPALIVE_S=str(KEEPALIVE_S)) as running:
        yield running


async def looked_at(bridge: Bridge, folder: Path, url: str) -> dict[str, dict[str, str]]:
    """Run the command; returns what it found of the public address, by its id."""
    environ = bridge.environ | {"HOME": str(folder)}
    _, said = await run("doctor", "--json", "--public", url, environ=environ, folder=folder)
    found = json.loads(said)["findings"]
    return {each["id"]: each for each in found if each["id"].startswith("public")}


async def through_nginx(
    bridge: Bridge, folder: Path, silence_s: float | None = None, **changed: str
) -> dict[str, dict[str, str]]:
    """Look through nginx as its sample has it, but for lines that begin with these words."""
    here = dict(NGINX.here)
    here |= {SAMPLE[name]: text for name, text in changed.items()}
    program = replace(NGINX, here=here)
    (port,) = ports_of(bridge)
    async with program.running(folder / "nginx", (port, port), silence_s) as url:
        return await looked_at(bridge, folder, url)


SAMPLE = {
    "buffering": "proxy_buffering off; ",
    "size": "client_max_body_size 17m; ",
    "host": "Host $host;",
    "zip": "gzip off;",
}


def wrong_in(found: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    return {name: each for name, each in found.items() if each["severity"] != "ok"}


@behind_nginx
async def test_the_sample_for_nginx_is_right(bridge: Bridge, tmp_path: Path) -> None:
    found = await through_nginx(bridge, tmp_path)

    assert wrong_in(found) == {}
    assert found.keys() == {
        "public",
        *("public.host", "public.clients", "public.headers", "public.body"),
        *("public.first_byte", "public.stream"),
    }


@dataclass(frozen=True)
class WrongNginx:
    """What is changed in the sample, or after what silence it cuts, and what is then found."""

    changed: dict[str, str]
    identifier: str
    severity: str
    sentence: str
    silence_s: float | None = None


ZIPPED = "gzip on; gzip_types text/event-stream; gzip_min_length 0; gzip_proxied any;"
BUFFERED = "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering; "
NO_BOTS = 'if ($http_user_agent ~ "axios") {{ return 403; }} gzip off;'
NO_HOOKS = "if ($uri ~ ^/(hooks|sse)/) {{ return 404; }} gzip off;"
SHORT_BODIES = "client_max_body_size 1m; "
SHORT_HEADERS = "client_max_body_size 17m; large_client_header_buffers 4 2k; "


@behind_nginx
@pytest.mark.parametrize(
    "case",
    [
        # By itself its buffer lets go of what is short; the one of gzip keeps it.
        WrongNginx(
            {"buffering": BUFFERED, "zip": ZIPPED},
            "public.buffering",
            "error",
            "nothing of a stream comes within 5 s: something buffers it",
        ),
        WrongNginx({}, "public.cut", "error", "something cuts a stream after ", silence_s=1),
        WrongNginx(
            {"size": SHORT_BODIES},
            "public.body",
            "warning",
            "refuses bodies of 16 MiB (413), though those of 1 MiB are taken",
        ),
        WrongNginx(
            {"size": SHORT_HEADERS},
            "public.headers",
            "error",
            "headers of 6 KiB do not come through",
        ),
        WrongNginx({"host": "Host bridge.example.com;"}, "public.host", "error", "(421)"),
        WrongNginx({"zip": NO_BOTS}, "public.bots", "error", "takes n8n for bots"),
        WrongNginx(
            {"zip": NO_HOOKS},
            "public.paths",
            "error",
            "something else than the bridge answers below /hooks, /sse",
        ),
    ],
    ids=lambda case: case.identifier,
)
async def test_what_is_wrong_with_nginx_is_named(
    bridge: Bridge, tmp_path: Path, case: WrongNginx
) -> None:
    found = wrong_in(await through_nginx(bridge, tmp_path, case.silence_s, **case.changed))

    assert found[case.identifier]["severity"] == case.severity
    assert case.sentence in found[case.identifier]["sentence"]
    assert found[case.identifier]["remedy"]
    assert found.keys() - {case.identifier} <= {"public.refused"}


async def test_an_address_without_a_proxy_or_without_a_bridge_is_named(
    bridge: Bridge, tmp_path: Path
) -> None:
    nowhere = await looked_at(bridge, tmp_path, f"http://127.0.0.1:{free_port()}")
    async with raw_server() as other:
        no_bridge = await looked_at(bridge, tmp_path, other.url)
        other.answer = (
            b"HTTP/1.1 403 Forbidden\r\ncf-mitigated: challenge\r\nContent-Length: 0\r\n\r\n"
        )
        challenged = await looked_at(bridge, tmp_path, other.url)

    assert nowhere["public.unreachable"]["severity"] == "error"
    assert "is no bridge (200 for /healthz)" in no_bridge["public.not_bridge"]["sentence"]
    assert "Cloudflare" in challenged["public.bots"]["remedy"]
    assert all(b"Bearer" not in request for request in other.requests)


CLOUDFLARE = httpx2.Headers({"cf-ray": "8f"})


@pytest.mark.parametrize(
    ("heard", "keepalive_s", "expected"),
    [
        (HeardStream(200, CLOUDFLARE, [0.1, 15.1, 30.1], 33), 15, {"public.keepalive"}),
        (HeardStream(200, CLOUDFLARE, [0.1, 8.1, 16.1], 19), 8, set()),
        (HeardStream(200, arrivals_s=[0.1, 60.0], listened_s=61), 15, {"public.held"}),
        (HeardStream(200, arrivals_s=[0.1], ended_s=100, listened_s=100), 15, {"public.cut"}),
        (HeardStream(401), 15, {"public.refused"}),
        (HeardStream(ended_s=0.1, listened_s=0.1), 15, {"public.cut"}),
    ],
)
def test_what_holds_or_cuts_a_stream_is_told_by_when_its_bytes_came(
    heard: HeardStream, keepalive_s: float, expected: set[str]
) -> None:
    seen = list(judged_stream("https://b.example", heard, keepalive_s))

    assert {each.id for each in seen if each.severity != "ok"} == expected


@pytest.mark.parametrize("options", [("--public", "b.example"), ("--silence",)])
async def test_a_public_address_that_is_none_is_wrong_use(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    status, _ = await run("doctor", *options, environ={}, folder=tmp_path)

    assert status == 2


@pytest.mark.parametrize(("is_named", "finding"), [(True, "public"), (False, "public.unreachable")])
async def test_a_ca_of_ones_own_is_trusted_where_it_is_named(
    tmp_path: Path, is_named: bool, finding: str
) -> None:
    app = Starlette(routes=[Route("/healthz", lambda _: Response('{"status":"alive"}'))])
    async with serving_tls(app, tmp_path, "localhost") as (port, _):
        named = {"SSL_CERT_FILE": str(tmp_path / CERTIFICATE)} if is_named else {}
        url = f"https://localhost:{port}"
        environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)} | named
        # In a process of its own, for one reads the certificates that it trusts once.
        asked = ("doctor", "--json", "--public", url)
        _, said = await processes.run(*asked, environ=environ, folder=tmp_path)
    assert finding in {each["id"] for each in json.loads(said)["findings"]}
