"""Where MiniStack's policy checks differ from AWS in something that this project relies on.

Applied by emulator.py; each correction names what AWS documents. They matter with AUTH=true alone.
"""

import re

_ROLE_SESSION = re.compile(r"arn:(aws[a-z-]*):sts::(\d{12}):assumed-role/([^/]+)/.+")


def role_arn(principal_arn):
    """The role's ARN for the ARN of one of its sessions, anything else unchanged."""
    match = _ROLE_SESSION.fullmatch(principal_arn)
    if match is None:
        return principal_arn
    partition, account, role = match.groups()
    return f"arn:{partition}:iam::{account}:role/{role}"


def principal_arn_is_the_role():
    """aws:PrincipalArn is the role's ARN, not the session's.

    IAM user guide, "AWS global condition context keys", aws:PrincipalArn: for a role the request
    context holds the ARN of the role, not that of the session that assumed it.
    """
    from ministack.core import iam_evaluator

    resolve = iam_evaluator._resolve_condition_key

    def corrected(key, context):
        value = resolve(key, context)
        return role_arn(value) if key.lower() == "aws:principalarn" else value

    iam_evaluator._resolve_condition_key = corrected
