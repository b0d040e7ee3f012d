"""Every key of the bridge in Redis: its name, type, owner and death date, in one table.

On purpose: Lua steps compute their keys from this table instead of taking them as KEYS, since one
hash tag holds them all and RQ wants a single primary anyway; so a name cannot drift from its use.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

PREFIX = "{bridge}:"


@dataclass(frozen=True)
class Key:
    """One family of keys.

    `pattern` names its parts in braces. `lifetime` says what ends it; `timed` families always
    carry a TTL, the others are indexes that lose their members one by one and vanish empty.
    """

    name: str
    pattern: str
    type: str
    owner: str
    timed: bool
    lifetime: str

    @property
    def parts(self) -> list[str]:
        """The names of the parts of its pattern."""
        return re.findall(r"\{(\w+)\}", self.pattern)

    def lua(self, parts: Sequence[str]) -> str:
        """Return an expression of Lua that spells a key; its parts are expressions as well."""
        texts = re.split(r"\{\w+\}", self.pattern)
        texts[0] = PREFIX + texts[0]
        spelled = [f"'{texts[0]}'"]
        for part, text in zip(parts, texts[1:], strict=True):
            is_simple = re.fullmatch(r"[\w.]+|'[^']*'", part)
            spelled += [part if is_simple else f"({part})"] + ([f"'{text}'"] if text else [])
        return f"({' .. '.join(spelled)})" if parts else spelled[0]

    def matches(self, key: str) -> bool:
        """Report whether `key` belongs to this family."""
        body = re.sub(r"\\\{\w+\\\}", "[^:]+", re.escape(self.pattern))
        return re.fullmatch(re.escape(PREFIX) + body, key) is not None


HELD = "once no call of the principal has a part of its share"

KEYS = (
    Key("order", "order", "string", "steps", False, "never: the last order number given"),
    Key("identity", "identity", "string", "identity", False, "never: the name of the store"),
    Key("layout", "layout", "string", "identity", False, "never: how new records are laid out"),
    Key("paused", "paused", "string", "operators", False, "once nothing is paused any more"),
    Key(
        "counters", "counters", "hash", "counters", False, "never: totals since the store was made"
    ),
    Key("counted", "counted", "hash", "minutes", True, "25 h after the last minute was kept"),
    Key("minute", "minute:{minute}", "hash", "minutes", True, "25 h after the minute"),
    Key("event", "event:{id}", "hash", "events", True, "event_ttl_s after it would expire"),
    Key("inbox", "inbox:{server}:{hook}:{status}", "zset", "events", False, "with its events"),
    Key("idempotency", "idempotency:{digest}", "hash", "events", True, "24 h after first use"),
    Key("arrivals", "arrivals:{server}:{hook}", "list", "events", True, "with limits.rate's time"),
    Key("file", "file:{id}:{number}", "string", "events", True, "with its event"),
    Key(
        "coalesce", "coalesce:{digest}", "string", "events", True, "the window after it was opened"
    ),
    Key("merged", "merged:{id}", "string", "events", True, "a minute after the merge"),
    Key("line", "line:{server}:{line}", "zset", "events", True, "minutes after the last came"),
    Key("waiters", "waiters:{server}:{line}:{process}", "zset", "events", True, "with its line"),
    Key("takers", "takers:{process}", "hash", "events", True, "minutes after the last came"),
    Key("named", "named:{process}", "set", "events", True, "minutes after the last was named"),
    Key("watchers", "watchers:{server}:{hook}", "zset", "events", True, "minutes after a look"),
    Key("taken", "taken:{token}", "string", "events", True, "a minute after the lease was given"),
    Key("event_leases", "event_leases", "zset", "events", False, "with its leases"),
    Key("event_deadlines", "event_deadlines", "zset", "events", False, "with its open events"),
    Key("reply", "reply:{id}", "hash", "replies", True, "with its event"),
    Key("attempts", "attempts:{id}", "list", "replies", True, "with its reply"),
    Key("dead_replies", "dead_replies", "zset", "replies", False, "with its dead replies"),
    Key("subscription", "subscription:{id}", "hash", "subscriptions", True, "a day, renewed"),
    Key("subscriptions", "subscriptions", "zset", "subscriptions", True, "with its last one"),
    Key(
        "subscribers",
        "subscribers:{server}:{hook}",
        "zset",
        "subscriptions",
        True,
        "with its last subscription",
    ),
    Key(
        "subscribed",
        "subscribed:{server}:{principal}",
        "zset",
        "subscriptions",
        True,
        "with its last subscription",
    ),
    Key("proved", "proved:{digest}", "string", "subscriptions", True, "a day after the proof"),
    Key("proofs", "proofs:{digest}", "set", "subscriptions", True, "a minute after the first"),
    Key(
        "due_subscriptions",
        "due_subscriptions",
        "zset",
        "subscriptions",
        False,
        "with its subscriptions that have something to tell",
    ),
    Key("breakers", "breakers", "hash", "breakers", False, "with its failing origins"),
    Key("due_replies", "due_replies", "zset", "replies", False, "with its pending replies"),
    Key(
        "call",
        "call:{id}",
        "hash",
        "calls",
        True,
        "twice result_ttl_s after it ended, and its timeout",
    ),
    Key("result", "result:{id}", "string", "calls", True, "result_ttl_s after the call ended"),
    Key("result_file", "result_file:{id}", "string", "calls", True, "with its call's result"),
    Key("calls", "calls:{server}:{principal}", "zset", "calls", True, "with its newest call"),
    Key(
        "callers", "callers", "zset", "calls", False, "three times result_ttl_s after the last call"
    ),
    Key("fresh_callers", "fresh_callers", "zset", "calls", False, "once their calls are gathered"),
    Key("call_servers", "call_servers", "zset", "calls", False, "never: there are few of them"),
    Key("calls_of", "calls_of:{server}", "zset", "calls", True, "with the lists it is made of"),
    Key("gathered", "gathered", "string", "calls", False, "never: how far those are whole"),
    Key("attach", "attach:{digest}", "string", "calls", True, "attach_for after its call ended"),
    Key("approvals", "approvals", "zset", "calls", False, "with its calls to be approved"),
    Key("questions", "questions:{id}", "zset", "events", True, "with its call"),
    Key("slots", "slots:{server}:{workflow}", "zset", "calls", False, "with its running calls"),
    Key("sends", "sends:{server}:{workflow}", "list", "calls", True, "with the rate's time"),
    Key("turns", "turns:{server}:{workflow}", "zset", "calls", False, "with its queued calls"),
    Key("share_held", "share_held:{server}:{workflow}:{principal}", "zset", "calls", True, HELD),
    Key("share_sends", "share_sends:{server}:{workflow}:{principal}", "zset", "calls", True, HELD),
    Key(
        "share_line",
        "share_line:{server}:{workflow}:{principal}",
        "zset",
        "calls",
        True,
        "an hour after the last came, and the rate's time",
    ),
    Key("places", "places", "hash", "calls", False, "with its processes"),
    Key("placed", "placed", "zset", "calls", False, "with its running calls"),
    Key("placed_of", "placed:{server}", "zset", "calls", False, "with its running calls"),
    Key("placed_by", "placed:{server}:{principal}", "zset", "calls", False, "as those"),
    Key("placeless", "placeless:{server}", "zset", "calls", False, "with its waiting calls"),
    Key("placeless_servers", "placeless_servers", "zset", "calls", False, "as those"),
    Key("fair_turns", "fair_turns:{server}", "hash", "calls", True, "a day after the last wait"),
    Key("due_calls", "due_calls", "zset", "calls", False, "with its queued calls"),
    Key("processes", "processes", "zset", "processes", False, "with its processes"),
    Key("findings", "findings", "hash", "findings", True, "an hour after the last look"),
    Key("findings_turn", "findings_turn", "string", "findings", True, "30 s after it was taken"),
    Key("report", "report:{process}", "string", "processes", True, "a minute after it was told"),
    Key("held", "held:{process}", "set", "processes", False, "once its process is forgotten"),
    Key("session", "session:{id}", "hash", "sessions", True, "a day after its last request"),
    Key("sessions", "sessions", "zset", "sessions", True, "with its last session"),
    Key(
        "sessions_of",
        "sessions:{server}:{principal}",
        "zset",
        "sessions",
        True,
        "with its last session",
    ),
    Key("clients", "clients:{client}", "zset", "sessions", True, "a day after its last stream"),
    Key("unproven", "unproven:{session}", "set", "sessions", True, "an hour after its last answer"),
    Key("unaccepted", "unaccepted:{request}", "string", "calls", True, "a day after its request"),
    Key("lists", "lists:{server}", "hash", "inboxes", True, "a month after the last listener came"),
    Key("owed", "owed:{session}", "hash", "sessions", True, "a day after its last request"),
    Key(
        "outbox",
        "outbox:{session}:{stream}",
        "stream",
        "outbox",
        True,
        "an hour after its last frame, or with its session",
    ),
    Key("dropped", "dropped:{session}:{stream}", "hash", "outbox", True, "with its outbox"),
    Key(
        "answer",
        "answer:{session}:{id}",
        "string",
        "outbox",
        True,
        "minutes after a client's answer",
    ),
    Key("tokens", "tokens", "hash", "tokens", False, "with its tokens, at their expiry at last"),
    Key(
        "oauth_client",
        "oauth_client:{digest}",
        "string",
        "grants",
        True,
        "90 days after its last refresh",
    ),
    Key("oauth_key", "oauth_key", "string", "grants", False, "never: seals what clients carry"),
    Key("ended_login", "ended_login:{digest}", "string", "grants", True, "12 h after its logout"),
    Key(
        "caller_keys",
        "caller_keys",
        "hash",
        "caller_keys",
        False,
        "never: the last; earlier ones end",
    ),
    Key("oauth_answered", "oauth_answered", "zset", "grants", True, "20 minutes after the last"),
    Key(
        "oauth_code", "oauth_code:{digest}", "hash", "grants", True, "after a minute, used: an hour"
    ),
    Key(
        "oauth_grant", "oauth_grant:{id}", "hash", "grants", True, "30 days after its last refresh"
    ),
    Key("oauth_token", "oauth_token:{digest}", "string", "grants", True, "an hour, or its grant's"),
    Key("bulk", "bulk:{id}", "hash", "bulks", True, "an hour, once confirmed 7 days"),
    Key("bulk_left", "bulk_left:{id}", "zset", "bulks", True, "with its bulk act, or done"),
    Key("bulk_done", "bulk_done:{id}", "zset", "bulks", True, "with its bulk act"),
    Key("bulks", "bulks", "zset", "bulks", True, "7 days after the last was counted"),
    Key("due_bulks", "due_bulks", "zset", "bulks", False, "with its bulk acts that run"),
    Key("alerts", "alerts", "hash", "alerts", True, "a week after rules were looked at last"),
    Key("alert_turn", "alert_turn", "string", "alerts", True, "seconds after its holder's look"),
    Key(
        "alert_outbox", "alert_outbox:{receiver}", "list", "alerts", True, "two days after the last"
    ),
    Key("alert_receiver", "alert_receiver:{receiver}", "hash", "alerts", True, "a month later"),
    Key("heartbeat", "heartbeat", "string", "alerts", True, "a day after the last heartbeat"),
    Key("sweeper", "sweeper", "string", "processes", True, "seconds after its holder's last sweep"),
)

WAKE = Key(
    "wake_channel", "wake", "channel", "wake", timed=False, lifetime="none: it keeps nothing"
)
WAKE_CHANNEL = PREFIX + WAKE.pattern
"""The pub/sub channel on which steps name what has changed."""

ACKNOWLEDGED = Key(
    "acknowledged_channel",
    "acknowledged",
    "channel",
    "steps",
    timed=False,
    lifetime="none: it keeps nothing",
)
ACKNOWLEDGED_CHANNEL = PREFIX + ACKNOWLEDGED.pattern
"""The pub/sub channel that nobody hears; what replicas have of it, they have all before it of."""


def owner_of(key: str) -> Key | None:
    """Find the family that `key` belongs to, or None for a key that the table does not know."""
    return next((family for family in KEYS if family.matches(key)), None)
