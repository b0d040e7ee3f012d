"""docker-compose.yml as Docker Compose reads it, with the values of a `.env`."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from tests.processes import ROOT

FILE = ROOT / "docker-compose.yml"
_VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


def services(dotenv: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return what each service is, its environment with all of `.env` where it reads that.

    Source: Compose Specification, "Interpolation", "env_file", "environment".
    """
    text = _VARIABLE.sub(lambda found: dotenv.get(found[1]) or found[2], FILE.read_text())
    read: dict[str, dict[str, Any]] = yaml.safe_load(text)["services"]
    for service in read.values():
        if "env_file" in service:
            service["environment"] = {**dotenv, **service["environment"]}
    return read
