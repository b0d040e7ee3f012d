"""`make screenshots`: the console's pages as PNG, from a bridge with records, in each look.

It fails where a page shows an error in the browser's console, a script or style that the policy
refuses for one, is wider than a phone, or keeps people out as axe-core finds. Then it fills a
bridge with so many records (`--records`, 200,000), and says how long each page takes.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.screenshots.accessibility import findings, take_along
from tests.screenshots.browser import Browser, BrowserError, Look, browser
from tests.screenshots.crowded import PAGES, PRINCIPALS, SEARCHES, TIMES, crowd, pages_of_one, timed
from tests.screenshots.seeded import EMPTY, Seeded, seeded

BUILD = Path(__file__).parent.parent.parent / "build" / "screenshots"
WIDE = (Look("light", 1280, "light"), Look("dark", 1280, "dark"))
LOOKS = (
    *WIDE,
    Look("phone", 360, "light"),
    Look("phone-dark", 360, "dark"),
)


async def main(records: int, principals: int) -> int:
    """Write the pictures; return 1 where a page is not as it should be."""
    BUILD.mkdir(parents=True, exist_ok=True)
    # What Chromium leaves running for a moment may still write there.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        async with browser(Path(folder) / "b") as chromium:
            await take_along(chromium)
            async with seeded(Path(folder) / "valkey") as bridge:
                await chromium.see(f"{bridge.console}/login", WIDE[0], BUILD / "login-light.png")
                wrong = await shoot(bridge, bridge.pages, chromium)
            async with seeded(Path(folder) / "empty", is_empty=True) as bridge:
                wrong += await shoot(bridge, EMPTY, chromium)
            if records:
                async with seeded(Path(folder) / "crowd", is_empty=True) as bridge:
                    wrong += await shoot_crowd(bridge, records, principals, chromium)
    sys.stdout.write("".join(f"{each}\n" for each in wrong) or f"{BUILD}\n")
    return bool(wrong)


async def shoot_crowd(
    bridge: Seeded, records: int, principals: int, chromium: Browser
) -> list[str]:
    """Keep pages of so many records, and print how long they take."""
    await crowd(bridge.runtime, records, principals)
    pages = PAGES | SEARCHES | await pages_of_one(bridge.runtime)
    named = {f"crowd-{name}": path for name, path in pages.items()}
    wrong = await shoot(bridge, named, chromium, WIDE[:1])
    for line in await timed(bridge.http, pages, TIMES):
        sys.stdout.write(f"{line}\n")
    return wrong


async def shoot(
    bridge: Seeded, pages: Mapping[str, str], chromium: Browser, looks: Sequence[Look] = LOOKS
) -> list[str]:
    """Keep pages in every look; return what is wrong."""
    wrong = []
    await chromium.keep_cookie(bridge.console, *bridge.cookie, "/console")
    for name, path in pages.items():
        for look in looks:
            try:
                file = BUILD / f"{name}-{look.name}.png"
                await chromium.see(f"{bridge.console}{path}", look, file)
                if look in WIDE:
                    wrong += [f"{name}, {look.name}: {each}" for each in await findings(chromium)]
            except BrowserError as error:
                wrong.append(f"{name}, {look.name}: {error}")
        wrong += [f"{name}: {each}" for each in chromium.complaints]
        chromium.complaints.clear()
    return wrong


if __name__ == "__main__":
    try:
        asking = argparse.ArgumentParser(prog="make screenshots")
        asking.add_argument("--records", type=int, default=200_000, help="none for 0")
        asking.add_argument("--principals", type=int, default=PRINCIPALS, help="who made the calls")
        asked = asking.parse_args()
        sys.exit(asyncio.run(main(asked.records, asked.principals)))
    except BrowserError as error:
        sys.exit(str(error))
