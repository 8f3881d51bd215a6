"""A receiver of GenevaDrive webhooks: each step of a workflow arrives as a signed POST, and what this program
answers decides what happens next. Python 3.9 or newer, nothing else.

    WEBHOOK_SECRET=whsec_… PORT=9000 python3 receiver.py
"""
import base64, contextlib, hashlib, hmac, json, os, sqlite3, time, traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = (os.environ.get("WEBHOOK_SECRET") or os.environ.get("GENEVADRIVE_WEBHOOK_SECRETS", "")).split(",")[0]
ANSWERS = os.environ.get("ANSWERS", "answers.db")  # in an application: a table of its own database


def perform(delivery):
    """Does the work of one step and says what happens next. An exception means: not done, try again later."""
    workflow, execution = delivery["data"]["workflow"], delivery["data"]["step_execution"]
    step = execution["step_name"]
    if delivery["type"] != "step.perform":  # a hook, which only asks whether the step may start
        return {"action": "complete"}
    canned = workflow["data"].get("answers", {}).get(step)  # to try things out: data {"answers": {"send_reminder": {…}}}
    if canned:
        return canned
    if step in ("send_welcome_email", "send_reminder"):  # send the mail to workflow["subject"]
        return {"action": "complete"}
    if step == "complete_onboarding":
        return {"action": "complete", "data": {"onboarded": True}}  # data is merged into the workflow's
    if step == "crash" and execution["attempt"] == 1:
        raise RuntimeError("the mail server is away")
    return {  # the other actions; an unknown step is a KeyError
        "crash": {"action": "complete"},
        "skip": {"action": "skip", "reason": "not needed"},
        "reattempt": {"action": "reattempt", "wait": "PT5M"},
        "pause": {"action": "pause", "reason": "somebody should look at this"},
        "cancel": {"action": "cancel", "reason": "unsubscribed"},
        "finish": {"action": "finish"},
        "fail": {"action": "fail", "error": {"message": "card declined"}, "retryable": True},
    }[step]


def verify(secret, headers, body, now):
    """Standard Webhooks: one of the signatures must be ours, and the timestamp not five minutes off."""
    id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not id or not (timestamp.isascii() and timestamp.isdecimal()) or abs(now - int(timestamp)) > 300:
        return False
    key = base64.b64decode(secret[len("whsec_"):])
    mac = hmac.new(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    ours = b"v1," + base64.b64encode(mac)
    return any(hmac.compare_digest(ours, given.encode()) for given in headers.get("webhook-signature", "").split(" "))


def answer_once(id, body):
    """The stored answer, else the answer of the work, which is stored in the work's own transaction."""
    with contextlib.closing(sqlite3.connect(ANSWERS, timeout=30, isolation_level=None)) as db:
        db.execute("CREATE TABLE IF NOT EXISTS answers (webhook_id TEXT PRIMARY KEY, answer TEXT NOT NULL)")
        db.execute("BEGIN IMMEDIATE")  # the same id a second time at once waits here; an exception rolls back
        stored = db.execute("SELECT answer FROM answers WHERE webhook_id = ?", (id,)).fetchone()
        if stored:
            return stored[0]
        answer = perform(json.loads(body))
        if answer["action"] != "fail":  # a failure is not remembered, so that the next attempt does the work
            db.execute("INSERT INTO answers VALUES (?, ?)", (id, json.dumps(answer)))
        db.execute("COMMIT")
        return json.dumps(answer)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))  # raw: not parsed and written anew
        if not verify(SECRET, self.headers, body, int(time.time())):
            return self.reply(401, '{"error": "the signature is not valid"}')
        try:
            self.reply(200, answer_once(self.headers["webhook-id"], body))
        except Exception:
            traceback.print_exc()
            self.reply(500, '{"error": "the step was not performed"}')

    def reply(self, status, text):
        self.log_message("%s -> %d %s", self.headers.get("genevadrive-step"), status, text)
        self.send_response_only(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())


if __name__ == "__main__":
    if not SECRET.startswith("whsec_"):
        raise SystemExit("set WEBHOOK_SECRET to the server's secret, whsec_…")
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "9000"))), Receiver)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
