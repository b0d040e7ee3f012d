"""The set-up that is looked at: settings as far as they are sound, server files, folders."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bridge.authoring.checking.check import Report, report
from bridge.configuration.demo import FILE, demo_tokens, with_demo
from bridge.configuration.servers import Server
from bridge.configuration.settings import Settings, servers_dir_of
from bridge.errors import ConfigurationError
from bridge.local.valkey import address_in

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - read, not bound


@dataclass(frozen=True)
class Setup:
    """All that checks look at; `home` has Claude Code's configuration, and so has `folder`.

    `public_url` is the address through which the bridge shall be looked at, None for none.
    """

    environ: Mapping[str, str]
    settings: Settings
    report: Report
    home: Path
    folder: Path
    public_url: str | None = None
    waits_long: bool = False

    @classmethod
    def of(
        cls,
        environ: Mapping[str, str],
        home: Path,
        folder: Path,
        public_url: str | None = None,
        *,
        waits_long: bool = False,
    ) -> Self:
        """Read what the environment names; wrong settings are left out, and are in the report."""
        settings = _sound(environ)
        known = with_demo({**environ, **_made_up(settings.data_dir, environ)})
        made = report(servers_dir_of(known), known, counts_tokens=False)
        public_url = public_url.rstrip("/") if public_url else None
        return cls(known, settings, made, home, folder, public_url, waits_long)

    @property
    def servers(self) -> Mapping[str, Server]:
        """The servers whose files are sound."""
        return self.report.files.servers

    @property
    def redis_url(self) -> str | None:
        """The address of the store: of the settings, or of the Valkey that `up` ran last."""
        if self.settings.redis_url:
            return self.settings.redis_url
        try:
            return address_in(self.settings.data_dir / "valkey")
        except ConfigurationError:
            return None

    @property
    def local_url(self) -> str:
        """The address under which this machine reaches the bridge."""
        host = EVERYWHERE.get(self.settings.host, self.settings.host)
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{self.settings.port}"


def _sound(environ: Mapping[str, str]) -> Settings:
    sound = {name: text for name, text in environ.items() if _is_sound(name, text)}
    return Settings.from_environ(sound)


def _is_sound(name: str, text: str) -> bool:
    try:
        Settings.from_environ({name: text})
    except ConfigurationError:
        return False
    return True


def _made_up(data_dir: Path, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the demo's tokens that an `up` has made up; none are made up here."""
    try:
        return demo_tokens(data_dir, environ) if (data_dir / FILE).exists() else {}
    except (ConfigurationError, OSError):
        return {}
