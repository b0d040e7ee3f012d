"""`discover` makes a server file of published workflows: on the stand-in, and on a real n8n."""

import copy
import json
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from bridge.configuration.server_files import read_server_files
from tests.authoring.discovery.any_n8n import SECRETS, N8n, api, discover, read
from tests.processes import ROOT
from tests.serving import serving_any
from tests.standin.published import TAG

SAMPLE = ROOT / "config" / "n8n" / "discovered.yaml"


async def test_eight_workflows_of_different_kinds_become_the_sample(
    any_n8n: N8n, tmp_path: Path
) -> None:
    file = tmp_path / "n8n.yaml"
    status, said = await discover(any_n8n, file, "--yes", "--pinned")
    assert status == 0, said
    assert file.read_text() == SAMPLE.read_text()
    assert "Order by number: left out, for its path has a parameter" in said
    assert "set N8N_INVOICE_KEY in the environment" in said


async def test_where_nothing_is_found_no_file_is_called_in_step(n8n: N8n, tmp_path: Path) -> None:
    n8n.published.clear()
    for options, lacking in [((), "with the tag claude"), (("--all",), "with a webhook")]:
        status, said = await discover(n8n, tmp_path / "n8n.yaml", *options)
        assert status == 0
        assert lacking in said
        assert "in step" not in said


def test_the_sample_is_a_sound_server_file() -> None:
    read = read_server_files(
        SAMPLE, {**SECRETS, "BRIDGE_N8N_URL": "http://127.0.0.1:5678", **api()}
    )
    assert read.faults == ()
    assert set(read.servers["n8n"].workflows) == {
        *("book_a_room", "crm_add_note", "crm_add_person", "draft_order"),
        *("parse_invoice", "transcribe", "weather_by_city", "yearly_report"),
    }


async def test_a_file_in_step_is_left_alone(n8n: N8n, tmp_path: Path) -> None:
    file = tmp_path / "n8n.yaml"
    await discover(n8n, file, "--yes")
    before = file.stat()
    status, said = await discover(n8n, file)
    assert status == 0
    assert "is in step with n8n" in said
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert file.stat().st_ino == before.st_ino


async def test_without_a_terminal_and_yes_the_diff_is_shown_and_nothing_written(
    n8n: N8n, tmp_path: Path
) -> None:
    file = tmp_path / "n8n.yaml"
    status, said = await discover(n8n, file)
    assert status == 1
    assert "+  parse_invoice:" in said
    assert list(tmp_path.iterdir()) == []


async def test_what_people_wrote_stays_and_what_n8n_is_sure_of_follows(
    n8n: N8n, tmp_path: Path
) -> None:
    file = tmp_path / "n8n.yaml"
    await discover(n8n, file, "--yes")
    theirs = file.read_text()
    theirs = theirs.replace("  crm_add_note:\n", "  # Ours since spring.\n  note:\n")
    theirs = theirs.replace("name: Authorization", "name: X-Invoice-Key  # as in n8n")
    theirs = theirs.replace(
        "    description: 'Runs the n8n workflow “CRM: Add note”.'\n",
        "    description: Adds a note to a customer.\n    timeout: 5m\n",
    )
    file.write_text(theirs)
    of_invoice = next(each for each in n8n.published if each["name"] == "Parse invoice")
    of_invoice["description"] = "Reads an invoice."
    status, said = await discover(n8n, file, "--yes")
    assert status == 0, said
    now = file.read_text()
    assert now == theirs.replace(
        "Reads the lines of an invoice. Takes about a minute.", "Reads an invoice."
    )


async def test_a_webhook_that_is_gone_is_named_and_taken_out_only_by_prune(
    n8n: N8n, tmp_path: Path
) -> None:
    file = tmp_path / "n8n.yaml"
    await discover(n8n, file, "--yes")
    n8n.published[:] = [each for each in n8n.published if each["name"] != "Transcribe"]
    status, said = await discover(n8n, file, "--yes")
    assert (status, "transcribe: n8n has no such webhook published now" in said) == (0, True)
    assert "  transcribe:" in file.read_text()
    await discover(n8n, file, "--yes", "--prune")
    assert "transcribe" not in file.read_text()
    assert "  weather_by_city:" in file.read_text()


async def test_the_last_tool_is_taken_out_and_comes_back(n8n: N8n, tmp_path: Path) -> None:
    file = tmp_path / "n8n.yaml"
    kept = [each for each in n8n.published if each["name"] == "Transcribe"]
    n8n.published[:] = kept
    await discover(n8n, file, "--yes")
    n8n.published[:] = []
    status, said = await discover(n8n, file, "--yes", "--prune")
    assert (status, read(file)) == (0, {}), said
    n8n.published[:] = kept
    status, said = await discover(n8n, file, "--yes")
    assert (status, list(read(file))) == (0, ["transcribe"]), said


