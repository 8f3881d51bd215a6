// @ts-check
// A receiver of GenevaDrive webhooks: each step of a workflow arrives as a signed POST, and what this program
// answers decides what happens next. Node 18 or newer, nothing else; TypeScript checks it by its comments.
//
//     WEBHOOK_SECRET=whsec_… PORT=9000 node receiver.mjs
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

/** @typedef {{ action: string, wait?: string, reason?: string, data?: object, error?: { message: string }, retryable?: boolean }} Answer
 * @typedef {{ type: string, data: { step_execution: { step_name: string },
 *   workflow: { subject: { type: string, id: string }, data: { answers?: Record<string, Answer> } } } }} Delivery */

/** Does the work of one step and says what happens next. An exception means: not done, try again later.
 * @param {Delivery} delivery @returns {Promise<Answer>} */
async function perform({ type, data: { workflow, step_execution: execution } }) {
  if (type !== "step.perform") return { action: "complete" }; // a hook, which only asks whether the step may start
  const step = execution.step_name, canned = workflow.data.answers?.[step]; // to try things out: data {"answers": {…}}
  if (canned) return canned;
  switch (step) {
    case "send_welcome_email":
    case "send_reminder": return { action: "complete" }; // send the mail to workflow.subject
    case "complete_onboarding": return { action: "complete", data: { onboarded: true } }; // merged into the workflow's data
    case "skip": return { action: "skip", reason: "not needed" };
    case "reattempt": return { action: "reattempt", wait: "PT5M" };
    case "pause": return { action: "pause", reason: "somebody should look at this" };
    case "cancel": return { action: "cancel", reason: "unsubscribed" };
    case "finish": return { action: "finish" };
    case "fail": return { action: "fail", error: { message: "card declined" }, retryable: true };
    default: throw new Error(`this receiver does not know the step ${step}`);
  }
}

/** Standard Webhooks: one of the signatures must be ours, and the timestamp not five minutes off.
 * @param {string} secret @param {import("node:http").IncomingHttpHeaders} headers @param {Buffer} body @param {number} now */
export function verify(secret, headers, body, now) {
  const [id, timestamp, signatures] = ["id", "timestamp", "signature"].map((name) => String(headers[`webhook-${name}`] ?? ""));
  if (!id || !/^\d{1,12}$/.test(timestamp) || Math.abs(now - Number(timestamp)) > 300) return false;
  const key = Buffer.from(secret.replace("whsec_", ""), "base64");
  const ours = Buffer.from("v1," + createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest("base64"));
  return signatures.split(" ").map((s) => Buffer.from(s)).some((given) => given.length === ours.length && timingSafeEqual(given, ours));
}

/** The stored answer, else that of the work. In an application: a table, written in the work's own transaction.
 * @param {string} file @param {Buffer} body */
async function answerOnce(file, body) {
  if (existsSync(file)) return readFileSync(file, "utf8");
  const answer = await perform(JSON.parse(body.toString()));
  if (answer.action !== "fail") { // a failure is not remembered: the next attempt does the work
    writeFileSync(`${file}.new`, JSON.stringify(answer));
    renameSync(`${file}.new`, file);
  }
  return JSON.stringify(answer);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { WEBHOOK_SECRET: secret = "", ANSWERS: directory = "answers", PORT: port = "9000" } = process.env;
  if (!secret.startsWith("whsec_")) throw new Error("set WEBHOOK_SECRET to the server's secret, whsec_…");
  mkdirSync(directory, { recursive: true });
  const running = new Map(); // the same id a second time at once waits for the same answer
  const server = createServer(async (request, response) => {
    let status = 401, text = '{"error": "the signature is not valid"}';
    try {
      const body = await buffer(request); // raw: not parsed and written anew
      if (verify(secret, request.headers, body, Math.floor(Date.now() / 1000))) {
        const file = `${directory}/${createHash("sha256").update(String(request.headers["webhook-id"])).digest("hex")}`;
        if (!running.has(file)) running.set(file, answerOnce(file, body).finally(() => running.delete(file)));
        [status, text] = [200, await running.get(file)];
      }
    } catch (error) {
      console.error(error);
      [status, text] = [500, '{"error": "the step was not performed"}'];
    }
    console.log(`${request.headers["genevadrive-step"]} -> ${status} ${text}`);
    response.writeHead(status, { "content-type": "application/json" }).end(text);
  });
  server.listen(Number(port), "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${port}`));
}
