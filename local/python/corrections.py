"""Where MiniStack's policy checks lack something of AWS that this project's policies rely on.

Applied by emulator.py where policies are checked (AUTH=true, the IAM lane). Each correction names
what AWS documents; without them a policy that is right on AWS would refuse here.
"""

import json
import re

# Partition attribute of every table of this project.
PARTITION_ATTRIBUTE = "pk"

_ROLE_SESSION = re.compile(r"arn:(aws[a-z-]*):sts::(\d{12}):assumed-role/([^/]+)/.+")
_EQUALS = re.compile(r"(#?\w+)\s*=\s*(:\w+)")


def apply():
    """Puts the corrections into MiniStack's modules."""
    from ministack.core import iam_actions, iam_evaluator

    resolve = iam_evaluator._resolve_condition_key
    tag_context = iam_actions.request_tag_context

    def resolve_corrected(key, context):
        value = resolve(key, context)
        return role_arn(value) if key.lower() == "aws:principalarn" else value

    def context_corrected(service, iam_action, body, params):
        return {
            **tag_context(service, iam_action, body, params),
            **request_keys(service, parse(body)),
        }

    iam_evaluator._resolve_condition_key = resolve_corrected
    iam_actions.request_tag_context = context_corrected


def role_arn(principal_arn):
    """aws:PrincipalArn of a role session is the role's ARN (IAM user guide, global keys)."""
    match = _ROLE_SESSION.fullmatch(principal_arn)
    if match is None:
        return principal_arn
    partition, account, role = match.groups()
    return f"arn:{partition}:iam::{account}:role/{role}"


def request_keys(service, request):
    """Condition keys that the request itself carries, by service."""
    if service == "kms":
        return encryption_context(request)
    if service == "dynamodb":
        keys = leading_keys(request)
        return {"dynamodb:LeadingKeys": keys} if keys else {}
    return {}


def encryption_context(request):
    """kms:EncryptionContext:<key> (KMS developer guide, condition keys)."""
    context = request.get("EncryptionContext") or {}
    return {f"kms:EncryptionContext:{name}": value for name, value in context.items()}


def leading_keys(request):
    """dynamodb:LeadingKeys: the partition keys that a request names (DynamoDB developer guide)."""
    found = [*query_keys(request), *item_keys(request)]
    for part in (request.get("TransactItems") or []):
        for operation in part.values():
            found += item_keys(operation)
    for table in (request.get("RequestItems") or {}).values():
        reads = [{"Key": key} for key in table.get("Keys", [])] if isinstance(table, dict) else []
        writes = [] if isinstance(table, dict) else [op for write in table for op in write.values()]
        for operation in reads + writes:
            found += item_keys(operation)
    return found


def item_keys(operation):
    """The partition key of one item's operation."""
    values = [operation.get("Key") or {}, operation.get("Item") or {}]
    return [text(item[PARTITION_ATTRIBUTE]) for item in values if PARTITION_ATTRIBUTE in item]


def query_keys(request):
    """The partition key of a query's key condition."""
    names = request.get("ExpressionAttributeNames") or {}
    values = request.get("ExpressionAttributeValues") or {}
    condition = request.get("KeyConditionExpression") or ""
    return [
        text(values[value])
        for name, value in _EQUALS.findall(condition)
        if names.get(name, name) == PARTITION_ATTRIBUTE and value in values
    ]


def text(attribute):
    """A typed DynamoDB value as the text that a condition compares."""
    return str(next(iter(attribute.values()), ""))


def parse(body):
    try:
        request = json.loads(body or b"{}")
    except ValueError:
        return {}
    return request if isinstance(request, dict) else {}
