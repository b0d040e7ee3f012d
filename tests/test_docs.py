"""What is there is on the pages, and what the pages say is there is there."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import bridge.__main__  # noqa: F401 - it adds the workers' command to ours
from bridge.app import ROUTES
from bridge.cli.main import commands
from bridge.configuration.servers import Server
from bridge.configuration.settings import Settings, read_dotenv
from bridge.mcp.endpoint import tools_of
from bridge.store.counters import Totals
from bridge.store.histograms import Counted
from bridge.store.keys import KEYS
from bridge.web.metrics import registry_of
from bridge.web.problems import STATUS
from tests.docs import reference
from tests.docs.blocks import (
    CHECKED,
    SHOWN_ONLY,
    Block,
    blocks,
    is_of_settings,
    program_of,
    simple_commands,
)
from tests.docs.commands_shown import SAY_HOW, is_known
from tests.docs.schema_words import SCHEMA, definition, rows
from tests.docs.site import build
from workers import jobs

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
ARCHITECTURE, CLAUDE, N8N, OPERATING = (
    (ROOT / "docs" / f"{name}.md").read_text()
    for name in ("architecture", "claude", "n8n", "operating")
)
KEYS_PAGE = (ROOT / "docs" / "keys.md").read_text()
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
PAGES = [
    *(ROOT / "README.md", ROOT / "CHANGELOG.md"),
    *sorted([*ROOT.glob("docs/**/*.md"), *ROOT.glob(".github/*.md")]),
]
WRITTEN = [page for page in PAGES if page.parent.name != "reference"]

SERVER_FILE = (SCHEMA, definition("Hook"), definition("Workflow"))
PATHS = {route.path for route in ROUTES}
CUT = re.compile(
    r"\b(?:and|or|of|the|to|with|in|for|a|an|by|from) (?:An?|The|It|This|They|When|Every) [a-z]\w*"
    r"|[a-z`)][.!?] (?!n8n|nginx|libuv|import-linter)[a-z]\w*"
)


def section(page: str, heading: str) -> str:
    """Return what stands under a heading, up to the next of its level."""
    return page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def table_rows(page: str) -> Iterator[list[str]]:
    """Return the cells of every row of every table."""
    for line in page.splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def quoted(text: str) -> set[str]:
    """Return all that stands between backticks."""
    return set(re.findall(r"`([^`\n]+)`", text))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", reference.MADE)
def test_the_reference_says_what_the_models_say(name: str) -> None:
    assert (ROOT / name).read_text() == reference.MADE[name](), (
        "run `make reference`, and look at the diff"
    )


def test_every_setting_and_every_key_says_what_it_means() -> None:
    assert all(field.description for field in Settings.model_fields.values())
    keys = [row for schema in SERVER_FILE for row in rows(schema)]
    assert [row.key for row in keys if not row.meaning] == []


def test_the_sample_of_an_env_file_holds_only_what_there_is(tmp_path: Path) -> None:
    sample = (ROOT / "config" / "env.example").read_text()
    everything = tmp_path / ".env"
    everything.write_text(re.sub(r"^# ([A-Z0-9_]+=)", r"\1", sample, flags=re.MULTILINE))
    assert Settings.from_environ(read_dotenv(everything)).public_url
    assert Settings.from_environ(read_dotenv(ROOT / "config" / "env.example")).n8n_url is None


def test_the_readme_names_every_command_and_no_other() -> None:
    named = re.findall(r"^\| `n8n-bridge ([a-z]+)", section(README, "Commands"), re.MULTILINE)
    assert sorted(named) == sorted(
        name for name, command in commands.commands.items() if not command.hidden
    )


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)
def test_no_page_says_a_thing_twice(page: Path) -> None:
    """What was pasted into the wrong place stands in the right one too.

    Neither a ledger is prose, nor a row of numbers.
    """
    not_prose = r"```.+?```|\]\(.+?\)|<!-- ([\w ]+) -->.+?<!-- end of the \1 -->"
    prose = re.sub(not_prose, "", page.read_text(), flags=re.DOTALL)
    words = re.findall(r"\w+", prose)
    runs = Counter(zip(*(words[start:] for start in range(16)), strict=False))
    twice = [run for run, times in runs.items() if times > 1]
    assert [" ".join(run) for run in twice if sum(map(str.isdecimal, run)) < 8] == []


def test_every_tool_is_documented() -> None:
    assert set(tools_of(Server(name="any"))) <= quoted(section(CLAUDE, "What Claude sees"))


SOME_MEMORY = {"used_memory": 1, "maxmemory": 0}


def test_every_metric_is_documented() -> None:
    families = registry_of(Totals(Counted({}, {}, {}), memory=SOME_MEMORY), 0, {}).collect()
    named = {f"{each.name}{'_total' * (each.type == 'counter')}" for each in families}
    exposed = {name for name in named if name.startswith("n8n_bridge_")}
    assert len(exposed) > 30
    assert exposed <= quoted(section(OPERATING, "Metrics"))


def test_every_status_a_hook_refuses_with_is_documented() -> None:
    named = re.findall(r"\b[45]\d\d\b", section(N8N, "What n8n is answered"))
    assert {int(status) for status in STATUS.values()} - {500} <= {int(code) for code in named}


def test_the_readme_leads_to_every_page() -> None:
    pages = {page.relative_to(ROOT).as_posix() for page in ROOT.glob("docs/**/*.md")}
    assert {page for page in pages if "/decisions/" not in page} <= {
        link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", README)
    }


def test_what_holds_a_threat_is_shown_by_a_test_that_there_is() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "security.md").read_text())
    assert named
    for file, test in named:
        assert re.search(rf"^(async )?def {test}\(", (ROOT / file).read_text(), re.MULTILINE), test


def test_what_the_readme_says_is_not_yet_there_is_not_there() -> None:
    promised = section(README, "Not yet")
    keys = {row.key.rpartition(".")[2] for schema in SERVER_FILE for row in rows(schema)}
    there = {*commands.commands, *PATHS, *keys}
    assert quoted(promised) & there == set()


def test_the_house_plan_names_every_route_tool_and_job() -> None:
    starts = section(ARCHITECTURE, "Where behaviour starts")
    tools = set(tools_of(Server(name="any")))
    known = {jobs.run_call.__name__, jobs.deliver_reply.__name__}
    assert PATHS | tools | known <= quoted(starts)


def test_the_page_of_keys_names_every_key_family_and_no_other() -> None:
    named = [(key.strip("`"), *rest[:2]) for key, *rest in table_rows(KEYS_PAGE)]
    assert sorted(named[2:]) == sorted((key.pattern, key.type, key.owner) for key in KEYS)


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    """A page without a place, a link that is broken, what GitHub reads otherwise: each is named."""
    site = build(tmp_path)
    assert (site / "index.html").exists()
    assert "take_event" in (site / "search.json").read_text()


@pytest.mark.parametrize("block", blocks(), ids=str)
def test_every_block_of_code_has_a_check_or_a_reason_why_not(block: Block) -> None:
    """The checks are in tests/docs; a language or program that is new wants one, or a reason."""
    assert block.language in {*CHECKED, *SHOWN_ONLY}
    if block.language == "sh" and not is_of_settings(block):
        unknown = {program_of(command) for command in simple_commands(block.text)}
        assert {program for program in unknown if not is_known(program)} == set(), SAY_HOW


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_link_between_pages_is_broken(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]*)(?:#([^)]+))?\)", page.read_text())
    for path, anchor in links:
        target = page.parent / path if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), anchor


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)
def test_no_sentence_is_cut_by_another(page: Path) -> None:
    """What two edits leave of one: "GET, DELETE and A server file is", "of it. send the rest"."""
    unfenced = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    text = re.sub(r"`[^`\n]*`", "`code`", unfenced)
    assert CUT.findall(text) == []


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.name)
def test_a_decision_is_numbered_and_says_why_and_what_follows(page: Path) -> None:
    text = page.read_text()
    number = DECISIONS.index(page) + 1
    assert page.name.startswith(f"{number:04}-")
    assert text.startswith(f"# {number}. ")
    parts = re.findall(r"^(Status:|## \w+)", text, re.MULTILINE)
    assert parts == ["Status:", "## Context", "## Decision", "## Consequences"]
