"""What `doctor` says of set-ups that are broken in one place, and of one that is sound."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from redis.asyncio import Redis

from bridge.authoring.diagnosis.claude_code import project_of
from bridge.authoring.diagnosis.configuration import check_settings
from bridge.authoring.diagnosis.doctor import DoctorCheck, diagnose
from bridge.authoring.diagnosis.setup import Setup
from bridge.cli.doctor import INDENT, wrapped
from bridge.cli.main import commands
from bridge.diagnosis.observations import Observation, right
from bridge.diagnosis.redis_store import followers, judged
from bridge.local.ports import free_port
from bridge.local.valkey import EmbeddedValkey
from bridge.standin.serving import serving as serving_standin
from bridge.standin.standin import Standin
from bridge.store.vitals import Vitals, vitals_of
from tests import processes
from tests.bridge_processes import running_bridge
from tests.commands import logging_kept, run
from tests.raw_server import raw_server

TOKEN = "a-token-that-nobody-guesses"
KEY = "a-key-to-the-api-of-n8n"
HTML = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\nnone"
LOGIN = b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n"
FORBIDDEN = (
    b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
)
FILE = """\
name: desk
tokens: [env:DESK_TOKEN]
hooks:
  letters:
    description: Letters.
    auth: {bearer: env:DESK_TOKEN}
"""


@dataclass
class Place:
    """A sound set-up that a test breaks in one place: its store, its n8n, its files."""

    folder: Path
    valkey: EmbeddedValkey
    redis: Redis
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def port(self) -> str:
        return self.environ["BRIDGE_PORT"]

    def write_server(self, text: str) -> None:
        (self.folder / "servers" / "desk.yaml").write_text(text)

    def add_to_claude(self, url: str = "", token: str = "${DESK_TOKEN}", **entry: Any) -> None:
        """Add the bridge to Claude Code in this folder, as people do."""
        sent = {"headers": {"Authorization": f"Bearer {token}"}} if token else {}
        address = url or f"http://localhost:{self.port}/mcp/desk"
        added = {"type": "http", "url": address, **sent, **entry}
        servers = {"mcpServers": {"desk": added}}
        (self.folder / ".mcp.json").write_text(json.dumps(servers))

    async def wrong(self) -> list[dict[str, str]]:
        """Return what the command finds wrong, but for what depends on how busy this machine is."""
        return wrong_in(await self.findings())

    async def findings(self) -> list[dict[str, str]]:
        """Run the command; returns what it found, and holds its exit status to that."""
        status, said = await run(
            "doctor",
            "--json",
            environ=self.environ | {"HOME": str(self.folder)},
            folder=self.folder,
        )
        document = json.loads(said)
        found: list[dict[str, str]] = document["findings"]
        counts = document["counts"]
        assert counts == {
            level: sum(each["severity"] == level for each in found) for level in counts
        }
        assert status == (1 if counts["error"] else 0)
        assert TOKEN not in said
        assert KEY not in said
        return found


def wrong_in(findings: list[dict[str, str]]) -> list[dict[str, str]]:
    """Pick what is wrong, but for what depends on how busy this machine is."""
    return [
        each
        for each in findings
        if each["severity"] not in ("ok", "skipped") and each["id"] != "redis.latency"
    ]


@pytest.fixture(scope="module")
async def own_valkey(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedValkey]:
    async with EmbeddedValkey(tmp_path_factory.mktemp("doctor")) as valkey:
        yield valkey


@pytest.fixture
async def place(tmp_path: Path, own_valkey: EmbeddedValkey) -> AsyncIterator[Place]:
    async with (
        Redis.from_url(own_valkey.url) as redis,
        Standin(api_key=KEY) as n8n,
        serving_standin(n8n) as n8n_url,
    ):
        (tmp_path / "servers").mkdir()
        made = Place(tmp_path, own_valkey, redis)
        made.environ = {
            "BRIDGE_REDIS_URL": own_valkey.url,
            "BRIDGE_SERVERS": "servers",
            "BRIDGE_DATA_DIR": str(tmp_path / "data"),
            "BRIDGE_PORT": str(free_port()),
            "BRIDGE_N8N_URL": n8n_url,
            "BRIDGE_N8N_API_KEY": KEY,
            "DESK_TOKEN": TOKEN,
        }
        made.write_server(FILE)
        made.add_to_claude()
        kept = {name: str((await redis.config_get(name))[name]) for name in CHANGED}
        yield made
        for name, value in kept.items():
            await redis.config_set(name, value)
        await redis.flushdb()


CHANGED = ("appendonly", "appendfsync", "maxmemory", "maxmemory-policy")


async def test_a_sound_set_up_has_nothing_to_be_mended_and_all_that_was_looked_at_is_named(
    place: Place,
) -> None:
    found = await place.findings()

    assert {each["severity"] for each in found if each["id"] != "redis.latency"} == {"ok"}
    assert [each["id"] for each in found] == [
        *("settings", "files", "tokens"),
        *("redis.safety", "redis", "redis.memory", "redis.latency", "redis.clock", "port"),
        *("n8n", "n8n.webhooks", "n8n.replies", "n8n.key", "claude"),
    ]
    assert not (place.folder / "data").exists()


async def test_nothing_is_written_to_redis(place: Place) -> None:
    async def writes() -> int:
        return int((await place.redis.info("persistence"))["rdb_changes_since_last_save"])

    before = await writes(), await place.redis.dbsize()

    await place.findings()

    assert (await writes(), await place.redis.dbsize()) == before


@dataclass(frozen=True)
class Change:
    """What makes a sound set-up a broken one; `{port}` is the bridge's."""

    redis: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    server: str = FILE
    claude: Mapping[str, str] = field(default_factory=dict)
    claude_file: str = ""

    async def make(self, place: Place) -> None:
        for name, value in self.redis.items():
            await place.redis.config_set(name, value)
        place.environ.update(self.environ)
        place.write_server(self.server)
        place.add_to_claude(
            **{name: value.replace("{port}", place.port) for name, value in self.claude.items()}
        )
        if self.claude_file:
            (place.folder / ".mcp.json").write_text(self.claude_file)


