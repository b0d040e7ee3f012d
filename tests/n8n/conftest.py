"""A real n8n for each test, Claude at the templates' server, and a table of what was seen."""

from collections.abc import AsyncIterator

import pytest

from tests.bridge_processes import Bridge
from tests.n8n.real import URL, RealN8n, bridge_to, real_n8n

WIDTH = 76


@pytest.fixture
async def n8n() -> AsyncIterator[RealN8n]:
    """Open the n8n that BRIDGE_TEST_N8N_URL names."""
    async with real_n8n() as opened:
        yield opened


@pytest.fixture
async def bridge(n8n: RealN8n, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bridge]:
    """Run a bridge for that n8n."""
    async with bridge_to(tmp_path_factory.mktemp("bridge")) as running:
        yield running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was seen of the real n8n, a line each."""
    if not URL:
        return
    rows = [
        (
            report.nodeid.rpartition("::test_")[2].replace("_", " "),
            outcome,
            report.duration,
            report.user_properties,
        )
        for outcome in ("passed", "failed", "error", "skipped")
        for report in terminalreporter.getreports(outcome)
        if "real_n8n" in report.keywords and (report.when == "call" or outcome != "passed")
    ]
    terminalreporter.section(f"n8n at {URL}")
    for sentence, outcome, took_s, noted in sorted(rows):
        terminalreporter.line(f"{sentence[:WIDTH]:{WIDTH}}  {outcome:7}  {took_s:6.1f} s")
        for name, value in noted:
            terminalreporter.line(f"    {name}: {value}")