async def test_only_workflows_with_the_tag_or_for_mcp_are_taken_unless_all_are(
    n8n: N8n, tmp_path: Path
) -> None:
    for workflow in n8n.published:
        workflow.pop("tags", None)
    file = tmp_path / "n8n.yaml"
    await discover(n8n, file, "--yes")
    assert list(read(file)) == ["weather_by_city"]
    n8n.published[0]["tags"] = [{"name": "for-us"}]
    await discover(n8n, file, "--yes", "--tag", "for-us")
    assert sorted(read(file)) == ["parse_invoice", "weather_by_city"]
    await discover(n8n, file, "--yes", "--all")
    assert len(read(file)) == 8


async def test_a_tool_that_claude_would_not_take_is_left_out_and_the_others_are_written(
    n8n: N8n, tmp_path: Path
) -> None:
    fields = n8n.published[2]["nodes"][1]["parameters"]["formFields"]["values"]
    fields[0]["fieldLabel"] = "Which room?"
    n8n.published[5]["nodes"][0]["notes"] = (
        '{"type": "object", "properties": {"a": {"type": "no"}}}'
    )
    file = tmp_path / "n8n.yaml"
    status, said = await discover(n8n, file, "--yes")
    assert status == 0, said
    assert "Book a room: left out, for workflows.book_a_room.input.properties.Which room?" in said
    assert "Transcribe: left out, for workflows.transcribe.input" in said
    assert len(read(file)) == 6


async def test_workflows_are_read_page_by_page(n8n: N8n, tmp_path: Path) -> None:
    first = n8n.published[0]
    for number in range(150):
        another = copy.deepcopy(first)
        another["name"] = f"Copy {number}"
        another["nodes"][0]["parameters"]["path"] = f"copy-{number}"
        n8n.published.append(another)
    file = tmp_path / "n8n.yaml"
    await discover(n8n, file, "--yes")
    assert len(read(file)) == 158


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"BRIDGE_N8N_API_KEY": "wrong"}, "n8n refuses BRIDGE_N8N_API_KEY"),
        ({"BRIDGE_N8N_API_KEY": ""}, "BRIDGE_N8N_API_KEY is not set"),
        ({"BRIDGE_N8N_API_KEY": "ké…"}, "BRIDGE_N8N_API_KEY must be a key as n8n shows it, of let"),
        ({"BRIDGE_N8N_URL": ""}, "BRIDGE_N8N_URL is not set"),
        ({"BRIDGE_N8N_URL": "http://127.0.0.1:9"}, "cannot be reached"),
        ({"BRIDGE_N8N_URL": "ftp://127.0.0.1"}, "no address that can be asked"),
    ],
)
async def test_an_n8n_that_cannot_be_asked_is_one_sentence_and_nothing_is_written(
    n8n: N8n, tmp_path: Path, change: dict[str, str], says: str
) -> None:
    n8n.environ |= change
    status, said = await discover(n8n, tmp_path / "n8n.yaml", "--yes")
    assert status == 1
    assert says in said
    assert len(said.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["<html>hello</html>", "null", "[" * 100_000])
async def test_what_is_no_n8n_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    async def page(_request: object) -> PlainTextResponse:
        return PlainTextResponse(text, media_type="text/html")

    app = Starlette(routes=[Route("/{path:path}", page)])
    async with serving_any(app) as url:
        n8n = N8n({"BRIDGE_N8N_URL": url, **api()})
        status, said = await discover(n8n, tmp_path / "n8n.yaml", "--yes")
    assert (status, "is not n8n's API" in said) == (1, True)
    assert list(tmp_path.iterdir()) == []


async def test_pages_without_workflows_come_to_an_end(tmp_path: Path) -> None:
    asked: list[str] = []

    async def page(request: Request) -> JSONResponse:
        asked.append(str(request.url))
        return JSONResponse({"data": [], "nextCursor": f"cursor-{len(asked)}"})

    async with serving_any(Starlette(routes=[Route("/{path:path}", page)])) as url:
        status, _ = await discover(N8n({"BRIDGE_N8N_URL": url, **api()}), tmp_path / "n8n.yaml")
    assert (status, len(asked)) == (0, 1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: [", "n8n.yaml:1: is no YAML"),
        ("- a\n- b\n", "is no server file"),
        ("name: n8n\nworkflows: [a]\n", "`workflows` must be tools by their names"),
        ("name: N8N!\nworkflows: {}\n", "n8n.yaml:1: "),
        ("name: n8n\n# Größe\n", "n8n.yaml cannot be read: it is not in UTF-8"),
    ],
)
async def test_a_file_that_is_no_server_file_is_left_as_it_is(
    n8n: N8n, tmp_path: Path, text: str, says: str
) -> None:
    file = tmp_path / "n8n.yaml"
    file.write_text(text, encoding="latin-1")
    status, said = await discover(n8n, file, "--yes")
    assert (status, says in said) == (1, True), said
    assert file.read_text(encoding="latin-1") == text


