"""The processes of the bridge: what each is, since when, what it has to do, and how it keeps up."""

from starlette.responses import Response

from bridge.console.visits import Visit
from bridge.verbs.presence import Attendance


async def show_processes(visit: Visit) -> Response:
    """Show every process that is alive or was lately."""
    return visit.page(
        "processes.html", processes=await Attendance.of(visit.process.steps).processes()
    )
