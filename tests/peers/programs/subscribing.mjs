// What both TypeScript SDKs are made to do with subscriptions. What was heard is printed for the test to judge.
import { Client as Second, StreamableHTTPClientTransport as SecondHttp } from "@modelcontextprotocol/client";
import { StdioClientTransport as SecondStdio } from "@modelcontextprotocol/client/stdio";
import { Client as First } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as FirstStdio } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as FirstHttp } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ResourceUpdatedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { asked, tell } from "./conversation.mjs";

const heard = [];
const waiting = new Map();
const hear = ({ params }) => {
  heard.push(params.uri);
  waiting.get(params.uri)?.();
};
const until = (uri) =>
  heard.includes(uri) ? Promise.resolve() : new Promise((resolve) => waiting.set(uri, resolve));

const who = { name: "subscribing", version: "1.0.0" };
let client;
if (asked.sdk === "v1") {
  client = new First(who);
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, hear);
  const { url, ...program } = asked.server;
  await client.connect(url ? new FirstHttp(new URL(url)) : new FirstStdio(program));
} else {
  const mode = asked.era === "modern" ? "auto" : "legacy";
  client = new Second(who, { versionNegotiation: { mode } });
  client.setNotificationHandler("notifications/resources/updated", hear);
  const { url, ...program } = asked.server;
  await client.connect(url ? new SecondHttp(new URL(url)) : new SecondStdio(program));
}

/** Subscribes as the era has it; what it gives ends that. */
async function subscribe(...uris) {
  if (asked.era === "modern") {
    const stream = await client.listen({ resourceSubscriptions: uris });
    return () => stream.close();
  }
  for (const uri of uris) await client.subscribeResource({ uri });
  return async () => {
    for (const uri of uris) await client.unsubscribeResource({ uri });
  };
}

const leaveRuns = await subscribe("atlas://runs");
const { question, documents } = asked;
const started = await client.callTool({
  name: "research",
  arguments: { question, documents, fresh: true, wait_seconds: 0 },
});
const run = `atlas://runs/${started.structuredContent.run_id}`;
let refused = "";
try {
  await subscribe("atlas://runs/r_none");
} catch (error) {
  refused = error.message;
}
await until("atlas://runs");
const read = async () => JSON.parse((await client.readResource({ uri: run })).contents[0].text);
let standing = await read();
if (standing.state !== "done") {
  const leaveRun = await subscribe(run, `${run}/report`);
  standing = await read();
  if (standing.state !== "done") await until(`${run}/report`);
  await leaveRun();
  standing = await read();
}
await leaveRuns();
tell({ heard, refused, standing });
await client.close();
