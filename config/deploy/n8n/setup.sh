#!/bin/sh
# Gives a new n8n the demo's workflows and the token that they send, and publishes them: once, so
# that what is changed or deleted later stays so. Without a token there is no demo yet: a start with
# one makes up for it.
set -eu
made="$HOME/.n8n/bridge-demo"
here=$(dirname "$0")
if [ -e "$made" ]; then exit; fi
if [ -z "$BRIDGE_DEMO_HOOK_TOKEN" ]; then
  echo "BRIDGE_DEMO_HOOK_TOKEN is not set: the demo's workflows are not made" >&2
  exit
fi

credential=$(mktemp)
node -e 'console.log(JSON.stringify([{
  id: "bridgeDemoHook01",
  name: "Bridge: token of the demo'\''s hook",
  type: "httpHeaderAuth",
  data: { name: "Authorization", value: "Bearer " + process.env.BRIDGE_DEMO_HOOK_TOKEN },
}]))' > "$credential"
n8n import:credentials --input="$credential"
rm "$credential"
n8n import:workflow --input="$here/workflows.json"
for id in bridgeDemoSlow01 bridgeDemoFail01 bridgeDemoAsk001; do
  n8n publish:workflow --id="$id"
done
touch "$made"
