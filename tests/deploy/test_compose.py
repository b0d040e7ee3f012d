"""docker-compose.yml: what Compose reads, and what it starts, as processes."""

import asyncio
import itertools
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
import yaml

from bridge.standin.serving import serving as serving_standin
from bridge.standin.standin import Standin
from tests.bridge_processes import label_of
from tests.claude import Spread, Wire, claude, use
from tests.deploy.cloud_redis import cloud_redis
from tests.deploy.compose import FILE, services
from tests.deploy.composed import NGINX, Composed, composed
from tests.processes import ROOT

SETUP = ROOT / "config" / "deploy" / "n8n"
CLAUDE, N8N = "the-token-of-claude", "the-token-of-the-hook"
TOKENS = {"BRIDGE_DEMO_TOKEN": CLAUDE, "BRIDGE_DEMO_HOOK_TOKEN": N8N}
CALL_S = 0.5
WIRES: tuple[Wire, ...] = ("2026-07-28", "legacy")


@dataclass
class Load:
    """What clients did until `over`: ids of accepted events, and calls; whatever went wrong."""

    origin: str
    over: asyncio.Event = field(default_factory=asyncio.Event)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    event_urls: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    async def send_events(self, http: httpx2.AsyncClient) -> None:
        """Send events as n8n on the same network does: by the proxy's name."""
        headers = {"authorization": f"Bearer {N8N}", "host": "proxy:8080"}
        while not self.over.is_set():
            question = {"question": next(self.numbers)}
            url = f"{self.origin}/hooks/demo/question"
            answer = await http.post(url, json=question, headers=headers)
            if answer.status_code != httpx2.codes.ACCEPTED:
                self.wrong.append(answer.text)
                return
            self.event_urls.append(answer.json()["status_url"])

    async def run_workflows(self, wire: Wire) -> None:
        """Run n8n's workflow again and again, with one client that is never connected anew."""
        async with claude("demo", CLAUDE, wire, Spread([self.origin]), self.origin) as client:
            while not self.over.is_set():
                label = f"{wire}-{next(self.numbers)}"
                self.labels.append(label)
                told = await use(client, "slow_tool", seconds=CALL_S, label=label)
                while "next" in told:
                    told = await use(client, "read_call", call_id=told["call_id"], wait_seconds=9)
                if told.get("result", told).get("label") != label:
                    self.wrong.append(f"{label}: {told}")


def test_compose_reads_the_file() -> None:
    """By the Compose Specification's own schema, as check-jsonschema carries it."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    ran = subprocess.run([*command, str(FILE)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


def test_the_file_of_alerts_is_found_in_containers_where_it_is_found_beside_the_file() -> None:
    (named,) = re.findall(r"BRIDGE_ALERTS=(\S+)", (ROOT / "config" / "env.example").read_text())
    assert named.startswith("config/")
    for name, service in services({}).items():
        if name.startswith(("web", "worker")):
            assert "./config:/bridge/config:ro" in service["volumes"]


def test_n8n_is_told_the_address_that_the_bridge_knows_it_by() -> None:
    for dotenv in ({}, {"BRIDGE_N8N_URL": "https://n8n.example.com"}):
        read = services(dotenv)
        known = {
            read[name]["environment"]["BRIDGE_N8N_URL"]
            for name in ("web-1", "web-2", "worker-1", "worker-2")
        }
        assert known == {read["n8n"]["environment"]["WEBHOOK_URL"]}


def test_a_new_n8n_has_the_workflows_that_the_demo_names_and_one_that_asks_its_hook() -> None:
    workflows = json.loads((SETUP / "workflows.json").read_text())
    nodes = [node for workflow in workflows for node in workflow["nodes"]]
    paths = {node["parameters"].get("path") for node in nodes if node["type"].endswith(".webhook")}
    demo = yaml.safe_load((ROOT / "config" / "servers" / "demo.yaml").read_text())
    called = {each["url"].rpartition("/")[2] for each in demo["workflows"].values()}
    assert paths == called | {"ask-claude"}
    (asking,) = (node for node in nodes if node["type"].endswith(".httpRequest"))
    assert asking["parameters"]["url"] == f"http://proxy:8080/hooks/{demo['name']}/question"
    script = (SETUP / "setup.sh").read_text()
    assert f'id: "{asking["credentials"]["httpHeaderAuth"]["id"]}"' in script
    (published,) = re.findall(r"for id in (.+); do", script)
    assert published.split() == [workflow["id"] for workflow in workflows]


@pytest.mark.parametrize(("token", "makes"), [("", False), ("a token", True)])
def test_an_n8n_that_was_started_without_the_demo_s_token_is_given_it_by_a_later_start(
    token: str, makes: bool, tmp_path: Path
) -> None:
    """Else it would send none for ever: what is there is made once."""
    (tmp_path / ".n8n").mkdir()
    for command in ("n8n", "node"):
        (tmp_path / command).write_text(f'#!/bin/sh\necho {command} "$@" >> {tmp_path}/ran\n')
        (tmp_path / command).chmod(0o755)
    environ = {"HOME": str(tmp_path), "PATH": f"{tmp_path}:/usr/bin:/bin"}
    for _ in range(2):
        subprocess.run(
            ["sh", SETUP / "setup.sh"],
            env=environ | {"BRIDGE_DEMO_HOOK_TOKEN": token},
            check=True,
            capture_output=True,
        )

    ran = (tmp_path / "ran").read_text() if makes else ""
    assert ran.count("n8n import:credentials") == int(makes)
    assert (tmp_path / "ran").exists() == (tmp_path / ".n8n/bridge-demo").exists() == makes


def test_only_this_machine_reaches_what_is_published() -> None:
    ports = [port for service in services({}).values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.skipif(NGINX.path is None, reason="there is no nginx on this machine")
async def test_nothing_is_lost_and_nothing_fails_while_every_process_is_replaced(
    tmp_path: Path,
) -> None:
    n8n = Standin(has_control=True)
    async with n8n, serving_standin(n8n) as n8n_url, cloud_redis(tmp_path) as redis_url:
        dotenv = {**TOKENS, "BRIDGE_N8N_URL": n8n_url, "BRIDGE_REDIS_URL": redis_url}
        async with composed(tmp_path, dotenv) as whole:
            load = Load(whole.origin)
            async with asyncio.TaskGroup() as clients:
                clients.create_task(load.send_events(whole.http))
                for wire in WIRES:
                    clients.create_task(load.run_workflows(wire))
                for number in (1, 2):
                    await asyncio.gather(
                        whole.replace(f"web-{number}"), whole.replace(f"worker-{number}")
                    )
                load.over.set()
            assert load.wrong == []
            ran = Counter(map(label_of, n8n.seen.of("/webhook/slow-tool")))
            assert ran == Counter(load.labels)
            assert await statuses(whole, load) == {"queued": len(load.event_urls)}
            assert min(len(load.event_urls), len(load.labels)) > 10
            closed = await whole.http.get(f"{whole.origin}/metrics")
            assert closed.status_code == httpx2.codes.FORBIDDEN


async def statuses(whole: Composed, load: Load) -> Counter[str]:
    """Ask for every event by the address that its sender was told; count what they are."""
    headers = {"authorization": f"Bearer {N8N}", "host": "proxy:8080"}
    counted: Counter[str] = Counter()
    for url in load.event_urls:
        assert url.startswith("http://proxy:8080/events/")
        path = httpx2.URL(url).path
        answer = await whole.http.get(whole.origin + path, headers=headers)
        counted[answer.raise_for_status().json()["status"]] += 1
    return counted
