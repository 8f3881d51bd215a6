"""A receiver of GenevaDrive webhooks: each step of a workflow arrives as a signed POST, and what this program
answers decides what happens next. Python 3.9 or newer, nothing else.

    WEBHOOK_SECRET=whsec_… PORT=9000 python3 receiver.py
"""
import base64, contextlib, hashlib, hmac, json, os, sqlite3, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = os.environ.get("WEBHOOK_SECRET", "")
ANSWERS = os.environ.get("ANSWERS", "answers.db")  # in an application: a table of its own database


def perform(delivery):
    """Does the work of one step and says what happens next. An exception means: not done, try again later."""
    if delivery["type"] != "step.perform":  # a hook, which only asks whether the step may start
        return {"action": "complete"}
    workflow, execution = delivery["data"]["workflow"], delivery["data"]["step_execution"]
    answers = {  # an application sends its mail to workflow["subject"] first
        "send_welcome_email": {"action": "complete"},
        "send_reminder": {"action": "complete"},
        "complete_onboarding": {"action": "complete", "data": {"onboarded": True}},  # merged into the workflow's data
        "skip": {"action": "skip", "reason": "not needed"},
        "reattempt": {"action": "reattempt", "wait": "PT5M"},
        "pause": {"action": "pause", "reason": "somebody should look at this"},
        "cancel": {"action": "cancel", "reason": "unsubscribed"},
        "finish": {"action": "finish"},
        "fail": {"action": "fail", "error": {"message": "card declined"}, "retryable": True},
    }
    answers.update(workflow["data"].get("answers", {}))  # to try things out: data {"answers": {"send_reminder": {…}}}
    return answers[execution["step_name"]]


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
    """The stored answer, else that of the work, which is stored in the work's own transaction."""
    with contextlib.closing(sqlite3.connect(ANSWERS, timeout=30, isolation_level=None)) as db:
        db.execute("CREATE TABLE IF NOT EXISTS answers (webhook_id TEXT PRIMARY KEY, answer TEXT NOT NULL)")
        db.execute("BEGIN IMMEDIATE")  # the same id a second time at once waits here; an exception rolls back
        for (stored,) in db.execute("SELECT answer FROM answers WHERE webhook_id = ?", (id,)):
            return stored
        answer = perform(json.loads(body))
        if answer["action"] != "fail":  # a failure is not remembered: the next attempt does the work
            db.execute("INSERT INTO answers VALUES (?, ?)", (id, json.dumps(answer)))
        db.execute("COMMIT")
        return json.dumps(answer)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))  # raw: not parsed and written anew
        if not verify(SECRET, self.headers, body, int(time.time())):
            return self.send_error(401, "the signature is not valid")
        try:
            text = answer_once(self.headers["webhook-id"], body)
        except Exception as error:
            self.log_error("%r", error)
            return self.send_error(500, "the step was not performed")
        self.log_message("%s -> %s", self.headers.get("genevadrive-step"), text)
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(text.encode())


if __name__ == "__main__":
    if not SECRET.startswith("whsec_"):
        raise SystemExit("set WEBHOOK_SECRET to the server's secret, whsec_…")
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "9000"))), Receiver)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
