// PM2, in the folder of the checkout: pm2 start config/ecosystem.config.js
// Settings and tokens come from .env there, as config/env.example.
const path = require("path");

const common = {
  cwd: path.resolve(__dirname, ".."),
  script: ".venv/bin/n8n-bridge",
  interpreter: "none",
  exec_mode: "fork",
  kill_timeout: 40000, // BRIDGE_DRAIN_S and ten seconds; PM2's own 1.6 s kill what still drains
  treekill: false, // else PM2 ends what a process has started before that process itself
};

module.exports = {
  apps: [
    // The web processes listen on 8081, 8082, …
    { ...common, name: "web", args: "web", instances: 2, increment_var: "BRIDGE_PORT", env: { BRIDGE_PORT: 8081 } },
    { ...common, name: "worker", args: "worker", instances: 2 },
  ],
};
