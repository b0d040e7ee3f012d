"""An upgrade in place: the files of a web process are replaced while it runs."""

import shutil
from pathlib import Path

import httpx2

from bridge.local.ports import free_port
from tests.processes import AS_STARTED, ROOT, running
from tests.waiting import wait_until

TOKEN = "the-token-of-the-operator"
PAGES = ("", "/events", "/calls", "/servers", "/tokens", "/bulk", "/processes", "/static/icon.svg")


async def test_pages_stay_those_that_the_process_was_started_with(
    redis_url: str, tmp_path: Path
) -> None:
    for package in ("bridge", "workers"):
        shutil.copytree(ROOT / package, tmp_path / package)
    port, servers = free_port(), tmp_path / "servers"
    servers.mkdir()
    (servers / "desk.json").write_text('{"name": "desk"}')
    environ = {
        "PYTHONPATH": str(tmp_path),
        "BRIDGE_REDIS_URL": redis_url,
        "BRIDGE_PORT": str(port),
        "BRIDGE_SERVERS": str(servers),
        "BRIDGE_DATA_DIR": str(tmp_path / "data"),
        "BRIDGE_OPERATOR_TOKEN": TOKEN,
    }
    address = f"http://127.0.0.1:{port}"
    async with (
        running("web", environ=environ, program=AS_STARTED) as web,
        httpx2.AsyncClient(base_url=address, timeout=60, trust_env=False) as http,
    ):

        async def is_ready() -> bool:
            assert web.process.returncode is None, web.output
            try:
                return (await http.get("/readyz")).status_code == 200
            except httpx2.TransportError:
                return False

        await wait_until(is_ready, "the web process is ready", 60)
        shutil.rmtree(tmp_path / "bridge")

        entered = await http.post("/console/login", data={"token": TOKEN})
        assert entered.status_code == 303, entered.text
        found = {path: (await http.get(f"/console{path}")).status_code for path in PAGES}
    assert found == dict.fromkeys(PAGES, 200), web.output
