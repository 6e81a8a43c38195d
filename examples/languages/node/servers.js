import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

// The last line of a `.env` of `convoy up`.
const LAST = "CONVOY_SASL_MECHANISM";

/** Returns the variables of `convoy up -- npm test`, or of servers that are started here. */
export async function startServers() {
  if (process.env.BOOTSTRAP_SERVER) return { variables: process.env, stop: async () => {} };
  const ports = ["--broker-port=0", "--registry-port=0", "--store-port=0"];
  const options = ["up", ...ports, "--exit-with-parent", "--quiet"];
  const stdio = ["ignore", "pipe", "inherit"];
  const convoy = spawn(process.env.CONVOY ?? "convoy", options, { stdio });
  const variables = {};
  for await (const line of createInterface({ input: convoy.stdout })) {
    const [name, value] = line.split(/=(.*)/s);
    variables[name] = value.replace(/^'(.*)'$/s, "$1");
    if (name === LAST) break;
  }
  const stop = async () => {
    convoy.kill();
    await once(convoy, "exit");
  };
  return { variables, stop };
}
