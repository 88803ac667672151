"""Writes aes256-gcm-hkdf-1mb.json: ciphertexts that Google Tink made, for the interoperation test.

Run with `pip install tink==1.16.1`, then `python3 generate.py > aes256-gcm-hkdf-1mb.json`. Small
ciphertexts are stored whole; of large ones the header and the SHA-256: an encryption with the same
key, salt and nonce prefix has to give the same bytes. Tink also decrypts each again here.
"""

import base64
import hashlib
import io
import json
import sys

import tink
from tink import json_proto_keyset_format, secret_key_access, streaming_aead
from tink.proto import aes_gcm_hkdf_streaming_pb2, common_pb2

KEY = bytes(range(32))
AAD = b"carequorum/v1/tink-interop"
SEGMENT = 1_048_576
FIRST = SEGMENT - 40 - 16
OTHER = SEGMENT - 16
STORED_WHOLE_MAX = 4_096
SIZES = [0, 1, 15, 16, 17, 1_000, FIRST - 1, FIRST, FIRST + 1]
SIZES += [FIRST + OTHER - 1, FIRST + OTHER, FIRST + OTHER + 1, 3 * SEGMENT + 12_345]


def plaintext_of(length):
    """Byte i is (31 i + 17 ⌊i / 256⌋ + 7 ⌊i / 65536⌋) mod 256."""
    return bytes((31 * i + 17 * (i >> 8) + 7 * (i >> 16)) & 0xFF for i in range(length))


def primitive():
    streaming_aead.register()
    params = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingParams(
        ciphertext_segment_size=SEGMENT, derived_key_size=32, hkdf_hash_type=common_pb2.SHA256
    )
    key = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKey(version=0, params=params, key_value=KEY)
    keyset = {
        "primaryKeyId": 1,
        "key": [
            {
                "keyData": {
                    "typeUrl": "type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey",
                    "value": base64.b64encode(key.SerializeToString()).decode(),
                    "keyMaterialType": "SYMMETRIC",
                },
                "status": "ENABLED",
                "keyId": 1,
                "outputPrefixType": "RAW",
            }
        ],
    }
    handle = json_proto_keyset_format.parse(json.dumps(keyset), secret_key_access.TOKEN)
    return handle.primitive(streaming_aead.StreamingAead)


class KeptBytes(io.BytesIO):
    """A destination that can still be read after Tink closed it."""

    def close(self):
        self.kept = self.getvalue()
        super().close()


def encrypt(aead, plaintext):
    destination = KeptBytes()
    with aead.new_encrypting_stream(destination, AAD) as stream:
        for at in range(0, len(plaintext), 65_536):
            stream.write(plaintext[at : at + 65_536])
    return destination.kept


def main():
    aead = primitive()
    cases = []
    for size in SIZES:
        plaintext = plaintext_of(size)
        ciphertext = encrypt(aead, plaintext)
        with aead.new_decrypting_stream(io.BytesIO(ciphertext), AAD) as stream:
            assert stream.read() == plaintext
        case = {"plaintextLength": size, "header": ciphertext[:40].hex()}
        case["ciphertextLength"] = len(ciphertext)
        case["ciphertextSha256"] = hashlib.sha256(ciphertext).hexdigest()
        if len(ciphertext) <= STORED_WHOLE_MAX:
            case["ciphertext"] = ciphertext.hex()
        cases.append(case)
    vectors = {
        "format": "Tink streaming AEAD AES256_GCM_HKDF_1MB",
        "generator": "PyPI tink " + getattr(tink, "__version__", "1.16.1"),
        "plaintext": plaintext_of.__doc__,
        "key": KEY.hex(),
        "aad": AAD.hex(),
        "cases": cases,
    }
    json.dump(vectors, sys.stdout, indent=2, ensure_ascii=False)
    print()


main()
