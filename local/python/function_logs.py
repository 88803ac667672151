"""What the functions print goes to the account's log file, where people look for it.

MiniStack keeps it in its CloudWatch Logs instead, in memory and in the saved state, without end.
"""


def apply():
    """Puts the printing in place of the keeping."""
    from ministack.services import lambda_svc

    lambda_svc._emit_lambda_logs = print_output


def print_output(function, request_id, log_text, error, duration_ms, *, log_source=None):
    """One line per line, after the function's name; a failed run is always told."""
    config = function.get("config") or function
    name = config.get("FunctionName", "function").rsplit("-", 1)[-1]
    for line in (log_text or "").splitlines():
        print(f"[{name}] {line}", flush=True)
    if error:
        print(f"[{name}] failed after {duration_ms} ms, request {request_id}", flush=True)
