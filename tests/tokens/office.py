"""The server that tokens are counted on."""

from pathlib import Path

from bridge.configuration.server_files import read_server_files
from bridge.configuration.servers import Server

FILE = Path(__file__).parent / "servers" / "office.yaml"
ENVIRON = {
    "TOKENS_HOOK_TOKEN": "the secret of the hooks",
    "BRIDGE_N8N_URL": "http://n8n:5678",
    "BRIDGE_N8N_API_KEY": "the key of n8n's API",
}


def office() -> Server:
    """Read it from its file."""
    return read_server_files(FILE, ENVIRON).servers["office"]
