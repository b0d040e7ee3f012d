"""What axe-core, which looks for what keeps people out of a page, finds on one."""

import json

from tests import npm
from tests.screenshots.browser import Browser

VERSION = "4.10.3"
RUN = "axe.run({resultTypes: ['violations']}).then((all) => JSON.stringify(all.violations))"
GRAVE = ("serious", "critical")


async def take_along(chromium: Browser) -> None:
    """Have axe-core in every page that is opened from now on."""
    package = await npm.install("axe-core", VERSION)
    source = (package / "axe.min.js").read_text()
    await chromium.ask("Page.addScriptToEvaluateOnNewDocument", source=source)


async def findings(chromium: Browser) -> list[str]:
    """Return what keeps people out of the page that is open, gravely: the rule and the places."""
    found = json.loads(await chromium.run(RUN))
    return [
        f"{each['id']} ({each['impact']}): {each['help']}, at "
        + ", ".join(str(node["target"][0]) for node in each["nodes"][:3])
        for each in found
        if each["impact"] in GRAVE
    ]
