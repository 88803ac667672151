"""A second verifier of CareQuorum receipts and exports, written from docs/receipts.md alone.

    python verify.py receipts GENESIS FILE    one receipt a line; prints a JSON verdict for each
    python verify.py export GENESIS FILE      prints one JSON verdict

It shares no code with the project, and needs Python 3.9 and the package `cryptography`.
"""

import base64
import hashlib
import json
import re
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SAFE_MAX = 2**53 - 1
HEIGHT_MAX = 2**48


class Refused(Exception):
    """The verdict: `code` names the step that failed."""

    def __init__(self, code, why=""):
        super().__init__(f"{code}: {why}")
        self.code = code


def require(condition, code, why=""):
    if not condition:
        raise Refused(code, why)


# ---- bytes -------------------------------------------------------------------------------------


def from_base64url(text):
    require(isinstance(text, str) and re.fullmatch(r"[A-Za-z0-9_-]*", text), "malformed", "base64url")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    again = base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    require(again == text, "malformed", "base64url is not canonical")
    return data


def sha256(data):
    return hashlib.sha256(data).digest()


def tagged(tag, *parts):
    label = b"carequorum/v1/" + tag.encode()
    text = len(label).to_bytes(4, "big") + label
    for part in parts:
        text += len(part).to_bytes(8, "big") + part
    return sha256(text)


def head(major, value):
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if value < 24:
            return bytes([major << 5 | value])
        if value < 1 << (8 * size):
            return bytes([major << 5 | info]) + value.to_bytes(size, "big")
    raise Refused("malformed", "an integer is too large")


def encode(value):
    if value is None:
        return b"\xf6"
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        text = value.encode()
        return head(3, len(text)) + text
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(encode(one) for one in value)
    if isinstance(value, dict):
        keys = sorted((key.encode() for key in value), key=lambda key: (len(key), key))
        members = (head(3, len(key)) + key + encode(value[key.decode()]) for key in keys)
        return head(5, len(value)) + b"".join(members)
    raise Refused("malformed", "no such value")


class Reader:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, count):
        require(self.at + count <= len(self.data), "malformed", "CBOR ends early")
        self.at += count
        return self.data[self.at - count : self.at]

    def value(self, depth=0):
        require(depth < 64, "malformed", "CBOR is nested too deeply")
        first = self.take(1)[0]
        major, info = first >> 5, first & 31
        if major == 7:
            simple = {20: False, 21: True, 22: None}
            require(info in simple, "malformed", "no such simple value")
            return simple[info]
        require(info <= 27 and major != 6, "malformed", "a tag or an indefinite length")
        count = info if info < 24 else int.from_bytes(self.take(1 << (info - 24)), "big")
        if major == 0:
            require(count <= SAFE_MAX, "malformed", "an integer is too large")
            return count
        if major == 1:
            require(count < SAFE_MAX, "malformed", "an integer is too small")
            return -1 - count
        if major == 2:
            return self.take(count)
        if major == 3:
            try:
                return self.take(count).decode()
            except UnicodeDecodeError as error:
                raise Refused("malformed", "text is not UTF-8") from error
        if major == 4:
            return [self.value(depth + 1) for _ in range(count)]
        members = {}
        for _ in range(count):
            key = self.value(depth + 1)
            require(isinstance(key, str) and key not in members, "malformed", "a key of a map")
            members[key] = self.value(depth + 1)
        return members


def decode(data):
    reader = Reader(data)
    value = reader.value()
    require(reader.at == len(data), "malformed", "bytes after the value")
    require(encode(value) == data, "malformed", "CBOR is not canonical")
    return value


# ---- shapes: a shape is a function that raises `malformed` ----------------------------------------


def size(count):
    return lambda one: isinstance(one, bytes) and len(one) == count


def whole(low=0, high=HEIGHT_MAX):
    return lambda one: isinstance(one, int) and not isinstance(one, bool) and low <= one <= high


def text(pattern):
    return lambda one: isinstance(one, str) and re.fullmatch(pattern, one) is not None


def one_of(*values):
    return lambda one: isinstance(one, (str, int)) and not isinstance(one, bool) and one in values


def many(shape, low=0, high=10**9):
    return lambda one: isinstance(one, list) and low <= len(one) <= high and all(map(shape, one))


def record(**members):
    def check(one):
        if not isinstance(one, dict) or set(one) != set(members):
            return False
        return all(shape(one[name]) for name, shape in members.items())

    return check


