"""Takes every secret that the bridge sent out of what comes back."""

import base64
import json
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from pydantic import SecretStr

from bridge.auth.caller_tokens import BEGIN, TOKEN
from bridge.configuration.servers import BasicAuth, BearerAuth, HeaderAuth, Workflow
from bridge.formats.json_text import decode, encode
from bridge.models import Json
from bridge.n8n.outcomes import (
    Answered,
    ExecutionOutcome,
    ResultFile,
    RunOutcome,
    StillRunning,
    Succeeded,
)
from bridge.n8n.reply_address import secrets_in

AnyOutcome = TypeVar("AnyOutcome", bound=RunOutcome | ExecutionOutcome)

MARK = "[secret]"
JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def scrub_text(text: str, secrets: Iterable[str]) -> str:
    """Replace every secret in a text, and every token that tells who asks."""
    known = sorted(filter(None, secrets), key=len, reverse=True)
    text = re.sub("|".join(map(re.escape, known)), MARK, text) if known else text
    return TOKEN.sub(MARK, text) if BEGIN in text else text


def scrub(value: Json, secrets: Iterable[str]) -> Json:
    """Replace the same in all strings of a JSON value, however deep, names of members included.

    Works on the JSON text, for values may nest deeper than calls can.
    """
    known = tuple(filter(None, secrets))
    text = encode(value).decode()
    if not any(json.dumps(secret)[1:-1] in text for secret in (*known, BEGIN)):
        return value

    def scrubbed(string: re.Match[str]) -> str:
        return json.dumps(scrub_text(json.loads(string[0]), known))

    cleaned: Json = decode(JSON_STRING.sub(scrubbed, text))
    return cleaned


def _scrub_file(file: ResultFile, secrets: Iterable[str]) -> ResultFile:
    known = sorted(filter(None, secrets), key=len, reverse=True)
    content = file.content
    for secret in known:
        content = content.replace(secret.encode(), MARK.encode())
    content = re.sub(TOKEN.pattern.encode(), MARK.encode(), content)
    return replace(file, content=content, name=scrub_text(file.name, known))


def secrets_sent(workflow: Workflow, callback_url: str | None = None) -> frozenset[str]:
    """Name every secret that a run of a workflow sends, in each form n8n may give it back."""
    headers = (each for each in workflow.headers.values() if isinstance(each, SecretStr))
    return frozenset(
        (
            *_of_auth(workflow),
            *(each.get_secret_value() for each in headers),
            *(secrets_in(callback_url) if callback_url else ()),
        )
    )


def _of_auth(workflow: Workflow) -> tuple[str, ...]:
    match workflow.auth:
        case HeaderAuth(name=name, value=secret):
            value = secret.get_secret_value()
            return (value, value.partition(" ")[2]) if name.lower() == "authorization" else (value,)
        case BearerAuth(token=secret):
            return (secret.get_secret_value(),)
        case BasicAuth(user=user, password=secret):
            password = secret.get_secret_value()
            return password, base64.b64encode(f"{user}:{password}".encode()).decode()
    return ()


def scrub_outcome(outcome: AnyOutcome, secrets: Iterable[str]) -> AnyOutcome:
    """Replace every secret in what a workflow's answer says."""
    known = tuple(secrets)
    if isinstance(outcome, Succeeded):
        return replace(outcome, value=scrub(outcome.value, known))
    if isinstance(outcome, Answered):
        page = None if outcome.page is None else scrub_text(outcome.page, known)
        file = _scrub_file(outcome.file, known) if outcome.file else None
        return replace(outcome, value=scrub(outcome.value, known), page=page, file=file)
    if isinstance(outcome, StillRunning):
        return outcome
    reason = scrub_text(outcome.reason, known)
    # Words may be JSON as it is written, where a secret stands as a part of a string does.
    written = (json.dumps(secret, ensure_ascii=False)[1:-1] for secret in known)
    return replace(outcome, reason=reason, words=scrub_text(outcome.words, {*known, *written}))