UNGUARDED = FILE.replace("tokens: [env:DESK_TOKEN]\n", "")
NO_REDIS = Change(environ={"BRIDGE_REDIS_URL": "redis://bridge:hidden-word@127.0.0.1:9/3"})
OTHER_TOKEN = Change(claude={"token": "another-token-of-another-server"})


@pytest.mark.parametrize(
    ("change", "severity", "identifier", "sentence", "remedy"),
    [
        (
            Change(redis={"appendonly": "no"}),
            *("error", "redis.persistence", "keeps no append-only file", "`appendonly yes`"),
        ),
        (
            Change(redis={"appendfsync": "everysec"}),
            *("warning", "redis.flushing", "the last second", "`appendfsync always`"),
        ),
        (
            Change(redis={"maxmemory-policy": "allkeys-lru"}),
            *("error", "redis.eviction", "(maxmemory-policy allkeys-lru)", "`noeviction`"),
        ),
        (
            NO_REDIS,
            *("error", "redis.unreachable", "nothing listens", "mend BRIDGE_REDIS_URL"),
        ),
        (
            Change(environ={"BRIDGE_N8N_URL": "http://127.0.0.1:9"}),
            *("error", "n8n.unreachable", "cannot be reached: nothing listens", "start n8n"),
        ),
        (
            Change(environ={"BRIDGE_N8N_API_KEY": "another-key"}),
            *("error", "n8n.key", "n8n refuses BRIDGE_N8N_API_KEY", "make a new key"),
        ),
        (
            Change(environ={"BRIDGE_PROT": "8080"}),
            *("error", "settings.wrong", "BRIDGE_PROT is no setting", ""),
        ),
        (
            Change(server=FILE + "hoooks: {}\nworkflow: {}\n"),
            *("error", "files.errors", "2 errors of `n8n-bridge check`", "n8n-bridge check serv"),
        ),
        (
            Change(server=UNGUARDED, environ={"BRIDGE_HOST": "0.0.0.0"}),
            *("error", "tokens.none", "it has no tokens", "tokens add desk NAME"),
        ),
        (
            Change(environ={"BRIDGE_OPERATOR_TOKEN": "secret"}),
            *("warning", "tokens.short", "BRIDGE_OPERATOR_TOKEN is a secret of fewer", ""),
        ),
        (
            OTHER_TOKEN,
            *("error", "claude.token", "none of the server desk's", "tokens add desk"),
        ),
        (
            Change(claude={"token": ""}),
            *("error", "claude.no_token", "sends no token", "Authorization"),
        ),
        (
            Change(claude={"token": "${DESK_TOKEN_OF_ANN}"}),
            *("warning", "claude.variable", "needs DESK_TOKEN_OF_ANN", "set DESK_"),
        ),
        (
            Change(claude={"url": "http://localhost:1234/mcp/desk"}),
            *("warning", "claude.address", "leads to http://localhost:1234/mcp/desk", "set"),
        ),
        (
            Change(claude={"url": "http://127.0.0.1:{port}/mcp/deks"}),
            *("error", "claude.server", "the server deks", "name one of these: desk"),
        ),
        (
            Change(claude={"type": "sse"}),
            *("error", "claude.type", "is of type sse", '"type": "http"'),
        ),
        (
            Change(claude_file='{"mcpServers": {}}'),
            *("warning", "claude.missing", "no server of this bridge", "claude mcp add"),
        ),
        (
            Change(claude_file='{"mcpServers": '),
            *("error", "claude.unreadable", "it is no JSON object", "mend that file"),
        ),
    ],
    ids=lambda given: given if isinstance(given, str) and "." in given else "",
)
async def test_what_is_broken_is_named_with_its_remedy(
    place: Place, change: Change, severity: str, identifier: str, sentence: str, remedy: str
) -> None:
    await change.make(place)

    found = await place.wrong()

    first = next(each for each in found if each["id"] == identifier)
    assert first["severity"] == severity
    assert sentence in first["sentence"]
    assert remedy in first["remedy"]
    assert "hidden-word" not in json.dumps(found)
    follows = {"n8n.unreachable": {"n8n.api"}, "files.errors": {"claude.server"}}
    others = {each["id"] for each in found} - {identifier}
    assert others <= follows.get(identifier, set())


