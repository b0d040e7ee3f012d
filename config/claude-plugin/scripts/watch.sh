#!/bin/sh
# The plugin's monitor: runs `n8n-bridge watch` for as long as the session lasts. Claude hears of each
# line of stdout and of nothing else, so of a fault it is told one line, once.
#
# N8N_BRIDGE is another command than `uvx n8n-claude-bridge`: that of a checkout, say.
kept=$1/watch
gives_up_after_s=600 # a bridge that went away is waited for so long, and then said to be gone
lasting_s=1200       # what has run so long has watched: a fault after it is a new one
cd "$1" 2>/dev/null || cd / # not where the session is: that folder may have a .env of its own
exec 3>&1

forget() {
  last_fault=
  told_fault=
  times=0
  tries=0
  pause_s=1
}

watch() {
  address= N8N_BRIDGE_TOKEN= hook=
  # The settings are handed over as the session starts, perhaps after this was started.
  { read -r address; read -r N8N_BRIDGE_TOKEN; read -r hook; } 2>/dev/null <"$kept"
  address=${address%/}
  server=${address##*/}
  url=${address%/mcp/"$server"}
  [ "$url" != "$address" ] || url=${address%/mcp-2025/"$server"}
  if [ -z "$address" ]; then
    echo "the plugin has no address and token yet: set them with /plugin, n8n-bridge, Configure"
  elif [ "$url" = "$address" ]; then
    echo "$address is no address of a server, such as http://127.0.0.1:8080/mcp/demo: set it with /plugin"
  elif [ -z "$N8N_BRIDGE" ] && ! command -v uvx >/dev/null; then
    echo "uvx is not there: install uv, or set N8N_BRIDGE to the command n8n-bridge"
  else
    export N8N_BRIDGE_TOKEN
    ${N8N_BRIDGE:-uvx n8n-claude-bridge} watch "$server" --url "$url" --token-env N8N_BRIDGE_TOKEN \
      --give-up-after "$gives_up_after_s" ${hook:+--hook "$hook"} 2>&1 >&3 3>&-
    return
  fi
  return 1
}

# Claude Code starts a shell that starts this: who is above that shell changes when a session dies.
above() {
  ps -o ppid= -p "$PPID" 2>/dev/null
}

forget
session=$(above)
while kill -0 "$PPID" 2>/dev/null && [ "$(above)" = "$session" ]; do
  began_at=$(date +%s)
  fault=$(watch) && exit 0 # nobody reads it any more, or it was told to end
  status=$?
  [ $(($(date +%s) - began_at)) -lt "$lasting_s" ] || forget
  fault=$(printf '%s\n' "$fault" | tail -n 1)
  fault=${fault:-"the command of the bridge ended without a word, with status $status"}
  [ "$fault" = "$last_fault" ] || times=0
  last_fault=$fault
  times=$((times + 1))
  tries=$((tries + 1))
  # A bridge that restarts, and settings that are handed over late, are there at the third try. One
  # whose faults change from try to try has said enough at the fifth.
  if [ "$times" -ge 3 ] || { [ "$tries" -ge 5 ] && [ -z "$told_fault" ]; }; then
    [ "$fault" = "$told_fault" ] ||
      echo "n8n-bridge tells of no events: $fault. Tell the user; it is tried again, and not said again."
    told_fault=$fault
  fi
  sleep "$pause_s"
  [ "$pause_s" -ge 300 ] || pause_s=$((pause_s * 2))
done
