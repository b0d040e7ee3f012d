"""The test app: the product's routes and wires, with the fixtures' endpoint behind them."""

from bridge.app import BridgeApp
from bridge.configuration.servers import Server
from bridge.configuration.settings import Settings
from tests.conformance.endpoint import FixtureDoor


def create_fixture_app(settings: Settings, server: Server) -> tuple[BridgeApp, FixtureDoor]:
    """Build a web app with one server, the fixtures', open to everyone on this machine."""
    app = BridgeApp(settings, {server.name: server})
    app.mcp.endpoints[server.name] = fixtures = FixtureDoor(server)
    return app, fixtures