async def test_a_redis_that_is_nearly_full_is_named(place: Place) -> None:
    # So much that what connections take beside it makes no difference.
    await place.redis.set("filler", b"x" * 16 * 2**20)
    await place.redis.connection_pool.disconnect()  # its buffer is as big
    used = (await place.redis.info("memory"))["used_memory"]
    await place.redis.config_set("maxmemory", int(used / 0.875))

    (found,) = await place.wrong()

    assert (found["severity"], found["id"]) == ("warning", "redis.memory")
    assert "it fills up: " in found["sentence"]
    assert "raise maxmemory" in found["remedy"]


@pytest.mark.parametrize(
    ("answer", "identifier", "sentence"),
    [
        (HTML, "n8n.webhooks", "what answers 404 for a webhook that there is not is no n8n"),
        (LOGIN, "n8n.guarded", "something before n8n answers 302"),
        (FORBIDDEN, "n8n.scope", "the key has none of the scopes workflow:list"),
    ],
)
async def test_what_is_not_n8n_or_lets_the_key_do_less_is_named(
    place: Place, answer: bytes, identifier: str, sentence: str
) -> None:
    async with raw_server() as other:
        other.answer = answer
        place.environ["BRIDGE_N8N_URL"] = other.url

        found = await place.findings()

    assert any(
        each["id"] == identifier and sentence in each["sentence"] and each["severity"] != "ok"
        for each in found
    ), found
    methods = {request.split(b" ", 1)[0] for request in other.requests}
    targets = {request.split(b" ")[1] for request in other.requests if request[:4] == b"POST"}
    assert methods == {b"GET", b"POST"}
    assert all(target.startswith(b"/webhook/n8n-bridge-doctor-") for target in targets)


@pytest.mark.parametrize(
    ("itself", "mended"),
    [
        ("https://n8n.example.com", {"BRIDGE_REPLY_ORIGINS": "https://n8n.example.com"}),
        (
            "https://example.com/n8n/",
            {
                "BRIDGE_REPLY_ORIGINS": "https://example.com",
                "BRIDGE_REPLY_PATHS": "/n8n/webhook-waiting/",
            },
        ),
    ],
)
async def test_an_n8n_that_writes_itself_as_what_replies_may_not_go_to_is_named(
    place: Place, itself: str, mended: dict[str, str]
) -> None:
    answer = json.dumps({"issuer": itself}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}"
    async with raw_server(head.encode() + b"\r\n\r\n" + answer) as other:
        place.environ["BRIDGE_N8N_URL"] = other.url
        found = {each["id"]: each for each in await place.findings()}["n8n.replies"]
        place.environ |= mended
        after = {each["id"]: each for each in await place.findings()}["n8n.replies"]

    assert found["severity"] == "warning"
    assert f"n8n writes its own address as {itself.rstrip('/')}, and" in found["sentence"]
    assert all(name in found["remedy"] and text in found["remedy"] for name, text in mended.items())
    assert (after["severity"], after["remedy"]) == ("ok", "")


