"""The same conversations, over and over, with one way to spare tokens or another."""

import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from bridge.configuration.servers import Server
from bridge.configuration.settings import Settings
from bridge.models import Principal
from bridge.runtime import open_runtime
from tests.tokens.counting import ENCODINGS
from tests.tokens.sequences import KINDS
from tests.tokens.session import Session, Variant

SEED = 5
BASELINE = Variant("nothing spared: compact JSON, sent once", "whole")
SHORT_IDS = Variant("short ids and lease tokens", "whole", long_ids=False)
ALL = Variant("all three", "lean", digests=True, long_ids=False)
VARIANTS = (
    BASELINE,
    Variant("`trim_context`", "lean"),
    Variant("`trim_context: hard`", "hard"),
    Variant("`if_changed_from`", "whole", digests=True),
    SHORT_IDS,
    ALL,
)
TWICE = Variant("nothing spared, sent as text and as structure", "whole")

LEAN = Server.model_validate(
    {
        "name": "lean",
        "hooks": {"webhook": {"auth": {"bearer": "n8n"}}},
        "workflows": {
            "report": {
                "url": "http://n8n:5678/webhook/report",
                "result": "callback",
                "attach": False,
            }
        },
    }
)
HARD = LEAN.model_copy(update={"name": "hard", "trim_context": "hard"})
WHOLE = LEAN.model_copy(update={"name": "whole", "trim_context": False})


@dataclass(frozen=True)
class Measured:
    """Tokens by kind of conversation, variant and vocabulary."""

    sequences: Mapping[str, int]
    turns: int
    tokens: Mapping[tuple[str, str, str], int]

    def total(self, variant: Variant, encoding: str, kind: str | None = None) -> int:
        """Add up what a variant cost, of one kind of conversation or all."""
        kinds = KINDS if kind is None else (kind,)
        return sum(self.tokens[each, variant.name, encoding] for each in kinds)

    def saved(
        self, variant: Variant, encoding: str, kind: str | None = None, of: Variant = BASELINE
    ) -> float:
        """Report what share of another variant, mostly the baseline, a variant spares."""
        return 1 - self.total(variant, encoding, kind) / self.total(of, encoding, kind)


async def measure(redis_url: str, sequences: int) -> Measured:
    """Lead so many conversations in every variant; a fact that is lost fails one."""
    tokens: dict[tuple[str, str, str], int] = defaultdict(int)
    led: dict[str, int] = defaultdict(int)
    turns = 0
    servers = {server.name: server for server in (LEAN, HARD, WHOLE)}
    settings = Settings(redis_url=redis_url, allow_unsafe_redis=True)
    async with open_runtime(settings, servers, "web", 5) as runtime:
        for number in range(sequences):
            kind = list(KINDS)[number % len(KINDS)]
            led[kind] += 1
            for at, variant in enumerate(VARIANTS):
                principal = Principal(variant.server, f"{number}-{at}")
                session = Session(runtime, principal, variant)
                await KINDS[kind](session, random.Random(SEED + number))
                turns += session.turns if variant is BASELINE else 0
                for encoding in ENCODINGS:
                    tokens[kind, variant.name, encoding] += session.tokens[encoding]
                    if variant is BASELINE:
                        both = session.tokens[encoding] + session.told[encoding]
                        tokens[kind, TWICE.name, encoding] += both
    return Measured(led, turns, tokens)
