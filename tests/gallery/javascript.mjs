// Runs the expressions and Code nodes of n8n's workflows: a JSON line in, a JSON line out.
import { createInterface } from "node:readline";

const AsyncFunction = (async () => {}).constructor;

function scopeOf({ items, index, nodes, execution, workflow }) {
  const given = (list) => ({
    all: () => list,
    first: () => list[0],
    last: () => list.at(-1),
    item: list[index] ?? list[0],
  });
  return {
    $json: items[index]?.json,
    $input: given(items),
    $itemIndex: index,
    $execution: execution,
    $workflow: workflow,
    $: (name) => given(nodes[name]),
  };
}

function expressionIn(text, scope) {
  const run = (source) => new Function(...Object.keys(scope), `return (${source})`)(...Object.values(scope));
  const whole = /^\{\{((?:(?!\}\}).)*)\}\}$/s.exec(text.trim());
  return whole ? run(whole[1]) : text.replace(/\{\{(.*?)\}\}/gs, (_, source) => String(run(source)));
}

function filledIn(value, scope) {
  if (typeof value === "string") return value.startsWith("=") ? expressionIn(value.slice(1), scope) : value;
  if (Array.isArray(value)) return value.map((each) => filledIn(each, scope));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, filledIn(each, scope)]));
}

async function answer({ code, parameters, context }) {
  const scope = scopeOf(context);
  if (code === undefined) return filledIn(parameters, scope);
  return new AsyncFunction(...Object.keys(scope), code)(...Object.values(scope));
}

for await (const line of createInterface({ input: process.stdin })) {
  const told = await answer(JSON.parse(line)).then(
    (value) => ({ value: value ?? null }),
    (error) => ({ error: error.message }),
  );
  process.stdout.write(`${JSON.stringify(told)}\n`);
}
