"""Real reverse proxies, run by the samples that ship, on loopback and without TLS."""

import asyncio
import contextlib
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2

from bridge.local.die_with_parent import tied_to_parent
from bridge.local.ports import free_port
from tests.waiting import wait_until

SAMPLES = Path(__file__).parent.parent.parent / "config" / "proxies"
APACHE_MODULES = Path("/usr/lib/apache2/modules")
APACHE_NEEDS = (
    *("mpm_event", "authz_core", "headers", "slotmem_shm"),
    *("proxy", "proxy_http", "proxy_balancer", "lbmethod_bybusyness"),
)
START_S = 20.0


@dataclass(frozen=True)
class Program:
    """One reverse proxy: its sample, what differs here, and how it is run.

    `here` are texts of the sample and what stands in their place, with `{port}`. `silence` is the
    text that says how long the bridge may be silent, and what cuts after `{silence_s}` seconds.
    """

    name: str
    executable: str
    sample: str
    here: dict[str, str]
    silence: tuple[str, str]
    around: Callable[[Path, int], str]
    arguments: tuple[str, ...]

    @property
    def path(self) -> str | None:
        """Return where it is installed; None where it is not."""
        sbin = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
        if self.executable == "apache2" and not APACHE_MODULES.is_dir():
            return None
        return shutil.which(self.executable, path=sbin)

    @property
    def settings(self) -> dict[str, str]:
        """Return what the sample says that the bridge must be told, but for its address."""
        said = re.findall(r"(BRIDGE_[A-Z_]+)=(\S+)", (SAMPLES / self.sample).read_text())
        return {name: value for name, value in said if name != "BRIDGE_PUBLIC_URL"}

    def configuration(self, port: int, webs: Sequence[int], silence_s: float | None) -> str:
        """Return the sample, for these ports, and with a limit on silence if one is given."""
        text = (SAMPLES / self.sample).read_text()
        for old, new in self.here.items():
            text = exchanged(text, old, new.format(port=port))
        for old, web in zip(("8081", "8082"), webs, strict=True):
            text = exchanged(text, f"127.0.0.1:{old}", f"127.0.0.1:{web}")
        if silence_s is not None:
            old, new = self.silence
            text = exchanged(text, old, new.format(silence_s=silence_s))
        return re.sub(r"^\s*(ssl_|SSL).*$", "", text, flags=re.MULTILINE)

    @contextlib.asynccontextmanager
    async def running(
        self, folder: Path, webs: Sequence[int], silence_s: float | None = None
    ) -> AsyncIterator[str]:
        """Run it in front of two web processes while the block lasts; yield its address."""
        path, port = self.path, free_port()
        assert path is not None, f"{self.name} is not installed"
        folder.mkdir(parents=True)
        (folder / self.sample).write_text(self.configuration(port, webs, silence_s))
        (folder / "main").write_text(self.around(folder, port))
        arguments = (each.format(folder=folder, port=port) for each in self.arguments)
        with (folder / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *tied_to_parent(path, *arguments),
                env={**os.environ, "HOME": str(folder)},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
            )
        try:
            origin = f"http://127.0.0.1:{port}"
            await wait_until(lambda: _passes(process, origin), f"{self.name} passes on", START_S)
            yield origin
        except BaseException as error:
            error.add_note(f"--- {self.name}\n{(folder / 'log').read_text()[-3000:]}")
            raise
        finally:
            if process.returncode is None:
                process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 5)
            if process.returncode is None:
                process.kill()
                await process.wait()


def exchanged(text: str, old: str, new: str) -> str:
    """Return a text with another in the place of one that it holds."""
    assert old in text, f"the sample says nothing of {old!r}"
    return text.replace(old, new)


async def _passes(process: asyncio.subprocess.Process, origin: str) -> bool:
    """Report whether it passes requests on; Traefik listens before it knows where to."""
    assert process.returncode is None, "it ended before it listened"
    async with httpx2.AsyncClient(trust_env=False) as http:
        with contextlib.suppress(httpx2.TransportError):
            return (await http.get(f"{origin}/healthz")).is_success
    return False


def _around_nginx(folder: Path, _port: int) -> str:
    paths = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n".join(f"{name}_temp_path {folder}/{name};" for name in paths)
    user = "user root;" if os.geteuid() == 0 else ""
    return f"""daemon off; {user} pid {folder}/pid; error_log stderr;
    events {{ worker_connections 4096; }}
    http {{ access_log off; {temporary} include {folder}/nginx.conf; }}"""


def _around_apache(folder: Path, port: int) -> str:
    modules = "\n".join(
        f"LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so" for name in APACHE_NEEDS
    )
    user = "User nobody\nGroup nogroup" if os.geteuid() == 0 else ""
    return f"""{modules}\n{user}
    ServerName localhost
    ServerRoot {folder}
    DefaultRuntimeDir {folder}
    PidFile {folder}/pid
    ErrorLog /dev/stderr
    Listen 127.0.0.1:{port}
    Include {folder}/apache.conf"""


def _nothing(_folder: Path, _port: int) -> str:
    return ""


PROGRAMS = (
    Program(
        "nginx",
        "nginx",
        "nginx.conf",
        {"listen 443 ssl;": "listen 127.0.0.1:{port};"},
        ("proxy_read_timeout 600s", "proxy_read_timeout {silence_s}s"),
        _around_nginx,
        ("-p", "{folder}", "-e", "stderr", "-c", "{folder}/main"),
    ),
    Program(
        "Caddy",
        "caddy",
        "Caddyfile",
        {
            "bridge.example.com {{\n".format(): "{{\n\tadmin off\n}}\n"
            "http://127.0.0.1:{port} {{\n\tbind 127.0.0.1\n"
        },
        ("dial_timeout 3s", "dial_timeout 3s\n\t\t\tread_timeout {silence_s}s"),
        _nothing,
        ("run", "--adapter", "caddyfile", "--config", "{folder}/Caddyfile"),
    ),
    Program(
        "HAProxy",
        "haproxy",
        "haproxy.cfg",
        {":443 ssl crt /etc/ssl/bridge.pem alpn h2,http/1.1": "127.0.0.1:{port}"},
        ("timeout server 600s", "timeout server {silence_s}s"),
        _nothing,
        ("-db", "-f", "{folder}/haproxy.cfg"),
    ),
    Program(
        "Apache",
        "apache2",
        "apache.conf",
        {"*:443": "127.0.0.1:{port}"},
        ("ProxyTimeout 600", "ProxyTimeout {silence_s}"),
        _around_apache,
        ("-DFOREGROUND", "-f", "{folder}/main"),
    ),
    Program(
        "Traefik",
        "traefik",
        "traefik.yaml",
        {"Host(`bridge.example.com`)": "PathPrefix(`/`)", "      tls: {{}}".format(): "      #"},
        ("responseHeaderTimeout: 0s", "responseHeaderTimeout: {silence_s}s"),
        _nothing,
        (
            "--entrypoints.websecure.address=127.0.0.1:{port}",
            "--entrypoints.websecure.transport.respondingtimeouts.readtimeout=600s",
            "--providers.file.filename={folder}/traefik.yaml",
            "--global.sendanonymoususage=false",
            "--global.checknewversion=false",
        ),
    ),
)
"""In the order of the docs."""


def installed(say: Callable[[str], object] = sys.stderr.write) -> list[Program]:
    """Return those that are installed, and say of each other one that it is left out."""
    for program in PROGRAMS:
        if program.path is None:
            say(f"{program.name}: skipped, for there is no {program.executable} on this machine\n")
    return [program for program in PROGRAMS if program.path is not None]
