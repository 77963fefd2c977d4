// Ask the research team from TypeScript or JavaScript, over MCP: watch it work, print its brief.
//
//     npm install @modelcontextprotocol/client
//     node research.mjs "your question" PATH...
//
// The paths must lie in folders that ATLAS may read; without any it answers from what was ingested.
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const [question = "How does ATLAS verify the quotes of a brief?", ...documents] = process.argv.slice(2);

const client = new Client({ name: "research-example", version: "1.0.0" });
// The SDK hands a server no variables of its own; these say where ATLAS works, and with which models.
const env = { ...process.env };
await client.connect(new StdioClientTransport({ command: "atlas-mcp", args: ["serve"], env }));

const asked = documents.length ? { question, documents } : { question };
let { structuredContent: run, content, isError } = await client.callTool(
  { name: "research", arguments: asked },
  { onprogress: ({ message }) => console.error(message) },
);
// A team that needs longer than a call may wait goes on without it, and is asked for later.
while (!isError && ["queued", "running"].includes(run.state)) {
  ({ structuredContent: run, content, isError } = await client.callTool({
    name: "run_result",
    arguments: { run_id: run.run_id },
  }));
}
console.log(content[0].text);
await client.close();
process.exitCode = isError ? 1 : 0;
