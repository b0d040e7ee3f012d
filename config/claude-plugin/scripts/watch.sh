#!/bin/sh
# The plugin's monitor: runs `n8n-bridge watch` for as long as the session lasts. Claude hears of each
# line of stdout and of nothing else, so of a fault it is told one line, once.
#
# N8N_BRIDGE is another command than `uvx n8n-claude-bridge`: that of a checkout, say.
kept=$1/watch
last_fault=
times=0
told_fault=
pause_s=1
cd "$1" 2>/dev/null || cd / # not where the session is: that folder may have a .env of its own
exec 3>&1

watch() {
  address= N8N_BRIDGE_TOKEN= hook=
  # The settings are handed over as the session starts, perhaps after this was started.
  { read -r address; read -r N8N_BRIDGE_TOKEN; read -r hook; } 2>/dev/null <"$kept"
  url=${address%/mcp/*}
  if [ -z "$address" ]; then
    echo "the plugin has no address and token yet: set them with /plugin, n8n-bridge, Configure"
  elif [ "$url" = "$address" ]; then
    echo "$address is no address of a server, such as http://127.0.0.1:8080/mcp/demo: set it with /plugin"
  elif [ -z "$N8N_BRIDGE" ] && ! command -v uvx >/dev/null; then
    echo "uvx is not there: install uv, or set N8N_BRIDGE to the command n8n-bridge"
  else
    export N8N_BRIDGE_TOKEN
    ${N8N_BRIDGE:-uvx n8n-claude-bridge} watch "${address##*/mcp/}" --url "$url" \
      --token-env N8N_BRIDGE_TOKEN ${hook:+--hook "$hook"} 2>&1 >&3 3>&-
    return
  fi
  return 1
}

while :; do
  fault=$(watch) && exit 0 # nobody reads it any more, or it was told to end
  fault=$(printf '%s\n' "$fault" | tail -n 1)
  [ "$fault" = "$last_fault" ] || times=0
  last_fault=$fault
  times=$((times + 1))
  # A bridge that restarts, and settings that are handed over late, are there at the third try.
  if [ "$times" -eq 3 ] && [ "$fault" != "$told_fault" ]; then
    told_fault=$fault
    echo "n8n-bridge tells of no events: $fault. Tell the user; it is tried again, and not said again."
  fi
  sleep "$pause_s"
  [ "$pause_s" -lt 300 ] && pause_s=$((pause_s * 2))
done
