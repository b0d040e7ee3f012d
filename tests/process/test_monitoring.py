"""What ships for Prometheus and Grafana works with the numbers of real processes.

Prometheus scrapes them and promtool reads the rules where both are on the path (Debian has them in
`prometheus`). Where they are not, that is skipped, and the names in the files are compared with the
numbers all the same. No Grafana runs here: of its dashboard the form is checked, and each query is
asked of the real Prometheus.
"""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from bridge.local.ports import free_port
from tests.processes import ROOT, running
from tests.waiting import wait_until

DEPLOY = ROOT / "config/deploy"
ALERTS = DEPLOY / "prometheus-alerts.yaml"
DASHBOARD = DEPLOY / "grafana-dashboard.json"
STARTS_S = 30.0

with_prometheus = pytest.mark.skipif(
    not (shutil.which("prometheus") and shutil.which("promtool")),
    reason="there is no prometheus on this machine: only the names in its files were checked",
)


@pytest.fixture
async def numbers(redis_url: str) -> AsyncIterator[dict[str, str]]:
    """Run a web process and a worker; return where each shows its numbers, by host and port."""
    web, worker = free_port(), free_port()
    environ = {
        "BRIDGE_PORT": str(web),
        "BRIDGE_REDIS_URL": redis_url,
        "BRIDGE_N8N_URL": "http://127.0.0.1:9",
        "BRIDGE_DEMO_TOKEN": "the-token-of-claude",
        "BRIDGE_DEMO_HOOK_TOKEN": "the-token-of-the-hook",
    }
    command = ("worker", "--metrics-port", str(worker))
    async with running("web", environ=environ), running(*command, environ=environ):
        places = {"web": f"127.0.0.1:{web}", "worker": f"127.0.0.1:{worker}"}
        for place in places.values():
            await answering(f"http://{place}/metrics")
        yield places


async def answering(url: str) -> None:
    """Wait until an address answers well."""
    async with httpx2.AsyncClient(trust_env=False) as http:

        async def does() -> bool:
            try:
                return (await http.get(url)).status_code == 200
            except httpx2.TransportError:
                return False

        await wait_until(does, f"{url} answers", STARTS_S)


async def text_of(place: str) -> str:
    async with httpx2.AsyncClient(trust_env=False) as http:
        return (await http.get(f"http://{place}/metrics")).raise_for_status().text


def panels() -> list[dict[str, Any]]:
    return [each for each in json.loads(DASHBOARD.read_text())["panels"] if each["type"] != "row"]


def asked() -> Iterator[str]:
    """Return every query of the dashboard as it is asked, and every alert's expression."""
    for panel in panels():
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "1m").replace("$server", ".*")
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])


async def test_every_name_in_alerts_and_dashboard_is_a_number_that_is_shown(
    numbers: dict[str, str],
) -> None:
    shown = {
        line.partition("{")[0].partition(" ")[0]
        for place in numbers.values()
        for line in (await text_of(place)).splitlines()
    }
    used = {name for query in asked() for name in re.findall(r"\bn8n_bridge_\w+", query)}

    assert len(used) > 20
    assert used - shown == {"n8n_bridge_paused"}, "it is there while something is paused"


