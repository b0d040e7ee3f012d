"""What was counted, as a page that people read."""

from collections.abc import Iterator

from bridge.mcp.endpoint import tools_of
from tests.tokens.counting import ENCODINGS, compact, count
from tests.tokens.measuring import ALL, SEED, SHORT_IDS, TWICE, VARIANTS, Measured
from tests.tokens.office import office
from tests.tokens.sequences import KINDS
from tests.tokens.session import Variant

AIM = 0.4

HEAD = """\
# Tokens

Written by `make tokens`, whatever comes of it: {sequences} conversations (seed {seed}, {turns}
turns in all), each led once in every variant with the bridge's own tools. Counted are the
arguments that Claude writes and the structure that it is shown, with the vocabularies o200k_base
and cl100k_base; Claude's own tokenizer is not public. The list of tools is counted apart, below.

Payloads and results were captured from the nodes of a real n8n 2.41.1 that ran the bridge's
workflows; hosts and secrets in them were replaced. They are small, and most of them are requests
that a Webhook node handed on, as in the workflows that the bridge is tried with: what n8n sends
you may have more in it to say, and less to spare. In an inbox conversation Claude looks at the
list one to three times, takes two to five events, looks up two places of each, and reads each
whole up to twice more. In a conversation of calls it reads one to four results, lists its calls
one to three times, and reads a result again up to three times. How often something is read
again decides what digests spare; the one that `take_event` gives with a payload counts, too.

The program fails where a fact is lost: every value of a payload outside n8n's envelope must be
shown, at the place where n8n sent it, empty ones too (not with `trim_context: hard`); whatever is
looked up by its path, header or not, must be what n8n sent; every value of a result must be in
what is shown of it; and what is called unchanged must have been shown before.

Where nothing is spared, `trim_context` is off, nobody asks by digest, and ids and lease tokens are
as long as they were before they were made short: 192 and 144 random bits, where 128 and 64 do.
Only their length is put back. All else stands in every row as the bridge tells it today, the short
notice and times to the second too, which are thus not counted as spared.
"""

REACHED = """\
The aim is {aim:.0%} fewer over all; reached is {reached:.1%}. Ids are short for everybody,
whatever a server file says: of what a server costs that has them and spares nothing else, it is
{strict:.1%}. What is left is mostly payloads and results, and ids, which say in each turn what it
is about. An empty list, object or text counts as something said and is shown; null is not.
`trim_context: hard` leaves out empty members as well, and stands in no other row.
"""


def page(measured: Measured) -> str:
    """Write the whole page."""
    sequences = sum(measured.sequences.values())
    head = HEAD.format(sequences=sequences, seed=SEED, turns=measured.turns)
    return "\n".join([head, *_techniques(measured), *_kinds(measured), *_tools()])


def _techniques(measured: Measured) -> Iterator[str]:
    yield from ("## By technique", "", *_table(measured, None, (*VARIANTS, TWICE)))
    reached = min(measured.saved(ALL, encoding) for encoding in ENCODINGS)
    strict = min(measured.saved(ALL, encoding, of=SHORT_IDS) for encoding in ENCODINGS)
    yield REACHED.format(aim=AIM, reached=reached, strict=strict)
    yield "The last row is what a client pays that reads both, and is no part of the baseline:"
    yield "whoever is known to read only the structure is not sent the text."
    yield ""


def _kinds(measured: Measured) -> Iterator[str]:
    for kind in KINDS:
        yield from (f"## {kind.capitalize()}: {measured.sequences[kind]} conversations", "")
        yield from _table(measured, kind, VARIANTS)


def _table(measured: Measured, kind: str | None, variants: tuple[Variant, ...]) -> Iterator[str]:
    yield f"| | {' | fewer | '.join(ENCODINGS)} | fewer |"
    yield "|---|---:|---:|---:|---:|"
    for variant in variants:
        cells = []
        for encoding in ENCODINGS:
            saved = measured.saved(variant, encoding, kind)
            cells += [f"{measured.total(variant, encoding, kind):,}", f"{saved:.1%}"]
        yield f"| {variant.name} | {' | '.join(cells)} |"
    yield ""


def _tools() -> Iterator[str]:
    listed = [
        tool.describe().model_dump(by_alias=True, mode="json", exclude_none=True)
        for tool in tools_of(office()).values()
    ]
    read = [{key: tool[key] for key in ("name", "description", "inputSchema")} for tool in listed]
    yield from ("## The list of tools", "", f"| | {' | '.join(ENCODINGS)} |", "|---|---:|---:|")
    for name, tools in {
        "all of it, ten workflows and the bridge's own nine": listed,
        "what a model reads of it: names, descriptions, arguments": read,
    }.items():
        yield f"| {name} | {' | '.join(f'{count(compact(tools), each):,}' for each in ENCODINGS)} |"
    yield ""
