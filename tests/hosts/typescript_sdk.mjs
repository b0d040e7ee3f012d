// The official TypeScript client: a tool call for each line of stdin, its answer as a line on stdout.
// When a call breaks it connects anew for the next one, as a program would.
// Arguments: the folder of the client, the address (or program), the wire, the Authorization header.
import { createInterface } from 'node:readline';

const [folder, where, wire, authorization] = process.argv.slice(2);
const { Client, SSEClientTransport, StreamableHTTPClientTransport } = await import(`${folder}/index.mjs`);
const { StdioClientTransport } = await import(`${folder}/stdio.mjs`);
const PATIENCE_MS = 900_000;
let client;
let giveUp = () => {};

function transport() {
  if (wire === 'stdio') return new StdioClientTransport({ command: where });
  const Transport = wire === '/sse' ? SSEClientTransport : StreamableHTTPClientTransport;
  return new Transport(new URL(where), { requestInit: { headers: { authorization } } });
}

async function connected() {
  const mode = wire === '/sse' ? 'legacy' : 'auto';
  const opened = new Client({ name: 'hosts', version: '1' }, { versionNegotiation: { mode } });
  opened.onerror = (error) => {
    console.error(String(error));
    // A call whose stream is given up stays open, and only this tells of it: on the 2026 wire when
    // the stream broke, on the 2025 wires after the last attempt to take it up again.
    const isOver = /Maximum reconnection attempts/.test(String(error));
    if (isOver || opened.getNegotiatedProtocolVersion() >= '2026') giveUp(error);
  };
  await opened.connect(transport());
  return opened;
}

async function call({ tool, arguments: given }) {
  try {
    client ??= await connected();
    const broken = new Promise((_, reject) => (giveUp = reject));
    const calling = client.callTool(
      { name: tool, arguments: given },
      { timeout: PATIENCE_MS, onprogress: () => {} },
    );
    const result = await Promise.race([calling, broken]);
    const text = result.content.map((block) => block.text ?? '').join('');
    const structured = result.structuredContent;
    return { text: structured ? JSON.stringify(structured) : text, isError: Boolean(result.isError) };
  } catch (error) {
    const broken = client;
    client = undefined;
    await broken?.close().catch(() => {});
    return { text: String(error), isError: true };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await call(JSON.parse(line))));
}
await client?.close().catch(() => {});
process.exit(0);
