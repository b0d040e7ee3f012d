"""The test app: the product's routes and wires as they are, with the fixtures' door behind them."""

from starlette.applications import Starlette

from bridge.app import create_app
from bridge.servers import Server
from bridge.settings import Settings
from tests.conformance.door import NAME, FixtureDoor


def create_fixture_app(settings: Settings) -> Starlette:
    """Build a web app with one server, the fixtures', open to everyone on this machine."""
    app = create_app(settings, {NAME: Server(name=NAME)})
    app.state.doors[NAME] = FixtureDoor()
    return app