def test_the_dashboard_has_the_form_that_grafana_imports() -> None:
    board = json.loads(DASHBOARD.read_text())
    every = board["panels"]

    assert board["schemaVersion"] >= 38
    assert len({panel["id"] for panel in every}) == len(every)
    assert {each["name"] for each in board["templating"]["list"]} == {"datasource", "server"}
    cells = [
        (x, y)
        for panel in every
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells), "panels lie over each other"
    assert max(x for x, _ in cells) < 24
    for panel in panels():
        for each in (panel, *panel["targets"]):
            assert each["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@with_prometheus
async def test_promtool_finds_no_fault_in_the_numbers_and_in_the_alerts(
    numbers: dict[str, str],
) -> None:
    for place in numbers.values():
        said = subprocess.run(
            ["promtool", "check", "metrics"],
            input=await text_of(place),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (said.returncode, said.stdout + said.stderr) == (0, "")
    subprocess.run(["promtool", "check", "rules", ALERTS], check=True, capture_output=True)


FIRING: dict[str, list[tuple[str, str]]] = {
    "BridgeHasNoWorker": [('n8n_bridge_processes_by_kind{kind="worker"}', "0x30")],
    "BridgeIsAway": [],
    "BridgeLostItsStore": [("n8n_bridge_store_made_timestamp_seconds", "1x15 2x15")],
    "BridgeEventsWait": [('n8n_bridge_oldest_queued_seconds{server="s",hook="h"}', "1000x30")],
    "BridgeIsPaused": [('n8n_bridge_paused{server="s",part=""}', "1x90")],
    "BridgeHasDeadEvents": [('n8n_bridge_inbox{server="s",hook="h",status="dead"}', "1x30")],
    "BridgeRepliesDie": [
        ('n8n_bridge_replies_total{server="s",hook="h",status="dead"}', "0x20 1x10")
    ],
    "BridgeCannotReachN8n": [('n8n_bridge_reply_circuit_open{origin="o"}', "1x30")],
    "BridgeCallsFail": [
        ('n8n_bridge_calls_total{server="s",tool="t",status="failed"}', "0+1x30"),
        ('n8n_bridge_calls_total{server="s",tool="t",status="succeeded"}', "0+1x30"),
    ],
    "BridgeCallsAreLate": [("n8n_bridge_call_overdue_seconds", "90x30")],
    "BridgeIsBusy": [
        ('n8n_bridge_event_loop_lag_seconds_bucket{instance="i",le="1"}', "0x30"),
        ('n8n_bridge_event_loop_lag_seconds_bucket{instance="i",le="2.5"}', "0+9x30"),
        ('n8n_bridge_event_loop_lag_seconds_bucket{instance="i",le="+Inf"}', "0+9x30"),
    ],
    "BridgeRedisIsSlow": [
        ('n8n_bridge_redis_round_trip_seconds_bucket{instance="i",le="0.25"}', "0x30"),
        ('n8n_bridge_redis_round_trip_seconds_bucket{instance="i",le="0.5"}', "0+9x30"),
        ('n8n_bridge_redis_round_trip_seconds_bucket{instance="i",le="+Inf"}', "0+9x30"),
    ],
    "BridgeRedisIsFull": [
        ("n8n_bridge_redis_memory_bytes", "90x30"),
        ("n8n_bridge_redis_memory_limit_bytes", "100x30"),
    ],
    "BridgeRefuses": [('n8n_bridge_refused_total{status="503"}', "0+6x30")],
}
"""What makes each alert fire, minute by minute."""

FIRED_AFTER_MINUTES = {"BridgeIsPaused": 85}
"""Where that is not 25."""

CALM = [
    ('n8n_bridge_oldest_queued_seconds{server="s",hook="h"}', "1000x30"),
    ('n8n_bridge_paused{server="s",part="h"}', "1x30"),
    ('n8n_bridge_oldest_queued_seconds{server="paused",hook="any"}', "1000x30"),
    ('n8n_bridge_paused{server="paused",part=""}', "1x30"),
    ('n8n_bridge_processes_by_kind{kind="worker"}', "2x30"),
    ("n8n_bridge_processes", "3x30"),
    ("n8n_bridge_redis_memory_bytes", "90x30"),
    ("n8n_bridge_redis_memory_limit_bytes", "0x30"),
    ('n8n_bridge_calls_total{server="s",tool="t",status="failed"}', "0x30"),
    ('n8n_bridge_calls_total{server="s",tool="t",status="succeeded"}', "0+9x30"),
    ('n8n_bridge_inbox{server="s",hook="h",status="dead"}', "0x30"),
    ("n8n_bridge_store_made_timestamp_seconds", "1x30"),
]


def try_rules(folder: Path, trials: list[dict[str, Any]]) -> None:
    """Have promtool play series through the alerts."""
    file = folder / "trials.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "tests": trials}))
    said = subprocess.run(
        ["promtool", "test", "rules", file], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stdout + said.stderr


@with_prometheus
def test_each_alert_fires_at_what_it_is_for_and_none_where_all_is_calm(tmp_path: Path) -> None:
    assert FIRING.keys() == {
        rule["alert"]
        for group in yaml.safe_load(ALERTS.read_text())["groups"]
        for rule in group["rules"]
    }
    trials = [
        {
            "interval": "1m",
            "name": name,
            "input_series": [{"series": one, "values": values} for one, values in series],
            "promql_expr_test": [
                {
                    "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}})',
                    "eval_time": f"{FIRED_AFTER_MINUTES.get(name, 25)}m",
                    "exp_samples": [{"labels": "{}", "value": 1}],
                }
            ],
        }
        for name, series in FIRING.items()
    ]
    trials.append(
        {
            "interval": "1m",
            "name": "calm",
            "input_series": [{"series": one, "values": values} for one, values in CALM],
            "promql_expr_test": [
                {"expr": 'ALERTS{alertstate="firing"}', "eval_time": "25m", "exp_samples": []}
            ],
        }
    )
    try_rules(tmp_path, trials)


@with_prometheus
def test_calls_behind_a_pause_or_in_line_for_a_slot_bring_no_more_workers(tmp_path: Path) -> None:
    scaler = yaml.safe_load((DEPLOY / "kubernetes/keda.yaml").read_text())
    query = scaler["spec"]["triggers"][0]["metadata"]["query"]

    def trial(name: str, workers_wanted_for: int, **waiting: int) -> dict[str, Any]:
        series = [
            (f'n8n_bridge_calls_waiting{{server="s",tool="{tool}",instance="{web}"}}', count)
            for tool, count in waiting.items()
            for web in ("web-1", "web-2")
        ]
        series.append(("n8n_bridge_calls_due", 1000))
        samples = [{"labels": "{}", "value": workers_wanted_for}]
        return {
            "interval": "1m",
            "name": name,
            "input_series": [{"series": one, "values": f"{count}x5"} for one, count in series],
            "promql_expr_test": [{"expr": query, "eval_time": "3m", "exp_samples": samples}],
        }

    try_rules(
        tmp_path,
        [
            trial("no workflow", 1000),
            trial("none waits", 1000, parse=0),
            trial("some wait", 100, parse=600, send=300),
            trial("more wait than are due now", 0, parse=1001),
        ],
    )


@asynccontextmanager
async def prometheus(folder: Path, places: dict[str, str]) -> AsyncIterator[httpx2.AsyncClient]:
    """Run a real Prometheus that scrapes some addresses and has our alerts; return its API."""
    port = free_port()
    scraped = [
        {"job_name": job, "static_configs": [{"targets": [place]}]} for job, place in places.items()
    ]
    every = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    wanted = {"global": every, "rule_files": [str(ALERTS)], "scrape_configs": scraped}
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(wanted))
    process = await asyncio.create_subprocess_exec(
        "prometheus",
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await answering(f"http://127.0.0.1:{port}/-/ready")
        url = f"http://127.0.0.1:{port}/api/v1"
        async with httpx2.AsyncClient(base_url=url, trust_env=False) as http:
            yield http
    finally:
        process.kill()
        await process.wait()


async def answer(http: httpx2.AsyncClient, query: str) -> list[dict[str, Any]]:
    said = (await http.get("/query", params={"query": query})).json()
    assert said["status"] == "success", f"{query}: {said}"
    found: list[dict[str, Any]] = said["data"]["result"]
    return found


@with_prometheus
async def test_a_real_prometheus_scrapes_both_kinds_of_processes_and_answers_every_query(
    numbers: dict[str, str], tmp_path: Path
) -> None:
    async with prometheus(tmp_path, numbers) as http:

        async def has_all() -> bool:
            up = {each["metric"]["job"]: each["value"][1] for each in await answer(http, "up")}
            return up == {"web": "1", "worker": "1"}

        await wait_until(has_all, "both were scraped", STARTS_S)
        for query in asked():
            await answer(http, query)
        workers = await answer(http, 'n8n_bridge_processes_by_kind{kind="worker"}')
        own = await answer(http, 'n8n_bridge_call_outcomes_total{outcome="refused",job="worker"}')
        rules = (await http.get("/rules")).json()["data"]["groups"][0]["rules"]

    assert [each["value"][1] for each in workers] == ["1"]
    assert [each["value"][1] for each in own] == ["0"]
    assert len(rules) == len(FIRING)
    assert {rule["lastError"] for rule in rules if "lastError" in rule} == set()