def nullable(shape):
    return lambda one: one is None or shape(one)


HASH, KEY, SIGNATURE, HEIGHT = size(32), size(65), size(64), whole()
ID = text(r"(?!all\Z)[a-z0-9-]{2,16}")
LEDGER = text(r"[A-Za-z0-9_-]{1,64}")
HEADER = record(
    protocolVersion=one_of(1),
    ledger=LEDGER,
    height=HEIGHT,
    view=HEIGHT,
    proposer=ID,
    previousHash=HASH,
    transactionsRoot=HASH,
    resultsRoot=HASH,
    stateRoot=HASH,
    time=HEIGHT,
    validatorsHash=HASH,
    nextValidatorsHash=HASH,
    paramsHash=HASH,
    historyRoot=HASH,
    pin=nullable(record(height=HEIGHT, hash=HASH)),
)
CERTIFICATE = record(
    phase=one_of("prepare", "commit"),
    height=HEIGHT,
    view=HEIGHT,
    hash=HASH,
    votes=many(record(validator=ID, signature=SIGNATURE), high=31),
)
SESSION = record(
    body=record(
        network=text(r"[a-z0-9-]{3,32}"),
        validator=ID,
        incarnation=HEIGHT,
        purpose=one_of("vote", "read"),
        key=KEY,
        fromHeight=HEIGHT,
        untilHeight=HEIGHT,
    ),
    signature=SIGNATURE,
)
VALIDATOR = record(
    id=ID, kmsKey=KEY, incarnation=HEIGHT, suspended=lambda one: isinstance(one, bool)
)
LINK = record(validators=many(VALIDATOR, 4, 31), header=HEADER, certificate=CERTIFICATE)
CHAIN = {
    "sessions": many(SESSION, high=1024),
    "links": many(LINK, high=256),
    "parent": nullable(HEADER),
}
RECEIPT = record(
    format=one_of("carequorum-receipt-1"),
    genesisHash=HASH,
    ledger=LEDGER,
    result=lambda one: isinstance(one, bytes),
    index=HEIGHT,
    size=HEIGHT,
    proof=many(HASH, high=48),
    header=HEADER,
    certificate=CERTIFICATE,
    **CHAIN,
)
RESULT = record(
    id=text(r"[0-9a-f]{64}"),
    status=one_of("COMMITTED", "INVALID"),
    code=lambda one: isinstance(one, str) and len(one) <= 64,
    value=lambda one: True,
)
ANSWER = record(
    format=one_of("carequorum-answer-1"),
    genesisHash=HASH,
    ledger=LEDGER,
    header=HEADER,
    certificate=nullable(CERTIFICATE),
    entries=many(
        record(
            key=lambda one: isinstance(one, str),
            value=nullable(lambda one: isinstance(one, bytes)),
            proof=record(
                siblings=many(HASH, high=256),
                other=nullable(record(keyHash=HASH, valueHash=HASH)),
            ),
        )
    ),
    freshness=record(
        validator=ID, nonce=size(16), height=HEIGHT, votedHeight=HEIGHT, signature=SIGNATURE
    ),
    main=nullable(lambda one: isinstance(one, bytes)),
    **CHAIN,
)


def shaped(data, shape, name):
    value = decode(data)
    if isinstance(value, dict) and isinstance(value.get("format"), str):
        require(value["format"] == name, "unsupported_format")
    require(shape(value), "malformed", "another shape")
    return value


# ---- signatures and trees ------------------------------------------------------------------------


def signed_by(key, message, signature):
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if s > ORDER // 2:
        return False
    try:
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
        point.verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def inclusion_root(leaf_hash, index, count, proof):
    """RFC 9162, 2.1.3.2; None where the proof has another form."""
    if index >= count:
        return None
    fn, sn, r = index, count - 1, leaf_hash
    for p in proof:
        if sn == 0:
            return None
        if fn & 1 or fn == sn:
            r = sha256(b"\x01" + p + r)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = sha256(b"\x01" + r + p)
        fn, sn = fn >> 1, sn >> 1
    return r if sn == 0 else None


