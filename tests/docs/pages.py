"""Which pages the site has, in which order, and where each stands."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "docs" / "zensical.toml"
SOURCES = (
    *("README.md", "CHANGELOG.md", "docs/**/*.md"),
    *(".github/*.md", "config/examples/*/README.md"),
)
NO_PAGES = {".github/pull_request_template.md"}


def pages() -> list[str]:
    """Return every page that there is, as its path in the repository."""
    found = {path.relative_to(ROOT).as_posix() for glob in SOURCES for path in ROOT.glob(glob)}
    return sorted(found - NO_PAGES)


def configuration() -> dict[str, Any]:
    """Return the configuration of the site, each name with `*` replaced by what it matches."""
    configured: dict[str, Any] = tomllib.loads(CONFIG.read_text())
    configured["project"]["nav"] = _spread(configured["project"]["nav"])
    return configured


def in_navigation(nav: list[Any]) -> Iterator[str]:
    """Yield the pages of a navigation, section by section."""
    for entry in nav:
        if isinstance(entry, str):
            yield entry
        else:
            yield from (page for part in entry.values() for page in in_navigation(part))


def place(page: str) -> str:
    """Return where a page stands in the site: its address follows from that."""
    if page == "README.md":
        return "index.md"
    shown = page.removeprefix("docs/").removeprefix("config/").removeprefix(".")
    return re.sub(r"/README\.md$", ".md", shown).lower()


def _spread(nav: list[Any]) -> list[Any]:
    said: list[Any] = []
    for entry in nav:
        if isinstance(entry, dict):
            said.append({name: _spread(part) for name, part in entry.items()})
        elif "*" in entry:
            said += sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob(entry))
        else:
            said.append(entry)
    return said
