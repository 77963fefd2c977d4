// The second generation of the TypeScript SDK, which speaks both eras of the protocol.
import { Client, SSEClientTransport, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { asked, converse, tell } from "./conversation.mjs";

const transports = {
  stdio: () => new StdioClientTransport(asked.server),
  http: () => new StreamableHTTPClientTransport(new URL(asked.server.url)),
  sse: () => new SSEClientTransport(new URL(asked.server.url)),
};
const mode = asked.era === "modern" ? "auto" : "legacy";

const client = new Client(
  { name: "typescript-v2", version: "1.0.0" },
  { versionNegotiation: { mode } },
);
await client.connect(transports[asked.transport]());
const seen = await converse(
  (name, input, onprogress) => client.callTool({ name, arguments: input }, { onprogress }),
  asked,
);
tell({ ...seen, server: client.getServerVersion(), protocol: client.getNegotiatedProtocolVersion() });
await client.close();
