"""How fast MiniStack works.

Messages: MiniStack looks again 50 ms after a wake that found its FIFO queue busy. AWS's pollers wait on
the queue itself, so a vote that arrives during a step would wait far less; a step here takes 20-40 ms.

Requests: AWS gives each request that comes at the same time an environment of its own. Here each is a
process of some 90 MB that takes a second of one of few cores to start, so that fifty clients at once would
spend their time starting processes. So many run at once, and the others wait in the order of their coming.
A client gives up after some three seconds: who could not begin by then is told to come again, and no
process works for nobody.

Conditions: MiniStack checks the grammar of a condition anew for every item of a partition; the few conditions
that there are need that once.
"""

import asyncio
import functools

GAP_SECONDS = 0.004
REQUESTS_AT_ONCE = 4
WAIT_SECONDS_MAX = 2
# As MiniStack says that a function's concurrency is used up; admission.py makes the answer of it.
TOO_BUSY = {"throttle": True, "error": True, "body": {}}
CONDITIONS_KEPT = 256


def apply():
    """Puts all in force. A version of MiniStack without these places must be looked at, so it fails."""
    from ministack.services import apigateway_v1, dynamodb, lambda_svc

    if not isinstance(lambda_svc._ESM_IDLE_WAKE_GAP_SECONDS, float):
        raise TypeError("MiniStack's gap between polls is no longer a number of seconds")
    lambda_svc._ESM_IDLE_WAKE_GAP_SECONDS = GAP_SECONDS
    if not asyncio.iscoroutinefunction(apigateway_v1._call_lambda_raw):
        raise TypeError("MiniStack's API no longer awaits its functions")
    apigateway_v1._call_lambda_raw = in_turn(apigateway_v1._call_lambda_raw)
    keep = functools.lru_cache(CONDITIONS_KEPT)
    dynamodb._condition_syntax_error = keep(dynamodb._condition_syntax_error)


def in_turn(call, wait_seconds_max=WAIT_SECONDS_MAX):
    """The same call, with as many at once for each function as fit; too busy after that much waiting."""
    rooms = {}

    async def call_in_turn(function_ref, event, **scope):
        room = rooms.setdefault(function_ref, asyncio.Semaphore(REQUESTS_AT_ONCE))
        try:
            await asyncio.wait_for(room.acquire(), wait_seconds_max)
        except asyncio.TimeoutError:
            return TOO_BUSY, None
        try:
            return await call(function_ref, event, **scope)
        finally:
            room.release()

    return call_in_turn
