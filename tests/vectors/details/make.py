#!/usr/bin/env python3
"""Writes details.json, the vectors of sealed details, and the plaintexts in it as hex files, from docs/protocol.md section 3
alone: a second implementation over libsodium. Everything is reproducible but the boxes, whose ephemeral keys crypto_box_seal
draws.

usage: make.py [FOLDER]   (default: where it stands)"""
import ctypes
import ctypes.util
import hashlib
import json
import pathlib
import struct
import sys

sodium = ctypes.CDLL(ctypes.util.find_library("sodium"))
assert sodium.sodium_init() >= 0

FIELDS = ["instruction_id", "end_to_end_id", "debtor_name", "debtor_account", "creditor_name", "creditor_account",
          "remittance"]


def count(first, size):
    return bytes((first + i) % 256 for i in range(size))


def plaintext_of(fields):
    body = b""
    for number, name in enumerate(FIELDS, 1):
        if name in fields:
            text = fields[name].encode()
            body += struct.pack("<BBH", number, 0, len(text)) + text
    plain = struct.pack("<HH", 1, len(body)) + body
    return plain + bytes(-len(plain) % 128)


def commitment_of(case, plaintext):
    return hashlib.sha256(b"GIRDETL1" + bytes.fromhex(case["chain"]) +
                          struct.pack("<HHQH", case["member"], case["channel"], case["sequence"], case["record"]) +
                          bytes.fromhex(case["uetr"]) + bytes.fromhex(case["key"]) + plaintext).digest()


def encrypted(plaintext, commitment, nonce, key):
    out = ctypes.create_string_buffer(len(plaintext) + 16)
    size = ctypes.c_ulonglong()
    code = sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(
        out, ctypes.byref(size), plaintext, ctypes.c_ulonglong(len(plaintext)), commitment,
        ctypes.c_ulonglong(len(commitment)), None, nonce, key)
    assert code == 0 and size.value == len(plaintext) + 16
    return out.raw


def sealed(key, secret):
    public = ctypes.create_string_buffer(32)
    assert sodium.crypto_scalarmult_base(public, secret) == 0
    out = ctypes.create_string_buffer(80)
    assert sodium.crypto_box_seal(out, key, ctypes.c_ulonglong(32), public) == 0
    return out.raw


def case_of(what, index, fields, supervisor_key_id=1):
    case = {
        "what": what, "chain": count(0xC0 + index, 32).hex(), "member": 5 + index, "channel": 3, "sequence": 77 + 2**33,
        "record": index, "uetr": count(0x11, 16).hex(), "creditor_secret": count(0x20, 32).hex(),
        "supervisor_secret": count(0x50, 32).hex(), "creditor_key_id": 1, "supervisor_key_id": supervisor_key_id,
        "key": count(0x80 + index, 32).hex(), "nonce": count(0xA0 + index, 24).hex(), "fields": fields}
    plaintext = plaintext_of(fields)
    commitment = commitment_of(case, plaintext)
    key, nonce = bytes.fromhex(case["key"]), bytes.fromhex(case["nonce"])
    ciphertext = encrypted(plaintext, commitment, nonce, key)
    box = sealed(key, bytes.fromhex(case["supervisor_secret"])) if supervisor_key_id else bytes(80)
    case["plaintext"] = plaintext.hex()
    case["commitment"] = commitment.hex()
    case["block"] = (struct.pack("<HHHH", index, len(ciphertext), 1, supervisor_key_id) + commitment + nonce +
                     sealed(key, bytes.fromhex(case["creditor_secret"])) + box + ciphertext).hex()
    return case


LONGEST = {"instruction_id": "I" * 35, "end_to_end_id": "E" * 35, "debtor_name": "D" * 140, "debtor_account": "1" * 34,
           "creditor_name": "C" * 140, "creditor_account": "2" * 34, "remittance": "R" * 140}
CASES = [
    case_of("one short field", 0, {"end_to_end_id": "A"}),
    case_of("references only", 1, {"instruction_id": "INSTR-2026-0000001", "end_to_end_id": "NOTPROVIDED"}),
    case_of("an ordinary payment", 2, {
        "instruction_id": "INSTR-2026-0000002", "end_to_end_id": "E2E-4711", "debtor_name": "Jana Nováková",
        "debtor_account": "CZ6508000000192000145399", "creditor_name": "Pekárna U Mostu, s.r.o.",
        "creditor_account": "CZ0303000000270016060243", "remittance": "Faktura 2026/118, děkujeme"}),
    case_of("every field as long as ISO 20022 lets it be", 3, LONGEST),
    case_of("exactly one step", 4, {"remittance": "r" * 120}),
    case_of("one byte more than a step", 5, {"remittance": "r" * 121}),
    case_of("exactly 1 KiB, letters of two bytes", 6, {
        "debtor_name": "ž" * 140, "debtor_account": "ř" * 34, "creditor_name": "š" * 140, "remittance": "č" * 140,
        "instruction_id": "i" * 35, "end_to_end_id": "e" * 35, "creditor_account": "a" * 14}),
    case_of("a hub without a supervisor", 7, {"end_to_end_id": "NOBODY-ELSE"}, supervisor_key_id=0),
]
folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__).resolve()
folder = folder if folder.is_dir() else folder.parent
(folder / "details.json").write_text(json.dumps(CASES, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
for number, case in enumerate(CASES):
    lines = [case["plaintext"][i:i + 64] for i in range(0, len(case["plaintext"]), 64)]
    head = f"# plaintext_{number}: plaintext of details ({case['what']}), {len(case['plaintext']) // 2} bytes"
    (folder / f"plaintext_{number}.hex").write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
