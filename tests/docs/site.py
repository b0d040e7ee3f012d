"""The site: pages are laid out with links that lead within it, built, and looked over.

The pages are written for GitHub. What they link to that is no page of the site, a file of the
repository say, is there under its address on GitHub.
"""

import posixpath
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomlkit
from markdown_it import MarkdownIt

from tests.docs.pages import ROOT, configuration, in_navigation, pages, place

BUILD = ROOT / "build"
FORGE = "https://github.com/n8n-claude-bridge/n8n-claude-bridge"
SHOWN = frozenset({".cast", ".css", ".png", ".svg"})
"""Kinds of files beside the pages that pages show."""

_LINK = re.compile(r"(```.*?```|`[^`\n]*`)|(\]\()(?!https?://|#|mailto:)([^)#\s]+)", re.DOTALL)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_FROM_ELSEWHERE = re.compile(
    r"<(?:script|link|img|source|iframe)\b[^>]*\b(?:src|href|srcset)=\"https?://[^\"]*\""
    r"|data-md-component=\"source\""  # its script asks GitHub for the stars of `repo_url`
)
_BLOCKS = re.compile(r"<(h[1-6]|ul|ol|li|table|tr|td|pre|blockquote|strong|em|img)\b")


class DocsError(Exception):
    """The site cannot be built, or is not what it should be; the message says how to mend it."""


def build(into: Path = BUILD) -> Path:
    """Build the site anew, and return its folder within `into`.

    Raises:
        DocsError: naming every page without a place, every broken link, and whatever warns.
    """
    site = into / "docs"
    for folder in (site, into / "docs-source"):
        shutil.rmtree(folder, ignore_errors=True)
    config = lay_out(into)
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", str(config)],
        capture_output=True,
        text=True,
        check=False,
    )
    said = _COLOUR.sub("", done.stdout + done.stderr)
    if done.returncode or "Warning" in said:
        raise DocsError("\n".join(_without_excerpts(said)) or said)
    if faults := [*_loaded_from_elsewhere(site), *_read_otherwise(site)]:
        raise DocsError("\n".join(faults))
    return site


def lay_out(into: Path = BUILD) -> Path:
    """Write every page as the site has it, and return the configuration that builds them.

    What is unchanged is not written again.

    Raises:
        DocsError: naming each page without a place in the navigation, and each broken link.
    """
    configured = configuration()
    faults = list(_misplaced(list(in_navigation(configured["project"]["nav"]))))
    texts = {}
    for page in pages():
        try:
            texts[place(page)] = _relinked(page)
        except DocsError as error:
            faults.append(str(error))
    if faults:
        raise DocsError("\n".join(faults))
    texts |= {place(f"{folder}/index.md"): _contents(folder) for folder in _folders()}
    for name, text in texts.items():
        _write(into / "docs-source" / name, text)
    for file in (path for path in (ROOT / "docs").rglob("*") if path.suffix in SHOWN):
        shown = into / "docs-source" / place(file.relative_to(ROOT).as_posix())
        shown.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, shown)
    project = configured["project"]
    project |= {"docs_dir": "docs-source", "site_dir": "docs", "nav": _placed(project["nav"])}
    _write(into / "zensical.toml", tomlkit.dumps(configured))
    return into / "zensical.toml"


def _misplaced(navigation: list[str]) -> Iterator[str]:
    there = pages()
    for page in there:
        if page not in navigation:
            yield f"{page} stands nowhere in the site: add it to `nav` in docs/zensical.toml"
    for page in navigation:
        if page not in there:
            yield f"docs/zensical.toml names {page}, which is not there"
    for name, times in Counter(map(place, there)).items():
        if times > 1:
            yield f"{times} pages have the address {name} in the site: rename one"


def _placed(nav: list[Any]) -> list[Any]:
    return [
        place(entry)
        if isinstance(entry, str)
        else {name: _placed(part) for name, part in entry.items()}
        for entry in nav
    ]


def _write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _relinked(page: str) -> str:
    def lead(link: re.Match[str]) -> str:
        return link[0] if link[1] else link[2] + _address(page, link[3])

    return _LINK.sub(lead, (ROOT / page).read_text())


def _address(page: str, link: str) -> str:
    target = posixpath.normpath(posixpath.join(posixpath.dirname(page), link))
    path = ROOT / target
    if not path.exists():
        raise DocsError(f"{page} links to {link}, which is not there")
    if target in _folders():
        target += "/index.md"
    elif target not in pages() and path.suffix not in SHOWN:
        return f"{FORGE}/{'tree' if path.is_dir() else 'blob'}/main/{target}"
    return posixpath.relpath(place(target), posixpath.dirname(place(page)) or ".")


def _folders() -> set[str]:
    """Return the folders of pages; each is given a page that lists them."""
    return {posixpath.dirname(page) for page in pages() if page.startswith("docs/")} - {"docs"}


def _contents(folder: str) -> str:
    there = [page for page in pages() if posixpath.dirname(page) == folder]
    titles = [(ROOT / page).read_text().partition("\n")[0].removeprefix("# ") for page in there]
    entries = [
        f"* [{title}]({posixpath.basename(page)})"
        for title, page in zip(titles, there, strict=True)
    ]
    return "\n".join([f"# {posixpath.basename(folder).capitalize()}", "", *entries, ""])


def _without_excerpts(said: str) -> Iterator[str]:
    """Yield what Zensical said, without the lines that it shows of the pages."""
    for line in said.splitlines():
        if re.match(r"Warning|Error|\s*╭|\d+ issues?", line):
            yield line


def _loaded_from_elsewhere(site: Path) -> Iterator[str]:
    for page in site.rglob("*.html"):
        for tag in _FROM_ELSEWHERE.findall(page.read_text()):
            yield f"{page.relative_to(site)} loads from elsewhere: {tag}"


def _read_otherwise(site: Path) -> Iterator[str]:
    """Name the pages whose headings, lists, tables or code GitHub shows otherwise."""
    github = MarkdownIt("commonmark", {"html": True}).enable("table")
    for page in pages():
        built = site / re.sub(r"(^|/)index\.md$|\.md$", "/", place(page)).lstrip("/") / "index.html"
        article = built.read_text().partition("<article")[2].partition("</article>")[0]
        here = Counter(_BLOCKS.findall(article))
        there = Counter(_BLOCKS.findall(github.render((ROOT / page).read_text())))
        if here != there:
            differ = " ".join(sorted({*(here - there), *(there - here)}))
            mend = "give a list a blank line before it, and indent by 4 what is in it"
            yield f"{page} reads otherwise on GitHub ({differ}): {mend}"
