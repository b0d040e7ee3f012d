"""Row 1: how fast payloads come in, when every 202 means that the payload is on disk."""

import itertools

from tests.bench.connection import spell
from tests.bench.figures import Row
from tests.bench.load import Load, Question, figures_of, press
from tests.bench.program import Program
from tests.bench.scale import Scale
from tests.bench.stage import N8N, Stage, set_up

PAYLOAD = {"question": "Which plan fits us?", "from": "ann@example.com", "body": "x" * 948}
PEER = "uvicorn + Starlette, one XADD a request"


async def measure(scale: Scale) -> Row:
    """Press on a hook, and on the plainest way to have each payload in the same Valkey."""
    hook = Question(spell("POST", "/hooks/demo/question", N8N, PAYLOAD), 202, b'"queued"')
    plain = Question(spell("POST", "/", N8N, PAYLOAD), 202, b'"id"')
    ours: list[Load] = []
    theirs: list[Load] = []
    async with set_up() as stage, stage.web() as web, stage.peer("ingest") as peer:
        for _ in range(scale.rounds):
            ours.append(await _load(stage, web, hook, scale))
            theirs.append(await _load(stage, peer, plain, scale))
    return Row(
        "Durable ingest",
        f"POST of 1 KB of JSON to a hook, {scale.ingest_clients} keep-alive clients, one web "
        "process, Valkey with `appendonly yes` and `appendfsync always`.",
        figures_of("requests", ours, PEER, theirs),
        (
            "The bridge checks the credential and the JSON, and keeps event, reply, order, "
            "deadline and counters in one atomic step; the peer appends the raw body to a stream.",
        ),
    )


async def _load(stage: Stage, program: Program, question: Question, scale: Scale) -> Load:
    await stage.clear()
    questions = itertools.repeat(question)
    await press(program.port, scale.ingest_clients, scale.warm_s, questions)
    return await press(program.port, scale.ingest_clients, scale.load_s, questions)
