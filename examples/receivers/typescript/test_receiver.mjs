// Runs verify over docs/signatures.json: node test_receiver.mjs
import { readFileSync } from "node:fs";
import { verify } from "./receiver.mjs";

const { vectors } = JSON.parse(readFileSync(new URL("../../../docs/signatures.json", import.meta.url), "utf8"));
const wrong = vectors.filter((v) => verify(v.secret, v, Buffer.from(v.body), v.now) !== v.valid);
if (wrong.length > 0) throw new Error(`wrong verdict: ${wrong.map((v) => v.name).join(", ")}`);
console.log(`${vectors.length} vectors`);
