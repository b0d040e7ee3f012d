"""The page where a person says whether a client may act for them, and proves who they are.

Plain HTML: no script, no style, nothing from elsewhere, in no frame. The form counts only from the
browser that the page was shown to, which a cookie tells that no other site's form can bring along.
"""

import hashlib
import hmac
import secrets
from html import escape
from urllib.parse import urlsplit

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from bridge.errors import ConflictError, NotFoundError, UnauthorizedError
from bridge.log import UNKNOWN, audit
from bridge.store.grants import ConsentRequest
from bridge.verbs.oauth_grants import Grants, name_of
from bridge.verbs.tokens import ACT
from bridge.web.middleware import state_of
from bridge.web.oauth.clients import LOOPBACK, readable
from bridge.web.oauth.metadata import demand_built_in, origin_of
from bridge.web.oauth.provider import answer_uri
from bridge.web.problems import refuse_guess

COOKIE = "bridge-consent"
TOO_LATE = "this question is answered or too old: start again at the client"
NEAR = "\nThat is your own device, where any program can say that it is this one."

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Connect to {title}</title>
<h1>Connect to {title}?</h1>
<p><strong><bdi>{client}</bdi></strong> wants to {rights} <strong>{title}</strong> as you.</p>
<p>It says this name of itself. What it gets is sent to <strong>{target}</strong>{known}.{near}
Go on only if you have just asked for this.</p>
{fault}
<form method="post" action="consent" autocomplete="off">
<input type="hidden" name="id" value="{consent_id}">
<input type="hidden" name="proof" value="{proof}">
<p><label>Your token of this server <input type="password" name="token" size="40"></label></p>
<p><button name="answer" value="yes">Allow</button> <button name="answer" value="no">Refuse</button>
</p>
</form>
</html>
"""


async def show_consent(request: Request) -> Response:
    """Show what is asked."""
    demand_built_in(request)
    consent_id = request.query_params.get("id", "")
    asked = await _asked(request, consent_id)
    browser = request.cookies.get(COOKIE) or secrets.token_urlsafe(24)
    answer = _page(request, asked, consent_id, browser)
    issuer = urlsplit(_grants(request).issuer)
    at, is_secure = f"{issuer.path}/consent", issuer.scheme == "https"
    answer.set_cookie(COOKIE, browser, path=at, httponly=True, samesite="strict", secure=is_secure)
    return answer


async def take_consent(request: Request) -> Response:
    """Take the answer, and send the person back to the client with it."""
    issuer = demand_built_in(request)
    form = await request.form()
    consent_id, browser = _text(form, "id"), request.cookies.get(COOKIE, "")
    asked = await _asked(request, consent_id)
    if not browser or not hmac.compare_digest(_proof(consent_id, browser), _text(form, "proof")):
        raise UnauthorizedError("open the page again in this browser, and answer it there")
    if _text(form, "answer") != "yes":
        if await _grants(request).refuse(asked) and state_of(request).clients.has_a_line_left(
            request
        ):
            audit(UNKNOWN, "oauth consent", name_of(asked.client_id), "refused")
        return _back(answer_uri(asked, issuer, error="access_denied"))
    try:
        code = await _grants(request).consent(asked, _text(form, "token"))
    except ConflictError as error:
        raise NotFoundError(TOO_LATE) from error
    except UnauthorizedError as error:
        page = _page(request, asked, consent_id, browser, str(error))
        if refused := refuse_guess(request, str(error)):
            page.status_code = refused.status_code
            page.headers["retry-after"] = refused.headers["retry-after"]
        else:
            audit(UNKNOWN, "POST /consent", name_of(asked.client_id), "unauthorized")
        return page
    return _back(answer_uri(asked, issuer, code=code))


async def _asked(request: Request, consent_id: str) -> ConsentRequest:
    asked = await _grants(request).asked(consent_id)
    if asked is None or asked.server not in state_of(request).runtime.servers:
        raise NotFoundError(TOO_LATE)
    return asked


def _page(
    request: Request, asked: ConsentRequest, consent_id: str, browser: str, fault: str = ""
) -> HTMLResponse:
    runtime = state_of(request).runtime
    is_document = asked.client_id.startswith("https://")
    known = f", and it is known at {urlsplit(asked.client_id).netloc}" if is_document else ""
    is_near = urlsplit(asked.redirect_uri).hostname in LOOPBACK
    page = PAGE.format(
        title=escape(runtime.servers[asked.server].title),
        client=escape(readable(asked.client_name) or name_of(asked.client_id)),
        rights="read and act at" if ACT in asked.scopes else "read at",
        target=escape(origin_of(asked.redirect_uri)),
        known=escape(known),
        near=NEAR if is_near else "",
        fault=f"<p><strong>{escape(fault)}</strong></p>" if fault else "",
        consent_id=escape(consent_id),
        proof=_proof(consent_id, browser),
    )
    # Browsers hold the redirect that follows a form to the same list as the form (CSP 3, 4.2.1).
    policy = (
        "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action 'self' {origin_of(asked.redirect_uri)}"
    )
    headers = {
        "content-security-policy": policy,
        "x-frame-options": "DENY",
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cache-control": "no-store",
    }
    return HTMLResponse(page, 403 if fault else 200, headers)


def _back(url: str) -> Response:
    return RedirectResponse(
        url, 303, {"cache-control": "no-store", "referrer-policy": "no-referrer"}
    )


def _proof(consent_id: str, browser: str) -> str:
    return hashlib.sha256(f"{consent_id} {browser}".encode()).hexdigest()


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""


def _grants(request: Request) -> Grants:
    return state_of(request).runtime.authenticator.grants
