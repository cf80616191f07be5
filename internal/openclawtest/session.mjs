// Runs command lines of the client in one process, since most of what a command
// line costs is the start. Reads {dist, argv} as lines of JSON, answers each with
// {code, stdout, stderr}. What is called is what the client's own entry calls.
import { readFileSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

class Exit extends Error {}

let ended; // ends the command line that runs
const out = { stdout: "", stderr: "" };
for (const name of Object.keys(out)) {
  process[name].write = (chunk, encoding, done) => {
    out[name] += chunk;
    (typeof encoding === "function" ? encoding : done)?.();
    return true;
  };
}
process.exit = (code) => {
  ended(code ?? process.exitCode ?? 0);
  throw new Exit();
};
process.setMaxListeners(0); // each command line adds its handlers
process.on("unhandledRejection", () => {});

async function main(dist) {
  const [, file] = readFileSync(`${dist}/entry.js`, "utf8").match(/import\("\.\/(run-main-[^"]+)"\)/);
  return (await import(pathToFileURL(`${dist}/${file}`))).runCli;
}

for await (const line of createInterface({ input: process.stdin })) {
  const { dist, argv } = JSON.parse(line);
  const runCli = await main(dist);
  out.stdout = out.stderr = "";
  process.exitCode = undefined;
  process.argv = [process.execPath, `${dist}/../openclaw.mjs`, ...argv];
  const code = await new Promise((resolve) => {
    ended = resolve;
    runCli(process.argv).then(
      () => resolve(process.exitCode ?? 0),
      (e) => {
        if (!(e instanceof Exit)) out.stderr += e.stack;
        resolve(1);
      },
    );
  });
  writeSync(1, JSON.stringify({ code, ...out }) + "\n");
}
