"""`make conformance`: the official MCP suite against the product's own wires.

Its exit status is 0 when every check of every scenario passes but those that
`expected_failures.yml` names, and none of those does. Named revisions
(`make conformance ARGS=2025-11-25`) run alone.
"""

import asyncio
import contextlib
import sys
import tempfile
import warnings
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import click
from mcp.shared.exceptions import MCPDeprecationWarning

from bridge.configuration.settings import Settings
from bridge.local.valkey import EmbeddedValkey
from bridge.standin.serving import serving as serving_standin
from bridge.standin.standin import Standin
from tests.conformance import suite, two_questions
from tests.conformance.app import create_fixture_app
from tests.conformance.contents import PROMPTS
from tests.conformance.endpoint import NAME
from tests.conformance.tasks import as_workers_know_it, fixture_server
from tests.conformance.verdicts import REVISIONS, Outcome, Verdict, expected_failures, judge
from tests.npm import NpmError, install
from tests.serving import serving, serving_any
from tests.working import working


def main(revisions: Sequence[str]) -> int:
    """Install the suite, run it, print what it found; returns the exit status."""
    if unknown := set(revisions) - set(REVISIONS):
        click.echo(f"no such revision: {', '.join(sorted(unknown))}", err=True)
        return 2
    # Logging and sampling are deprecated, and part of what the suite asks for.
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    try:
        verdicts = asyncio.run(run_all(revisions or REVISIONS))
    except (NpmError, suite.SuiteError) as error:
        click.echo(error, err=True)
        return 1
    click.echo(table(verdicts))
    return 0 if all(verdict.is_good for found in verdicts.values() for verdict in found) else 1


async def run_all(revisions: Sequence[str]) -> dict[str, list[Verdict]]:
    """Run the suite for each revision against one app, with a worker, an n8n and a Valkey."""
    await install(suite.PACKAGE, suite.VERSION)
    async with running_app() as (url, fixtures):
        return {
            revision: judge(await suite.run(url, revision), expected_failures(revision), fixtures)
            for revision in revisions
        }


@contextlib.asynccontextmanager
async def running_app() -> AsyncIterator[tuple[str, set[str]]]:
    """Run all that the suite is let loose on; returns the address and what fixtures there are."""
    with tempfile.TemporaryDirectory() as data_dir:
        async with (
            EmbeddedValkey(Path(data_dir)) as valkey,
            Standin() as n8n,
            serving_standin(n8n) as n8n_url,
            serving_any(two_questions.app) as twice_url,
        ):
            settings = Settings(redis_url=valkey.url, n8n_url=n8n_url)
            server = fixture_server(NAME, n8n_url, twice_url)
            app, endpoint = create_fixture_app(settings, server)
            fixtures = {*endpoint.tools, *(prompt.name for prompt in PROMPTS)}
            async with working(settings, as_workers_know_it(server)), serving(app) as address:
                yield f"{address}/mcp/{NAME}", fixtures


def table(verdicts: dict[str, list[Verdict]]) -> str:
    """Report how each revision fared, then each scenario that did not pass."""
    lines = [f"{'revision':<12}{'passed':>8}{'vacuous':>9}{'failed':>8}{'expected':>10}"]
    for revision, found in verdicts.items():
        counts = [
            sum(v.outcome is outcome for v in found)
            for outcome in (Outcome.PASSED, Outcome.VACUOUS, Outcome.FAILED)
        ]
        expected = sum(v.is_expected for v in found)
        lines.append(f"{revision:<12}{counts[0]:>8}{counts[1]:>9}{counts[2]:>8}{expected:>10}")
    for revision, found in verdicts.items():
        lines += [line for verdict in found for line in explained(revision, verdict)]
    return "\n".join(lines)


def explained(revision: str, verdict: Verdict) -> list[str]:
    """Report what a scenario missed, and what stands wrongly among the expected failures."""
    named = f"{revision} {verdict.scenario}"
    lines = [
        f"{named}: {check}: EXPECTED ({verdict.reasons[check]})"
        if check in verdict.reasons
        else f"{named}: {check}: {verdict.outcome.upper()}: {finding}"
        for check, finding in verdict.missed.items()
    ]
    passed = verdict.reasons.keys() - verdict.missed.keys()
    lines += [f"{named}: {check}: passed; take it out of expected_failures.yml" for check in passed]
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