def bit(data, at):
    return data[at // 8] >> (7 - at % 8) & 1


def state_root(entry):
    """The root to which the proof of an entry leads; None where it contradicts itself."""
    siblings, other = entry["proof"]["siblings"], entry["proof"]["other"]
    key = tagged("state-key", entry["key"].encode())
    if entry["value"] is not None:
        if other is not None:
            return None
        end = tagged("state-leaf", key, tagged("state-value", entry["value"]))
    elif other is None:
        end = tagged("state-empty")
    else:
        beside = range(len(siblings))
        if other["keyHash"] == key or any(bit(key, at) != bit(other["keyHash"], at) for at in beside):
            return None
        end = tagged("state-leaf", other["keyHash"], other["valueHash"])
    for at in reversed(range(len(siblings))):
        pair = (siblings[at], end) if bit(key, at) else (end, siblings[at])
        end = tagged("state-node", *pair)
    return end


# ---- genesis and the sets that follow it -----------------------------------------------------------


class Genesis:
    def __init__(self, data):
        document = json.loads(data)
        self.hash = tagged("genesis", data)
        self.network = document["network"]
        self.validators = []
        self.sessions = []
        for one in document["validators"]:
            seat = {
                "id": one["id"],
                "kmsKey": from_base64url(one["kmsKey"]),
                "incarnation": one["session"]["incarnation"],
                "suspended": False,
            }
            self.validators.append(seat)
            for purpose, session in (("vote", one["session"]), ("read", one["read"])):
                body = {
                    "network": self.network,
                    "validator": one["id"],
                    "incarnation": session["incarnation"],
                    "purpose": purpose,
                    "key": from_base64url(session["key"]),
                    "fromHeight": session["fromHeight"],
                    "untilHeight": session["untilHeight"],
                }
                self.sessions.append({"body": body, "signature": from_base64url(session["signature"])})


def session_message(session):
    return tagged("session-certificate", encode(session["body"]))


def merkle_of_nothing():
    return sha256(b"")


def case_genesis(genesis, header):
    """Height 0 of a case ledger, as what it takes over from the main ledger makes it."""
    opener = bytes.fromhex(header["ledger"])
    nothing = merkle_of_nothing()
    return {
        **header,
        "protocolVersion": 1,
        "height": 0,
        "view": 0,
        "previousHash": tagged("case-genesis", genesis.hash, opener, header["pin"]["hash"]),
        "transactionsRoot": nothing,
        "resultsRoot": nothing,
        "stateRoot": tagged("state-empty"),
        "nextValidatorsHash": header["validatorsHash"],
        "historyRoot": nothing,
    }


def require_case_genesis(genesis, header):
    named = re.fullmatch(r"[0-9a-f]{64}", header["ledger"]) and header["pin"] is not None
    require(named and case_genesis(genesis, header) == header, "wrong_genesis_header")


def voting_height(genesis, header, parent):
    """Step 4: the height of the main ledger whose set votes on a header."""
    pin = header["pin"]
    if header["ledger"] == "main":
        require(pin is None, "wrong_pin")
        require(parent is None, "wrong_parent")
        return header["height"]
    require(pin is not None, "wrong_pin")
    if header["height"] == 0:
        require(parent is None, "wrong_parent")
        require_case_genesis(genesis, header)
        return pin["height"]
    require(parent is not None and parent["ledger"] == header["ledger"], "wrong_parent")
    require(parent["height"] == header["height"] - 1, "wrong_parent")
    require(tagged("header", encode(parent)) == header["previousHash"], "wrong_parent")
    before = parent["pin"]
    require(before is not None and pin["height"] >= before["height"], "wrong_pin")
    if parent["height"] == 0:
        require_case_genesis(genesis, parent)
    return before["height"]


class Chain:
    """Steps 5 and 6: the set in force after all links."""

    def __init__(self, genesis, sessions, links):
        self.genesis = genesis
        bodies = [encode(one["body"]) for one in sessions]
        require(len(set(bodies)) == len(bodies), "bad_session", "a session comes twice")
        self.offered = genesis.sessions + sessions
        self.used = set()
        self.enter(genesis.validators, 0)
        for link in links:
            header = link["header"]
            require(header["ledger"] == "main", "wrong_ledger")
            require(header["height"] >= max(1, self.since), "link_out_of_order")
            require(header["validatorsHash"] == self.set_hash, "link_wrong_set")
            try:
                self.check(header, link["certificate"], header["height"])
            except Refused as error:
                raise Refused("link_not_certified", str(error)) from error
            following = tagged("validators", encode(link["validators"]))
            require(header["nextValidatorsHash"] == following, "link_wrong_next_set")
            self.enter(link["validators"], header["height"] + 1)
        require(all(body in self.used for body in bodies), "bad_session", "certified by nobody")

    def enter(self, validators, since):
        self.validators = validators
        self.since = since
        self.set_hash = tagged("validators", encode(validators))
        self.counting = [one["body"] for one in self.offered if self.counts(one)]
        self.used.update(encode(body) for body in self.counting)

    def counts(self, session):
        body = session["body"]
        if body["network"] != self.genesis.network:
            return False
        for seat in self.validators:
            if seat["id"] == body["validator"] and seat["incarnation"] == body["incarnation"]:
                return signed_by(seat["kmsKey"], session_message(session), session["signature"])
        return False

    def seat(self, name):
        return next((one for one in self.validators if one["id"] == name), None)

    def signed(self, name, purpose, height, message, signature):
        seat = self.seat(name)
        for body in self.counting:
            if body["validator"] != name or body["purpose"] != purpose:
                continue
            if body["incarnation"] != seat["incarnation"]:
                continue
            if height is not None and not body["fromHeight"] <= height <= body["untilHeight"]:
                continue
            if signed_by(body["key"], message, signature):
                return True
        return False

    def check(self, header, certificate, voted_at):
        """Step 8."""
        height = header["height"]
        is_of_set = header["validatorsHash"] == self.set_hash and voted_at >= self.since
        require(is_of_set, "header_wrong_set")
        require(height != 0, "not_certified")
        require(certificate["phase"] == "commit", "certificate_wrong_phase")
        require(certificate["height"] == height, "certificate_wrong_height")
        header_hash = tagged("header", encode(header))
        require(certificate["hash"] == header_hash, "certificate_wrong_hash")
        votes = certificate["votes"]
        voters = {vote["validator"] for vote in votes}
        require(len(voters) == len(votes), "duplicate_vote")
        n = len(self.validators)
        f = (n - 1) // 3
        require(len(voters) >= (n + f + 2) // 2, "too_few_votes")
        for name in voters:
            seat = self.seat(name)
            require(seat is not None and not seat["suspended"], "ineligible_vote")
        statement = {
            "phase": certificate["phase"],
            "genesisHash": self.genesis.hash,
            "ledger": header["ledger"],
            "validatorsHash": self.set_hash,
            "height": certificate["height"],
            "view": certificate["view"],
            "hash": certificate["hash"],
        }
        message = tagged("vote", encode(statement))
        at = height if header["ledger"] == "main" else None
        for vote in votes:
            good = self.signed(vote["validator"], "vote", at, message, vote["signature"])
            require(good, "bad_vote", vote["validator"])


# ---- receipts and exports --------------------------------------------------------------------------


def verify_receipt(data, genesis):
    receipt = shaped(data, RECEIPT, "carequorum-receipt-1")
    header = receipt["header"]
    require(receipt["genesisHash"] == genesis.hash, "wrong_genesis")
    require(header["ledger"] == receipt["ledger"], "wrong_ledger")
    voted_at = voting_height(genesis, header, receipt["parent"])
    chain = Chain(genesis, receipt["sessions"], receipt["links"])
    chain.check(header, receipt["certificate"], voted_at)
    leaf = sha256(b"\x00" + receipt["result"])
    root = inclusion_root(leaf, receipt["index"], receipt["size"], receipt["proof"])
    require(root == header["resultsRoot"], "result_not_included")
    try:
        result = decode(receipt["result"])
        require(RESULT(result), "malformed")
    except Refused as error:
        raise Refused("result_malformed") from error
    return {**result, "height": header["height"], "time": header["time"]}


def verify_answer(data, genesis, nonce, validator):
    answer = shaped(data, ANSWER, "carequorum-answer-1")
    header, freshness = answer["header"], answer["freshness"]
    require(answer["genesisHash"] == genesis.hash, "wrong_genesis")
    require(header["ledger"] == answer["ledger"], "wrong_ledger")
    require(answer["ledger"] == "main" and answer["main"] is None, "wrong_ledger")
    voted_at = voting_height(genesis, header, answer["parent"])
    chain = Chain(genesis, answer["sessions"], answer["links"])
    require(answer["certificate"] is not None, "not_certified")
    chain.check(header, answer["certificate"], voted_at)
    require(freshness["nonce"] == nonce, "wrong_nonce")
    name, height = freshness["validator"], freshness["height"]
    seat = chain.seat(name)
    may = seat is not None and not seat["suspended"] and height == header["height"]
    require(may and name == validator, "freshness_invalid")
    statement = {
        "genesisHash": genesis.hash,
        "ledger": answer["ledger"],
        "nonce": nonce,
        "height": height,
        "votedHeight": freshness["votedHeight"],
    }
    message = tagged("freshness", encode(statement))
    good = chain.signed(name, "read", height, message, freshness["signature"])
    require(good, "freshness_invalid")
    state = {}
    for entry in answer["entries"]:
        require(entry["key"] not in state, "duplicate_key")
        require(state_root(entry) == header["stateRoot"], "proof_invalid")
        state[entry["key"]] = entry["value"]
    return header["height"], state


def inner_jws(compact):
    """Header and payload of the innermost of two JWS."""
    payload = from_base64url(compact.split(".")[1]).decode()
    parts = payload.split(".")
    require(len(parts) == 3, "malformed", "a query of no patient")
    return json.loads(from_base64url(parts[0])), json.loads(from_base64url(parts[1]))


def verify_export(text_of_file, genesis):
    export = json.loads(text_of_file)
    require(export["genesisHash"] == genesis.hash.hex(), "mismatch")
    states, owners = [], set()
    for proof in export["proofs"]:
        header, payload = inner_jws(proof["query"])
        owners.add(header["kid"])
        nonce = from_base64url(payload["nonce"])
        answer = from_base64url(proof["answer"])
        states.append(verify_answer(answer, genesis, nonce, proof["validator"]))
    require(len(owners) == 1, "not_proven", "not of one patient")
    states.sort(key=lambda one: one[0], reverse=True)

    def value_of(key):
        for _, state in states:
            if key in state:
                require(state[key] is not None, "not_proven", f"{key} is absent")
                return decode(state[key])
        raise Refused("not_proven", f"nothing proves {key}")

    pseudonym = export["pseudonym"]
    owner = value_of(f"owner/{owners.pop()}")
    require(owner["pseudonym"] == pseudonym, "not_proven", "of another patient")
    lists = {"history": None, "permissions": "permission", "records": "record"}
    for name, kind in lists.items():
        count = value_of(f"{name}/{pseudonym}/count") if name_is_there(states, name, pseudonym) else 0
        require(count == len(export[name]), "not_proven", f"{name} is not complete")
        for sequence, listed in enumerate(export[name]):
            value = value_of(f"{name}/{pseudonym}/{sequence}")
            if kind is not None:
                value = value_of(f"{kind}/{value[f'{kind}Id']}")
            require(value == listed, "not_proven", f"{name} {sequence} says something else")
    require_receipts(export, genesis)
    return {name: len(export[name]) for name in lists}


def name_is_there(states, name, pseudonym):
    """A list without entries has no count: its absence must be proven."""
    key = f"{name}/{pseudonym}/count"
    proven = [state[key] for _, state in states if key in state]
    require(len(proven) > 0, "not_proven", f"nothing proves {key}")
    return proven[0] is not None


def require_receipts(export, genesis):
    results = {}
    for receipt in export["receipts"]:
        result = verify_receipt(from_base64url(receipt), genesis)
        results[result["id"]] = result
    for entry in export["history"]:
        result = results.get(entry["transaction"])
        require(result is not None, "not_proven", "an entry without a receipt")
        says = result["value"]
        same = (
            result["status"] == "COMMITTED"
            and result["height"] == entry["height"]
            and result["time"] == entry["time"]
            and says["fn"] == entry["fn"]
            and says.get("decision", "done") == entry["decision"]
        )
        require(same, "not_proven", "a receipt says something else")


def verdict(check):
    try:
        return {"good": True, **check()}
    except Refused as error:
        return {"good": False, "code": error.code}


def main():
    what, genesis_path, path = sys.argv[1:]
    with open(genesis_path, "rb") as file:
        genesis = Genesis(file.read())
    with open(path, encoding="utf-8") as file:
        content = file.read()
    if what == "export":
        print(json.dumps(verdict(lambda: verify_export(content, genesis))))
        return
    for line in content.splitlines():
        print(json.dumps(verdict(lambda: verify_receipt(from_base64url(line), genesis))))


if __name__ == "__main__":
    main()
