"""n8n: whether it is where the settings say, answers webhooks, and takes the key to its API."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Iterable
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx2

from bridge.configuration.servers import Server
from bridge.configuration.settings import Settings
from bridge.diagnosis.checks import asking, why_unreachable
from bridge.diagnosis.observations import (
    Observation,
    doubtful,
    passed_over,
    right,
    wrong,
)
from bridge.errors import BridgeError, InvalidError
from bridge.n8n.api import N8nApi
from bridge.n8n.reply_address import ReplyAddresses

ANSWERS_S = 10.0
"""How long its API may take for all that it is asked."""
NOBODY = 2_147_483_647
"""An execution that there is not: the last number that n8n's database can hold."""

EXECUTIONS = "execution:read"

SCOPES = {
    "workflow:list": "/workflows?limit=1",
    "workflow:read": "/workflows/there-is-none",
    EXECUTIONS: f"/executions/{NOBODY}",
}
"""What the bridge asks n8n's API for, by the scope that it takes; none of it changes anything."""

USED_FOR = {
    "workflow:list": "`n8n-bridge discover`",
    "workflow:read": "`n8n-bridge discover`",
    EXECUTIONS: "workflows with `result: execution`",
}
NEW_KEY = "make a key that has it in n8n under Settings, n8n API, and set BRIDGE_N8N_API_KEY"
MEND = "start n8n, or mend BRIDGE_N8N_URL"


async def check_n8n(settings: Settings) -> AsyncIterator[Observation]:
    """Ask n8n whether it is there, and whether it is n8n."""
    url = settings.n8n_url
    if url is None:
        say = passed_over if settings.redis_url is None else doubtful
        yield say(
            "n8n.none",
            "n8n",
            "BRIDGE_N8N_URL is not set: `up` plays n8n, but `web` and `worker` know none",
            "set BRIDGE_N8N_URL to the address of your n8n",
        )
        return
    async with asking() as http:
        try:
            health = await http.get(f"{url}/healthz")
            webhook = await http.post(f"{url}/webhook/n8n-bridge-doctor-{secrets.token_hex(8)}")
        except (httpx2.HTTPError, OSError) as error:
            why, mend = why_unreachable(error)
            yield wrong("n8n.unreachable", url, f"it cannot be reached: {why}", mend or MEND)
            return
        itself = await _address_of_itself(http, url)
    yield _of_health(url, health)
    yield _of_webhook(url, webhook)
    yield _of_replies(settings, url, itself)


async def check_n8n_key(
    settings: Settings, servers: Iterable[Server]
) -> AsyncIterator[Observation]:
    """Ask n8n's API for what the bridge asks of it, to learn what its key may."""
    url, key = settings.n8n_url, settings.n8n_api_key
    if url is None or key is None:
        yield passed_over(
            "n8n.no_key",
            "n8n API",
            "BRIDGE_N8N_API_KEY is not set; `discover` and `result: execution` need it",
            "make a key in n8n under Settings, n8n API",
        )
        return
    try:
        async with asyncio.timeout(ANSWERS_S), N8nApi(url, key.get_secret_value()) as api:
            statuses = {scope: await api.status_of(path) for scope, path in SCOPES.items()}
    except (BridgeError, TimeoutError) as error:
        said = str(error) or f"n8n at {url} did not answer within {ANSWERS_S:g} s"
        yield passed_over("n8n.api", "n8n API", said)
        return
    yield _of_statuses(statuses, follows=_follows_executions(servers))


def _of_health(url: str, answer: httpx2.Response) -> Observation:
    if answer.status_code == HTTPStatus.OK:
        return right("n8n", url, "it answers, and says that it is well (/healthz)")
    return wrong(
        "n8n.health", url, f"/healthz answers {answer.status_code}", "see n8n's own log, or " + MEND
    )


def _of_webhook(url: str, answer: httpx2.Response) -> Observation:
    """Judge what came back from a webhook that nobody has: n8n says so in JSON."""
    status, kind = answer.status_code, answer.headers.get("content-type", "")
    if status == HTTPStatus.NOT_FOUND and "json" in kind and "not registered" in answer.text:
        return right("n8n.webhooks", url, "its webhooks can be called, and are n8n's")
    if answer.is_redirect or status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return wrong(
            "n8n.guarded",
            url,
            f"something before n8n answers {status} for its webhooks: a login, or a firewall",
            "let the bridge through to /webhook/ and /webhook-waiting/, or send what lets it in "
            "with `headers` of the workflows",
        )
    return wrong(
        "n8n.webhooks",
        url,
        f"what answers {status} for a webhook that there is not is no n8n, or one that is starting",
        "let BRIDGE_N8N_URL name n8n itself, with the path that it has, if any",
    )


