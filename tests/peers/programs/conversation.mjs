// What both TypeScript SDKs are made to do with ATLAS. The SDK's client comes in wrapped, as `call(tool, input,
// onprogress)`; what was seen is printed for the test to judge.

/** Calls `research` and watches it, then starts another run without waiting and asks for its result. */
export async function converse(call, { question, documents }) {
  const progress = [];
  const brief = await call("research", { question, documents }, (each) => progress.push(each));
  const started = await call("research", { question, documents, fresh: true, wait_seconds: 0 });
  const finished = await call("run_result", { run_id: started.structuredContent.run_id });
  return { brief, progress, started, finished };
}

/** What the test asked for: `{transport, server: {command, args, env} | {url}, era?, question, documents}`. */
export const asked = JSON.parse(process.argv[2]);

/** Tells the test. */
export function tell(seen) {
  process.stdout.write(JSON.stringify(seen));
}
