"""`python -m tests.mcpb`: packs config/desktop-extension into dist/, the same bytes every time."""

import json
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SOURCE = ROOT / "config" / "desktop-extension"
NO_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip can say."""


def pack(folder: Path) -> Path:
    """Pack the extension into a folder; return the file, named for its version."""
    manifest = json.loads((SOURCE / "manifest.json").read_text())
    packed = folder / f"{manifest['name']}-{manifest['version']}.mcpb"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("manifest.json", manifest["server"]["entry_point"]):
            entry = zipfile.ZipInfo(name, NO_TIME)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, (SOURCE / name).read_bytes())
    return packed


if __name__ == "__main__":
    sys.stdout.write(f"{pack(ROOT / 'dist').relative_to(ROOT)}\n")
