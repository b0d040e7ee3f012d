"use strict";
// Speaks MCP Apps 2026-01-26 with the host. All that a page shows of what came from outside is only
// ever set as text.
const host = (() => {
  const waiting = new Map();
  let lastId = 0;

  function post(message) {
    window.parent.postMessage({ jsonrpc: "2.0", ...message }, "*");
  }

  function request(method, params) {
    const id = ++lastId;
    post({ id, method, params });
    return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
  }

  function element(name, text, className) {
    const made = document.createElement(name);
    made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function button(text, act) {
    const made = element("button", text);
    made.type = "button";
    made.addEventListener("click", () => act(made));
    return made;
  }

  function textOf(result) {
    return (result.content || []).find((part) => part.type === "text")?.text || "";
  }

  function told(result) {
    try {
      return result.structuredContent || JSON.parse(textOf(result));
    } catch {
      return {};
    }
  }

  // Signs that turn a text around or cannot be seen are spelt out: what is shown is what is there.
  const hidden = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff]|\udb40[\udc00-\udfff]/g;

  function spelt(text) {
    return text.replace(hidden, (found) =>
      [...Array(found.length).keys()]
        .map((at) => `\\u${found.charCodeAt(at).toString(16).padStart(4, "0")}`)
        .join("")
    );
  }

  function json(value) {
    return spelt(JSON.stringify(value, null, 2) ?? "");
  }

  async function call(name, args) {
    const result = await request("tools/call", { name, arguments: args });
    if (result.isError) throw new Error(spelt(textOf(result)) || "the tool failed");
    return result;
  }

  function dress(context) {
    if (context?.theme) document.documentElement.dataset.theme = context.theme;
    for (const [name, value] of Object.entries(context?.styles?.variables || {})) {
      if (value) document.documentElement.style.setProperty(name, value);
    }
  }

  function tellSize() {
    const { width, height } = document.documentElement.getBoundingClientRect();
    const params = { width: Math.ceil(width), height: Math.ceil(height) };
    post({ method: "ui/notifications/size-changed", params });
  }

  function connect(name, heard, ready, refused) {
    const hears = { "ui/notifications/host-context-changed": dress, ...heard };
    window.addEventListener("message", ({ source, data }) => {
      if (source !== window.parent || data?.jsonrpc !== "2.0") return;
      if (data.method) {
        if (Object.hasOwn(hears, data.method)) hears[data.method](data.params || {});
        if (data.id !== undefined) post({ id: data.id, result: {} });
      } else if (waiting.has(data.id)) {
        const { resolve, reject } = waiting.get(data.id);
        waiting.delete(data.id);
        if (data.error) reject(new Error(data.error.message || "the host refused"));
        else resolve(data.result || {});
      }
    });
    request("ui/initialize", {
      protocolVersion: "2026-01-26",
      appInfo: { name: `n8n-claude-bridge ${name}`, version: "1" },
      appCapabilities: { availableDisplayModes: ["inline"] },
    }).then((answer) => {
      dress(answer.hostContext);
      ready(answer.hostCapabilities || {}, answer.hostContext || {});
      post({ method: "ui/notifications/initialized", params: {} });
      new ResizeObserver(tellSize).observe(document.documentElement);
    }).catch((error) => refused(`The host refused: ${error.message}.`));
  }

  return { request, element, button, textOf, told, spelt, json, call, connect };
})();