async def test_an_n8n_that_never_answers_is_named_once(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.diagnosis.checks.ANSWER_S", 0.5)
    monkeypatch.setattr("bridge.diagnosis.n8n.ANSWERS_S", 0.5)
    async with raw_server(None) as silent:
        place.environ["BRIDGE_N8N_URL"] = silent.url
        found = await place.findings()

    (named,) = wrong_in(found)
    assert (named["id"], named["sentence"]) == (
        "n8n.unreachable",
        "it cannot be reached: no answer came in time",
    )
    said = {each["id"]: each["sentence"] for each in found}["n8n.api"]
    assert said == f"n8n at {silent.url} did not answer within 0.5 s"


async def test_https_where_no_tls_is_spoken_is_named(place: Place) -> None:
    def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1") as plain:
        place.environ["BRIDGE_N8N_URL"] = f"https://127.0.0.1:{plain.sockets[0].getsockname()[1]}"
        found = {each["id"]: each for each in await place.wrong()}["n8n.unreachable"]

    assert found["sentence"] == "it cannot be reached: no TLS is spoken there"
    assert "write http:// where" in found["remedy"]


@pytest.mark.parametrize(
    ("kept", "identifier", "subject"),
    [
        ({}, "claude", "desk in ../.mcp.json"),
        ({"mcpServers": {"ours": {}}}, "claude", "ours in ~/.claude.json, this folder"),
        ({"disabledMcpServers": ["desk"]}, "claude.off", "desk in ../.mcp.json"),
    ],
)
async def test_what_claude_code_reads_of_a_repository_counts_in_its_folders(
    place: Place, kept: dict[str, Any], identifier: str, subject: str
) -> None:
    (place.folder / ".git").mkdir()
    (written,) = json.loads((place.folder / ".mcp.json").read_text())["mcpServers"].values()
    for each in kept.get("mcpServers", {}).values():
        each.update(written)
    (place.folder / ".claude.json").write_text(json.dumps({"projects": {str(place.folder): kept}}))
    environ = place.environ | {"HOME": str(place.folder), "BRIDGE_SERVERS": "."}

    _, said = await run("doctor", "--json", environ=environ, folder=place.folder / "servers")

    found = {each["subject"]: each for each in json.loads(said)["findings"]}
    assert found[subject]["id"] == identifier


def test_a_worktree_is_kept_with_its_repository_and_a_submodule_by_itself(tmp_path: Path) -> None:
    inside = tmp_path / "main" / ".git" / "worktrees" / "other"
    inside.mkdir(parents=True)
    (inside / "commondir").write_text("../..\n")
    for name, named in {"other": str(inside), "part": "../main/.git/modules/part"}.items():
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / ".git").write_text(f"gitdir: {named}\n")

    assert project_of(tmp_path / "main") == tmp_path / "main"
    assert project_of(tmp_path / "other" / "deep") == tmp_path / "main"
    assert project_of(tmp_path / "part" / "deep") == tmp_path / "part"
    assert project_of(tmp_path) == tmp_path


FOLLOWING = """\
workflows:
  count_pages:
    description: Counts the pages of a document. Answers within a minute.
    url: ${BRIDGE_N8N_URL}/webhook/count
    result: execution
    annotations: {read_only: true}
"""


async def test_a_scope_that_a_server_file_needs_is_an_error(place: Place) -> None:
    place.write_server(FILE + FOLLOWING)
    sound = await place.wrong()
    async with raw_server(FORBIDDEN) as other:
        place.environ["BRIDGE_N8N_URL"] = other.url
        found = {each["id"]: each for each in await place.findings()}

    assert sound == []
    assert found["n8n.scope"]["severity"] == "error"
    assert "the key lacks the scope execution:read" in found["n8n.scope"]["sentence"]


