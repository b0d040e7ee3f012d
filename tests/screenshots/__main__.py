"""`make screenshots`: the console's pages as PNG, from a bridge with records, in each look.

It fails where a page shows an error in the browser's console, a script or style that the policy
refuses for one, is wider than a phone, or keeps people out as axe-core finds.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.screenshots.accessibility import findings, take_along
from tests.screenshots.browser import Browser, BrowserError, Look, browser
from tests.screenshots.seeded import Seeded, seeded

BUILD = Path(__file__).parent.parent.parent / "build" / "screenshots"
WIDE = (Look("light", 1280, "light"), Look("dark", 1280, "dark"))
LOOKS = (
    *WIDE,
    Look("phone", 360, "light"),
    Look("phone-dark", 360, "dark"),
)


async def main() -> int:
    """Write the pictures; return 1 where a page is not as it should be."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        async with (
            seeded(Path(folder) / "valkey") as bridge,
            browser(Path(folder) / "b") as chromium,
        ):
            wrong = await shoot(bridge, chromium)
    sys.stdout.write("".join(f"{each}\n" for each in wrong) or f"{BUILD}\n")
    return bool(wrong)


async def shoot(bridge: Seeded, chromium: Browser) -> list[str]:
    """Keep every page in every look; return what is wrong."""
    wrong = []
    await take_along(chromium)
    await chromium.see(f"{bridge.console}/login", LOOKS[0], BUILD / "login-light.png")
    await chromium.keep_cookie(bridge.console, *bridge.cookie, "/console")
    for name, path in bridge.pages.items():
        for look in LOOKS:
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
        sys.exit(asyncio.run(main()))
    except BrowserError as error:
        sys.exit(str(error))
