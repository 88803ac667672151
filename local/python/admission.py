"""How much of one machine the APIs may take, so that the replicas always have their part of it.

On AWS each run of a function has a processor of its own. Here all share one machine: replicas that get no
time change views instead of committing. So functions that answer APIs give way to all others, and who has
waited too long for one is told to come again, as a throttled gateway of AWS does: nobody may be left there to
hear the answer.
"""

import json
import os

# As `nice` counts, beyond the emulator's own: such a process gets about a third of the time of others.
NICENESS = 5
NICENESS_MAX = 19
RETRY_AFTER_SECONDS = 1
API_SUFFIX = "-api"

PROBLEM = {
    "type": "urn:carequorum:problem:throttled",
    "title": "Too many requests",
    "status": 429,
    "code": "throttled",
    "retryAfterMs": RETRY_AFTER_SECONDS * 1000,
}
THROTTLED = {
    "statusCode": 429,
    "headers": {
        "Content-Type": "application/problem+json",
        "Retry-After": str(RETRY_AFTER_SECONDS),
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": "Retry-After",
    },
    "body": json.dumps(PROBLEM),
}


def apply():
    """Puts both around MiniStack's own. A version without these places must be looked at, so it fails."""
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    to_response = lambda_svc.lambda_execute_result_to_api_proxy_response
    spawn = lambda_runtime.Worker._spawn

    def respond(result):
        return (dict(THROTTLED), None) if result.get("throttle") else to_response(result)

    def spawn_gently(worker):
        spawn(worker)
        if str(worker.config.get("FunctionName", "")).endswith(API_SUFFIX):
            own = os.getpriority(os.PRIO_PROCESS, 0)
            os.setpriority(os.PRIO_PROCESS, worker._proc.pid, min(NICENESS_MAX, own + NICENESS))

    lambda_svc.lambda_execute_result_to_api_proxy_response = respond
    lambda_runtime.Worker._spawn = spawn_gently