async def _address_of_itself(http: httpx2.AsyncClient, url: str) -> str:
    """Return how n8n writes its own address, where it says so; it does without a login.

    Source: n8n 2.41, modules/oauth-server/oauth.controller.js and services/url.service.js: the
    issuer is N8N_EDITOR_BASE_URL or, where that is not set, what resume addresses begin with.
    """
    with contextlib.suppress(httpx2.HTTPError, OSError, ValueError):
        answer = await http.get(f"{url}/.well-known/oauth-authorization-server")
        told = json.loads(answer.content)
        issuer = told.get("issuer") if isinstance(told, dict) else None
        if isinstance(issuer, str) and urlsplit(issuer).hostname:
            return issuer.rstrip("/")
    return ""


def _of_replies(settings: Settings, url: str, itself: str) -> Observation:
    addresses = ReplyAddresses.of(settings)
    origins = ", ".join(sorted(set(addresses.origins.values())))
    if not itself:
        return right(
            "n8n.replies",
            url,
            f"replies may go to {origins} and nowhere else",
            "compare with the Production URL that a Webhook node shows (n8n's WEBHOOK_URL): if it "
            "begins otherwise, add its origin to BRIDGE_REPLY_ORIGINS",
        )
    try:
        addresses.check(f"{itself}/webhook-waiting/1")
    except InvalidError:
        return doubtful(
            "n8n.replies",
            url,
            f"n8n writes its own address as {itself}, and replies may only go to {origins} below "
            f"{', '.join(addresses.paths)}",
            _mend_of_replies(addresses, itself),
        )
    said = f"n8n writes its own address as {itself}, and replies may go there"
    return right("n8n.replies", url, said)


def _mend_of_replies(addresses: ReplyAddresses, itself: str) -> str:
    parts = urlsplit(itself)
    origin = f"{parts.scheme}://{parts.netloc}"
    needed = []
    if origin.lower() not in addresses.origins:
        needed.append(f"add {origin} to BRIDGE_REPLY_ORIGINS")
    if not f"{parts.path}/webhook-waiting/".startswith(addresses.paths):
        needed.append(f"set BRIDGE_REPLY_PATHS={parts.path}/webhook-waiting/")
    unless = "or mend n8n's WEBHOOK_URL, unless only its N8N_EDITOR_BASE_URL is written so"
    return ", and ".join(needed) + f"; {unless}"


def _of_statuses(statuses: dict[str, int], *, follows: bool) -> Observation:
    if HTTPStatus.UNAUTHORIZED in statuses.values():
        remedy = "make a new key in n8n under Settings, n8n API"
        return wrong("n8n.key", "n8n API", "n8n refuses BRIDGE_N8N_API_KEY", remedy)
    lacking = [scope for scope, status in statuses.items() if status == HTTPStatus.FORBIDDEN]
    if EXECUTIONS in lacking and follows:
        sentence = f"the key lacks the scope {EXECUTIONS}, and there are {USED_FOR[EXECUTIONS]}"
        return wrong("n8n.scope", "n8n API", sentence, NEW_KEY)
    if len(lacking) == len(statuses):
        sentence = f"the key has none of the scopes {', '.join(lacking)}"
        return doubtful("n8n.scope", "n8n API", sentence, NEW_KEY)
    strange = statuses["workflow:list"]
    if strange not in (HTTPStatus.OK, HTTPStatus.FORBIDDEN):
        sentence = f"n8n answers {strange} where its API should be"
        remedy = "see that n8n's public API is on (N8N_PUBLIC_API_DISABLED), and its path"
        return doubtful("n8n.api", "n8n API", sentence, remedy)
    held = ", ".join(scope for scope in statuses if scope not in lacking)
    hint = ", ".join(f"{scope}, which it lacks, is for {USED_FOR[scope]}" for scope in lacking)
    return right("n8n.key", "n8n API", f"the key is taken, and may {held}", hint)


def _follows_executions(servers: Iterable[Server]) -> bool:
    return any(
        workflow.result == "execution"
        for server in servers
        for workflow in server.workflows.values()
    )
