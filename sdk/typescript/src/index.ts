// A client of the GenevaDrive API, and the types of what a receiver is sent and answers. All types come from the
// contract (contract.gen.ts is generated); this file adds how to connect and how failures are told.
import createFetchClient, { type Client as FetchClient, type ClientOptions } from "openapi-fetch";
import type { HookDelivery, paths, Problem, StepDelivery } from "./contract.gen.js";

export type * from "./contract.gen.js";
/** @deprecated Former names of these parameters; the values are `EndpointName`, `SubjectType` and `SubjectId`. */
export type {
  ParameterEndpointNameInPath as ParameterEndpointName,
  ParameterSubjectIdInQuery as ParameterSubjectId,
  ParameterSubjectTypeInQuery as ParameterSubjectType,
} from "./contract.gen.js";

export type Client = FetchClient<paths>;

export interface Options extends Omit<ClientOptions, "baseUrl"> {
  /** Address of the server, `http://127.0.0.1:8080` for example. */
  baseUrl: string;
  /** One of the server's API keys; leave it out for a server without any. */
  key?: string;
}

/**
 * Gives a client with one method for each HTTP method. A call gives `{data, error, response}`, where `error` is a
 * `Problem`; `unwrap` makes it throw instead.
 */
export function createClient({ key, ...options }: Options): Client {
  const client = createFetchClient<paths>(options);
  if (key) {
    client.use({
      onRequest({ request }) {
        // A call's own Authorization wins: a late answer is sent with a token.
        if (!request.headers.has("authorization")) request.headers.set("authorization", `Bearer ${key}`);
        return request;
      },
    });
  }
  return client;
}

/** What `unwrap` throws for every status of 400 and above. `problem.code` is stable. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  readonly problem: Problem;
  readonly response: Response;

  constructor(problem: Problem, response: Response) {
    super(`${problem.status} ${problem.code}: ${problem.detail}`);
    this.problem = problem;
    this.response = response;
  }
}

/** Gives the data of a call, or throws its problem as a `ProblemError`. */
export async function unwrap<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await call;
  if (!response.ok) throw new ProblemError(problemOf(error, response), response);
  return data as T;
}

/** What is no problem of the service, such as the page of a proxy, becomes one of the code `unknown_response`. */
function problemOf(error: unknown, response: Response): Problem {
  const isProblem = response.headers.get("content-type")?.startsWith("application/problem+json");
  if (isProblem && typeof error === "object" && error !== null && "code" in error) return error as Problem;
  const text = typeof error === "string" ? error : JSON.stringify(error ?? "");
  return {
    type: "about:blank",
    title: response.statusText,
    status: response.status,
    code: "unknown_response",
    detail: text.slice(0, 200),
  };
}

/** What the service POSTs to a receiver; `type` tells the two apart. */
export type Delivery =
  | (StepDelivery & { type: "step.perform" })
  | (HookDelivery & { type: "hook.before_step_starts" });

/**
 * Reads the body of a delivery whose signature has been verified. Throws if it is none: answer 500 then, so that it
 * is sent again once the receiver knows what it is.
 */
export function parseDelivery(body: string): Delivery {
  const value: unknown = JSON.parse(body);
  const type = typeof value === "object" && value !== null && "type" in value ? value.type : undefined;
  if (type !== "step.perform" && type !== "hook.before_step_starts") {
    throw new TypeError(`not a delivery of GenevaDrive: its type is ${JSON.stringify(type)}`);
  }
  return value as Delivery;
}
