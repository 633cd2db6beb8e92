"""Verifies webhooks, one JSON line of body and authorization each, with the public Python server SDK."""

import json
import sys

from livekit import api

receiver = api.WebhookReceiver(api.TokenVerifier("devkey", "secret"))
events = []
for line in sys.stdin:
    hook = json.loads(line)
    events.append(receiver.receive(hook["body"], hook["authorization"]).event)
print(json.dumps(events))
