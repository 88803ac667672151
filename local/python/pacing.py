"""How soon a function learns of a message that came while it was busy.

MiniStack looks again 50 ms after a wake that found its FIFO queue busy. AWS's pollers wait on the
queue itself, so a vote that arrives during a step would wait far less; a step here takes 20-40 ms.
"""

GAP_SECONDS = 0.004


def apply():
    """Shortens the gap. A version of MiniStack without it must be looked at, so its absence fails."""
    from ministack.services import lambda_svc

    if not isinstance(lambda_svc._ESM_IDLE_WAKE_GAP_SECONDS, float):
        raise TypeError("MiniStack's gap between polls is no longer a number of seconds")
    lambda_svc._ESM_IDLE_WAKE_GAP_SECONDS = GAP_SECONDS
