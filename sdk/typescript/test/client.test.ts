// How failures and keys are told, without a server.
import assert from "node:assert/strict";
import test from "node:test";
import { createClient, parseDelivery, ProblemError, unwrap } from "genevadrive";

const page = { items: [], next_cursor: null };

function answering(status: number, type: string, body: string) {
  const requests: Request[] = [];
  const fetch = async (request: Request) => {
    requests.push(request);
    return new Response(body, { status, headers: { "content-type": type } });
  };
  return { requests, fetch };
}

test("every failure is a problem", async () => {
  const problem = { type: "urn:genevadrive:problem:x", title: "X", status: 400, code: "x", detail: "y" };
  for (const [name, type, body, code, detail] of [
    ["a problem", "application/problem+json", JSON.stringify(problem), "x", "y"],
    ["the page of a proxy", "text/html", "<h1>Bad</h1>", "unknown_response", "<h1>Bad</h1>"],
    ["somebody else's problem", "application/problem+json", '{"title":"x"}', "unknown_response", '{"title":"x"}'],
    ["nothing", "text/plain", "", "unknown_response", ""],
  ] as const) {
    const client = createClient({ baseUrl: "http://example.com", fetch: answering(400, type, body).fetch });
    await assert.rejects(unwrap(client.GET("/v1/workflows")), (error) => {
      assert(error instanceof ProblemError, name);
      assert.deepEqual([error.problem.status, error.problem.code, error.problem.detail, error.response.status], [400, code, detail, 400], name);
      return true;
    });
  }
});

test("the key of a call wins", async () => {
  for (const [key, call, want] of [
    ["one", undefined, "Bearer one"],
    ["one", "Bearer two", "Bearer two"],
    [undefined, undefined, null],
  ] as const) {
    const { requests, fetch } = answering(200, "application/json", JSON.stringify(page));
    const client = createClient({ baseUrl: "http://example.com/base/", ...(key && { key }), fetch });
    assert.deepEqual(await unwrap(client.GET("/v1/workflows", call ? { headers: { authorization: call } } : {})), page);
    assert.equal(requests[0]?.headers.get("authorization"), want);
    assert.equal(requests[0]?.url, "http://example.com/base/v1/workflows");
  }
});

test("what is no delivery is not read as one", () => {
  for (const body of ["", "null", "[]", '"step.perform"', '{"type":"step.performed"}']) {
    assert.throws(() => parseDelivery(body), Error, body);
  }
});
