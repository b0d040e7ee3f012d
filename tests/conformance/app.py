"""The test app: the product's routes and wires, with the fixtures' endpoint behind them."""

from starlette.applications import Starlette

from bridge.app import create_app
from bridge.configuration.servers import Server
from bridge.configuration.settings import Settings
from tests.conformance.endpoint import FixtureDoor


def create_fixture_app(settings: Settings, server: Server) -> Starlette:
    """Build a web app with one server, the fixtures', open to everyone on this machine."""
    app = create_app(settings, {server.name: server})
    app.state.endpoints[server.name] = FixtureDoor(server)
    return app