async def test_a_place_that_cannot_be_written_to_is_named_with_the_mend(
    n8n: N8n, tmp_path: Path
) -> None:
    (tmp_path / "servers").write_text("a file")
    status, said = await discover(n8n, tmp_path / "servers" / "n8n.yaml", "--yes")
    assert status == 1
    assert "n8n.yaml cannot be written: " in said
    assert "name another with --file" in said
    assert [each.name for each in tmp_path.iterdir()] == ["servers"]


async def test_a_file_without_workflows_gets_them(n8n: N8n, tmp_path: Path) -> None:
    file = tmp_path / "n8n.yaml"
    file.write_text("name: n8n # ours\ndescription: Ours.\nworkflows:\n")
    status, said = await discover(n8n, file, "--yes")
    assert status == 0, said
    assert file.read_text().startswith("name: n8n # ours\ndescription: Ours.\nworkflows:\n")
    assert len(read(file)) == 8


async def test_ends_of_lines_and_a_link_to_the_file_stay_as_they_are(
    n8n: N8n, tmp_path: Path
) -> None:
    (tmp_path / "kept").mkdir()
    file, link = tmp_path / "kept" / "n8n.yaml", tmp_path / "n8n.yaml"
    file.write_bytes(b"name: n8n\r\ndescription: Ours.\r\n")
    link.symlink_to(file)
    status, said = await discover(n8n, link, "--yes")
    assert status == 0, said
    assert link.is_symlink()
    written = file.read_bytes()
    assert written.count(b"\n") == written.count(b"\r\n") > 50


async def test_a_file_that_nobody_may_write_is_left_as_it_is(n8n: N8n, tmp_path: Path) -> None:
    file = tmp_path / "n8n.yaml"
    file.write_text("name: n8n\ndescription: Ours.\n")
    file.chmod(0o444)
    status, said = await discover(n8n, file, "--yes")
    assert (status, "n8n.yaml is read-only: allow to write it, or name another" in said) == (
        1,
        True,
    )
    assert file.read_text() == "name: n8n\ndescription: Ours.\n"


async def test_a_server_of_that_name_in_another_file_is_named_and_nothing_is_written(
    n8n: N8n, tmp_path: Path
) -> None:
    (tmp_path / "mine.json").write_text('{"name": "n8n", "description": "Mine."}')
    status, said = await discover(n8n, tmp_path / "n8n.yaml", "--yes")
    assert status == 1
    assert "mine.json has a server n8n already: name another with --server" in said
    assert [each.name for each in tmp_path.iterdir()] == ["mine.json"]
    status, said = await discover(n8n, tmp_path / "n8n.yaml", "--yes", "--server", "ours")
    assert status == 0, said


async def test_what_n8n_says_asks_for_nothing_of_the_environment(n8n: N8n, tmp_path: Path) -> None:
    """Else whoever edits a workflow could have Claude told any variable of the bridge."""
    workflow = n8n.published[5]
    of_env = "${BRIDGE_N8N_API_KEY} and $${HOME} and ${UNSET}"
    schema = {"type": "object", "properties": {"a": {"type": "string", "default": of_env}}}
    workflow |= {"name": of_env, "description": of_env}
    workflow["nodes"][0]["notes"] = json.dumps(schema)
    file = tmp_path / "n8n.yaml"
    status, said = await discover(n8n, file, "--yes")
    assert status == 0, said
    tool = read(file)["bridge_n8n_api_key_and_home_and_unset"]
    assert (tool.title, tool.description) == (of_env, of_env)
    assert tool.input == schema
    status, said = await discover(n8n, file)
    assert (status, "is in step with n8n" in said) == (0, True), said


async def test_tools_have_names_that_claude_takes_beside_a_long_name_of_the_server(
    n8n: N8n, tmp_path: Path
) -> None:
    n8n.published[5]["name"] = "A workflow of a rather long name, told by somebody with time"
    server = "a-server-of-a-rather-long-name"
    file = tmp_path / "n8n.yaml"
    status, said = await discover(n8n, file, "--yes", "--server", server)
    assert status == 0, said
    assert "\n  a_workflow_of_a_rather_long:\n" in file.read_text()
    assert len(f"mcp__{server}__a_workflow_of_a_rather_long") == 64


async def test_a_json_file_is_wrong_use_for_it_keeps_no_comments(n8n: N8n, tmp_path: Path) -> None:
    status, said = await discover(n8n, tmp_path / "n8n.json", "--yes")
    assert status == 2
    assert "must end with .yaml" in said


def test_the_tag_is_the_one_that_people_are_told() -> None:
    assert TAG in (ROOT / "README.md").read_text()
