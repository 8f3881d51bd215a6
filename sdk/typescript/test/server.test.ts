// Against a running server: make test PKG=./sdk/ starts one and runs this.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import test from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient, parseDelivery, unwrap, type Answer, type Delivery, type Problem, type webhooks, type Workflow } from "genevadrive";

const client = createClient({ baseUrl: process.env["GENEVADRIVE_URL"] ?? "", key: process.env["GENEVADRIVE_KEY"] ?? "" });

/** Puts a definition of one step, which waits or is due at once. */
async function register(type: string, url: string, wait: string) {
  const registered = await unwrap(
    client.PUT("/v1/definitions/{type}", {
      params: { path: { type } },
      body: {
        webhook: { url },
        on_exception: { action: "reattempt", max_reattempts: 3 },
        steps: [{ name: "send_welcome", wait, params: { template: "w1" }, skip_if: false }],
      },
    }),
  );
  assert.deepEqual([registered.version, registered.steps[0]?.name], [1, "send_welcome"]);
}

function create(type: string, id: string): Promise<Workflow> {
  return unwrap(client.POST("/v1/workflows", { body: { type, subject: { type: "User", id }, data: { plan: "pro" } } }));
}

test("list with cursor", async () => {
  await register("TypeScriptList", "http://127.0.0.1:9/", "P1D");
  const want: string[] = [];
  for (const subject of ["1", "2", "3"]) want.unshift((await create("TypeScriptList", subject)).id);
  const got: string[][] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await unwrap(
      client.GET("/v1/workflows", {
        params: { query: { type: ["TypeScriptList"], state: ["ready", "paused"], limit: 2, ...(cursor && { cursor }) } },
      }),
    );
    got.push(page.items.map((workflow) => workflow.id));
    cursor = page.next_cursor;
  }
  assert.deepEqual(got, [want.slice(0, 2), want.slice(2)]);
});

test("control", async () => {
  await register("TypeScriptControl", "http://127.0.0.1:9/", "P1D");
  const { id, current_execution: execution } = await create("TypeScriptControl", "42");
  assert(execution);
  const body = { reason: "on holiday", step_execution_id: execution.id };
  for (const replayed of [null, "true"]) {
    const { data, response } = await client.POST("/v1/workflows/{id}/pause", {
      params: { path: { id }, header: { "Idempotency-Key": "pause-42" } },
      body,
    });
    assert.deepEqual([data?.state, data?.pause?.reason, data?.finished_at], ["paused", "on holiday", null]);
    assert.equal(response.headers.get("idempotent-replayed"), replayed);
  }
});

test("problems", async () => {
  await register("TypeScriptProblems", "http://127.0.0.1:9/", "P1D");
  const workflow = await create("TypeScriptProblems", "42");
  const subject = { type: "User", id: "42" };

  const exists = await client.POST("/v1/workflows", { body: { type: "TypeScriptProblems", subject } });
  assert.equal(exists.response.status, 409);
  const conflict: Problem | undefined = exists.error;
  assert.deepEqual([conflict?.code, conflict?.status, conflict?.workflow_id], ["workflow_exists", 409, workflow.id]);

  const { error: invalid } = await client.POST("/v1/workflows", { body: { type: "TypeScriptProblems", subject: { ...subject, id: "" } } });
  assert.equal(invalid?.code, "invalid_request");
  assert.deepEqual(invalid.errors?.map((fault) => fault.pointer), ["#/subject/id"]);

  const headers = { authorization: "Bearer not a key of this server" };
  await assert.rejects(unwrap(client.GET("/v1/workflows", { headers })), { name: "ProblemError", message: /^401 unauthorized: / });
});

test("a delivery and its answer", async (t) => {
  const deliveries: Delivery[] = [];
  const receiver = createServer(async (request, response) => {
    deliveries.push(parseDelivery(await text(request)));
    const answer: Answer = { action: "finish", reason: "seen", data: { welcomed: true } };
    response.setHeader("content-type", "application/json").end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  t.after(() => receiver.close());
  await register("TypeScriptDelivery", `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`, "PT0S");

  let workflow = await create("TypeScriptDelivery", "42");
  const { id } = workflow;
  for (const deadline = Date.now() + 30_000; workflow.state !== "finished" && Date.now() < deadline; await sleep(10)) {
    workflow = await unwrap(client.GET("/v1/workflows/{id}", { params: { path: { id } } }));
  }
  assert.deepEqual([workflow.state, workflow.data], ["finished", { plan: "pro", welcomed: true }]);

  assert.equal(deliveries.length, 1);
  const [delivery] = deliveries;
  assert(delivery?.type === "step.perform");
  const { step_execution: step, workflow: delivered } = delivery.data;
  assert.deepEqual([step.step_name, step.attempt, step.params, step.previous_error], ["send_welcome", 1, { template: "w1" }, null]);
  assert.deepEqual([delivered.id, delivered.subject, delivered.data], [id, { type: "User", id: "42" }, { plan: "pro" }]);
});

test("a late answer", async (t) => {
  let delivered: (delivery: Delivery) => void;
  const delivery = new Promise<Delivery>((resolve) => (delivered = resolve));
  const receiver = createServer(async (request, response) => {
    response.statusCode = 202;
    response.end();
    delivered(parseDelivery(await text(request)));
  });
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  t.after(() => receiver.close());
  const params = { path: { name: "typescript" } };
  await unwrap(client.PUT("/v1/endpoints/{name}", { params, body: { url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/` } }));
  await unwrap(
    client.PUT("/v1/definitions/{type}", {
      params: { path: { type: "TypeScriptLate" } },
      body: { webhook: { endpoint: "typescript" }, callback_timeout: "PT1H", steps: [{}] },
    }),
  );
  const { id: workflow } = await create("TypeScriptLate", "42");
  const { callback, step_execution: step } = (await delivery).data;
  assert(callback);
  const completed = await unwrap(
    client.POST("/v1/step-executions/{id}/complete", {
      params: { path: { id: step.id } },
      headers: { authorization: `Bearer ${callback.token}` },
      body: { action: "complete" },
    }),
  );
  assert.deepEqual([completed.state, completed.workflow_id], ["completed", workflow]);
  await assert.rejects(unwrap(client.DELETE("/v1/endpoints/{name}", { params })), { message: /^409 endpoint_in_use: / });
});

test("an answer without a body", async () => {
  const params = { path: { name: "typescript-unused" } };
  await unwrap(client.PUT("/v1/endpoints/{name}", { params, body: { url: "http://127.0.0.1:9/" } }));
  assert.equal(await unwrap(client.DELETE("/v1/endpoints/{name}", { params })), undefined);
});

// The contract's webhooks section and the types of this package are the same thing: this has to compile.
type Sent = webhooks["step.perform"]["post"]["requestBody"]["content"]["application/json"];
type Answered = webhooks["step.perform"]["post"]["responses"]["200"]["content"]["application/json"];
({}) as Delivery satisfies Sent | webhooks["hook.before_step_starts"]["post"]["requestBody"]["content"]["application/json"];
({ action: "reattempt", wait: "PT5M" }) satisfies Answer satisfies Answered;
