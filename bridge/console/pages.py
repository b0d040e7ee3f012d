"""Which page answers at which address, and to whom."""

from collections.abc import Mapping

from bridge.console.actions import (
    cancel_call,
    expire_event,
    pause_or_resume,
    redrive_event,
    redrive_reply,
    release_event,
    run_call_again,
    run_event_again,
)
from bridge.console.approvals import approve_call, refuse_call, show_approvals
from bridge.console.bulk import confirm_bulk, count_bulk, show_bulk, show_bulks, stop_bulk
from bridge.console.details import show_call, show_event, show_reply
from bridge.console.finding import show_found
from bridge.console.listing import (
    show_calls,
    show_events,
    show_replies,
    show_subscriptions,
)
from bridge.console.live import follow
from bridge.console.login import log_out, show_login, take_login
from bridge.console.now import show_now
from bridge.console.openid import come_back, leave
from bridge.console.processes import show_processes
from bridge.console.rendering import show_file
from bridge.console.tokens import add_token, revoke_token, show_tokens
from bridge.console.trials import (
    run_workflow,
    send_event,
    show_hook,
    show_servers,
    show_workflow,
)
from bridge.console.value_pages import show_call_value, show_event_value
from bridge.console.visits import Endpoint, acting, looking, offered, taking

HOOK = "/console/servers/{server}/hooks/{hook}"
WORKFLOW = "/console/servers/{server}/workflows/{workflow}"

PAGES: Mapping[tuple[str, str], Endpoint] = {
    ("GET", "/console"): looking(show_now),
    ("GET", "/console/static/{name}"): show_file,
    ("GET", "/console/login"): offered(show_login),
    ("POST", "/console/login"): offered(take_login),
    ("POST", "/console/logout"): taking(log_out),
    ("GET", "/console/openid"): offered(leave),
    ("GET", "/console/openid/back"): offered(come_back),
    ("GET", "/console/live"): offered(follow),
    ("GET", "/console/events"): looking(show_events),
    ("GET", "/console/events/{event_id}"): looking(show_event),
    ("POST", "/console/events/{event_id}/redrive"): acting(redrive_event),
    ("POST", "/console/events/{event_id}/release"): acting(release_event),
    ("POST", "/console/events/{event_id}/expire"): acting(expire_event),
    ("POST", "/console/events/{event_id}/run-again"): acting(run_event_again),
    ("GET", "/console/events/{event_id}/values/{name}"): looking(show_event_value),
    ("GET", "/console/calls/{call_id}/values/{name}"): looking(show_call_value),
    ("GET", "/console/calls"): looking(show_calls),
    ("GET", "/console/calls/{call_id}"): looking(show_call),
    ("POST", "/console/calls/{call_id}/cancel"): acting(cancel_call),
    ("POST", "/console/calls/{call_id}/run-again"): acting(run_call_again),
    ("POST", "/console/calls/{call_id}/approve"): acting(approve_call),
    ("POST", "/console/calls/{call_id}/refuse"): acting(refuse_call),
    ("GET", "/console/approvals"): looking(show_approvals),
    ("POST", "/console/pauses"): acting(pause_or_resume),
    ("GET", "/console/servers"): looking(show_servers),
    ("GET", HOOK): looking(show_hook),
    ("POST", HOOK): acting(send_event),
    ("GET", WORKFLOW): looking(show_workflow),
    ("POST", WORKFLOW): acting(run_workflow),
    ("GET", "/console/find"): looking(show_found),
    ("GET", "/console/processes"): looking(show_processes),
    ("GET", "/console/bulk"): looking(show_bulks),
    ("POST", "/console/bulk"): acting(count_bulk),
    ("GET", "/console/bulk/{bulk_id}"): looking(show_bulk),
    ("POST", "/console/bulk/{bulk_id}/confirm"): acting(confirm_bulk),
    ("POST", "/console/bulk/{bulk_id}/stop"): acting(stop_bulk),
    ("GET", "/console/tokens"): looking(show_tokens),
    ("POST", "/console/tokens"): acting(add_token),
    ("POST", "/console/tokens/{token_id}/revoke"): acting(revoke_token),
    ("GET", "/console/subscriptions"): looking(show_subscriptions),
    ("GET", "/console/replies"): looking(show_replies),
    ("GET", "/console/replies/{event_id}"): looking(show_reply),
    ("POST", "/console/replies/{event_id}/redrive"): acting(redrive_reply),
}