async def test_a_port_that_another_program_has_is_named(place: Place) -> None:
    async with raw_server() as other:
        place.environ["BRIDGE_PORT"] = str(other.port)
        place.add_to_claude()

        (wrong,) = await place.wrong()

    assert wrong["id"] == "port.taken"
    assert "Address already in use, and not by a bridge" in wrong["sentence"]
    assert "BRIDGE_PORT" in wrong["remedy"]


async def test_a_token_on_record_guards_a_server_and_fits(place: Place) -> None:
    place.write_server(UNGUARDED)
    place.environ["BRIDGE_HOST"] = "0.0.0.0"
    _, said = await run(
        "tokens", "add", "desk", "ann", "--json", environ=place.environ, folder=place.folder
    )
    token = json.loads(said.splitlines()[-1])["token"]
    place.add_to_claude(token=token)
    found = await place.findings()

    assert wrong_in(found) == []
    assert token not in json.dumps(found)


async def test_a_token_that_may_be_on_record_is_not_said_to_fit_while_nobody_knows(
    place: Place,
) -> None:
    await OTHER_TOKEN.make(place)
    place.environ.update(NO_REDIS.environ)

    found = {each["id"]: each for each in await place.findings()}

    assert found["claude.token_unknown"]["severity"] == "warning"
    assert "claude" not in found


async def test_a_folder_where_nothing_is_set_up_has_no_errors(tmp_path: Path) -> None:
    environ = {
        "BRIDGE_DATA_DIR": str(tmp_path / "data"),
        "BRIDGE_PORT": str(free_port()),
        "HOME": str(tmp_path),
    }
    status, said = await run("doctor", environ=environ, folder=tmp_path)

    assert status == 0, said
    assert said.splitlines()[-1] == "4 ok, 0 warning, 0 error, 4 skipped"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("count", "least", "severity"),
    [(0, 0, None), (1, 0, "warning"), (1, 1, "ok"), (0, 1, "error"), (2, 1, None)],
)
def test_replicas_are_judged_by_how_many_are_waited_for(
    count: int, least: int, severity: str | None
) -> None:
    found = [each.severity for each in followers("redis", count, least)]

    assert found == ([severity] if severity else [])


SOUND = Vitals("Valkey", "9.1.0", True, 0, 1, 0, 0.1, 0.0)


@pytest.mark.parametrize(
    ("seen", "identifier"),
    [
        (Vitals("Redis", "8.0", False, 0, 1, 0, 0.1, 0.0), "redis.replica"),
        (Vitals("Redis", "8.0", True, 0, 99, 100, 0.1, 0.0), "redis.memory"),
        (Vitals("Redis", "8.0", True, 0, 1, 0, 50.0, 0.0), "redis.latency"),
        (Vitals("Redis", "8.0", True, 0, 1, 0, 0.1, -30.0), "redis.clock"),
    ],
)
def test_a_store_that_is_slow_or_full_or_elsewhere_in_time_is_told(
    seen: Vitals, identifier: str
) -> None:
    assert {each.severity for each in judged("redis", SOUND)} == {"ok"}
    (found,) = [each for each in judged("redis", seen) if each.severity != "ok"]
    assert found.id == identifier


async def test_a_look_at_a_real_store_is_sound(place: Place) -> None:
    seen = await vitals_of(place.redis)

    assert (seen.server, seen.is_primary, seen.max_bytes) == ("Valkey", True, 0)
    assert abs(seen.ahead_s) < 1


@pytest.mark.parametrize(
    ("token", "identifier"), [("${OPERATOR}", "claude"), (TOKEN, "claude.token")]
)
async def test_the_server_of_operators_is_known_where_it_is_turned_on(
    place: Place, token: str, identifier: str
) -> None:
    operator = "a-token-of-who-runs-the-bridge"
    place.add_to_claude(f"http://localhost:{place.port}/mcp/_operators", token)
    place.environ |= {"BRIDGE_OPERATORS_MCP": "1", "BRIDGE_OPERATOR_TOKEN": operator}
    place.environ |= {"OPERATOR": operator}
    (found,) = [each for each in await place.findings() if each["id"].startswith("claude")]
    assert found["id"] == identifier
    assert operator not in str(found)


