// The first generation of the TypeScript SDK, which most hosts are still built on.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { asked, converse, tell } from "./conversation.mjs";

const transports = {
  stdio: () => new StdioClientTransport(asked.server),
  http: () => new StreamableHTTPClientTransport(new URL(asked.server.url)),
  sse: () => new SSEClientTransport(new URL(asked.server.url)),
};

const client = new Client({ name: "typescript-v1", version: "1.0.0" });
const transport = transports[asked.transport]();
await client.connect(transport);
const seen = await converse(
  (name, input, onprogress) => client.callTool({ name, arguments: input }, undefined, { onprogress }),
  asked,
);
tell({ ...seen, server: client.getServerVersion() });
await client.close();
