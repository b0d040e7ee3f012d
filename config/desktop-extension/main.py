"""What starts the bridge's program where a host starts the manifest's entry point by itself."""

import os
import sys

os.execvp("uvx", ["uvx", "n8n-claude-bridge", "stdio", *sys.argv[1:]])