async def test_the_command_knows_a_running_bridge_and_says_a_line_a_finding(
    tmp_path: Path,
) -> None:
    async with running_bridge(tmp_path, workers=0) as bridge:
        (tmp_path / "proof.yaml").write_text(FILE.replace("desk", "proof"))
        ours = {"BRIDGE_SERVERS": "proof.yaml", "DESK_TOKEN": TOKEN, "HOME": str(tmp_path)}
        environ = bridge.environ | ours
        entry = {
            "url": f"{bridge.webs[0].url}/mcp/proof",
            "headers": {"Authorization": "Bearer ${DESK_TOKEN}"},
        }
        here = {"projects": {str(tmp_path): {"mcpServers": {"b": {"type": "http", **entry}}}}}
        (tmp_path / ".claude.json").write_text(json.dumps(here))

        status, said = await processes.run("doctor", environ=environ, folder=tmp_path)

    lines = said.splitlines()
    assert status == 0, said
    assert any("a bridge runs there, and is ready" in line for line in lines)
    assert any("its token fits" in line for line in lines)
    assert all(line.startswith("ok ") for line in lines[:-1])


async def test_a_check_that_takes_too_long_is_ended_and_says_what_it_has_seen(
    tmp_path: Path,
) -> None:
    async def never(setup: Setup) -> AsyncIterator[Observation]:
        yield right("first", "never", "it was seen")
        await asyncio.Event().wait()

    setup = Setup.of({"BRIDGE_DATA_DIR": str(tmp_path)}, tmp_path, tmp_path)
    checks = (DoctorCheck("never", never, 0.05), DoctorCheck("settings", check_settings))
    seen = [each async for each in diagnose(setup, checks)]

    assert [each.id for each in seen] == ["first", "slow", "settings"]
    assert seen[1].severity == "error"
    assert "within 0.05 s" in seen[1].sentence


async def test_a_check_that_fails_says_so_without_a_secret_and_ends_no_other(
    tmp_path: Path,
) -> None:
    async def broken(setup: Setup) -> AsyncIterator[Observation]:
        yield right("first", "broken", "it was seen")
        raise LookupError(TOKEN)

    setup = Setup.of({"BRIDGE_DATA_DIR": str(tmp_path)}, tmp_path, tmp_path)
    checks = (DoctorCheck("broken", broken), DoctorCheck("settings", check_settings))
    seen = [each async for each in diagnose(setup, checks)]

    assert [each.id for each in seen] == ["first", "doctor.failed", "settings"]
    assert seen[1].severity == "error"
    assert "this check failed: LookupError (checks.py:" in seen[1].sentence
    assert "test_doctor.py:" in seen[1].sentence
    assert "report it" in seen[1].remedy
    assert TOKEN not in seen[1].sentence


async def test_a_redis_that_hangs_is_named_and_all_else_is_still_looked_at(place: Place) -> None:
    pid = int((await place.redis.info("server"))["process_id"])
    os.kill(pid, signal.SIGSTOP)
    try:
        found = {each["id"]: each for each in await place.findings()}
    finally:
        os.kill(pid, signal.SIGCONT)

    assert "does not answer" in found["redis.unreachable"]["sentence"]
    assert found["n8n.key"]["severity"] == found["claude"]["severity"] == "ok"


@pytest.mark.parametrize("no_color", ["", "1"])
def test_levels_have_colours_unless_nobody_wants_any(tmp_path: Path, no_color: str) -> None:
    environ = {"BRIDGE_DATA_DIR": str(tmp_path), "BRIDGE_PORT": "0", "NO_COLOR": no_color}
    with logging_kept(), contextlib.chdir(tmp_path):
        ran = CliRunner().invoke(commands, ["doctor"], env=environ, color=True)
    assert ("\x1b[" in ran.output) == (not no_color)


async def test_wrong_use_is_told(tmp_path: Path) -> None:
    status, said = await run("doctor", "--xml", environ={}, folder=tmp_path)

    assert status == 2
    assert "--xml" in said


def test_a_finding_is_wrapped_beside_its_level_and_no_address_is_broken() -> None:
    address = f"http://localhost:8080/mcp/{'long-' * 8}name"

    text = wrapped(f"→ set its url to {address}, unless another bridge is meant", 40)

    assert all(line.startswith(INDENT) for line in text.splitlines())
    assert f"{INDENT}{address}," in text.splitlines()
