// The official TypeScript client: a tool call for each line of stdin, its answer as a line on stdout.
// When a call breaks it connects anew for the next one, as a program would.
// Arguments: the module of the client, the address, "http" or "sse", the Authorization header.
import { createInterface } from 'node:readline';

const [module, url, transport, authorization] = process.argv.slice(2);
const { Client, SSEClientTransport, StreamableHTTPClientTransport } = await import(module);
const PATIENCE_MS = 900_000;
let client;
let giveUp = () => {};

async function connected() {
  const headers = { authorization };
  const options = { requestInit: { headers } };
  const mode = transport === 'sse' ? 'legacy' : 'auto';
  const opened = new Client({ name: 'hosts', version: '1' }, { versionNegotiation: { mode } });
  opened.onerror = (error) => {
    console.error(String(error));
    // A call whose stream is given up stays open, and only this tells of it: on the 2026 wire when
    // the stream broke, on the 2025 wires after the last attempt to take it up again.
    const isOver = /Maximum reconnection attempts/.test(String(error));
    if (isOver || opened.getNegotiatedProtocolVersion() >= '2026') giveUp(error);
  };
  const Transport = transport === 'sse' ? SSEClientTransport : StreamableHTTPClientTransport;
  await opened.connect(new Transport(new URL(url), options));
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
