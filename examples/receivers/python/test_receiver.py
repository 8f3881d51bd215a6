"""Runs verify over docs/signatures.json: python3 test_receiver.py"""
import json, pathlib

import receiver

path = pathlib.Path(__file__).resolve().parents[3] / "docs" / "signatures.json"
vectors = json.loads(path.read_text(encoding="utf-8"))["vectors"]
wrong = [v["name"] for v in vectors if receiver.verify(v["secret"], v, v["body"].encode(), v["now"]) is not v["valid"]]
if wrong:
    raise SystemExit(f"wrong verdict: {', '.join(wrong)}")
print(f"{len(vectors)} vectors")
