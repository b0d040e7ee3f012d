#!/bin/sh
# Keeps the plugin's settings where its monitor reads them, readable by this user alone: Claude Code
# gives them to hooks and to the MCP server, and to no monitor.
umask 077
mkdir -p "$CLAUDE_PLUGIN_DATA" || exit 0
kept=$CLAUDE_PLUGIN_DATA/watch
if [ -n "$CLAUDE_PLUGIN_OPTION_ADDRESS" ] && [ -n "$CLAUDE_PLUGIN_OPTION_TOKEN" ]; then
  # Renamed, so that a monitor that has begun never reads half of them.
  printf '%s\n' "$CLAUDE_PLUGIN_OPTION_ADDRESS" "$CLAUDE_PLUGIN_OPTION_TOKEN" \
    "$CLAUDE_PLUGIN_OPTION_HOOK" >"$kept.$$" && mv -f "$kept.$$" "$kept"
else
  rm -f "$kept"
fi
exit 0
