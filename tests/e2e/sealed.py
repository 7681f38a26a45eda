#!/usr/bin/env python3
"""sealed.py CHECK ARGUMENT...: payments with known details, the search for them on disks, and what members' files, the
supervisor and a court must read. Computed from the CSV file alone. Exit code 1 with a sentence."""
import base64
import csv
import glob
import hashlib
import json
import os
import random
import subprocess
import sys

DETAILS = ["instruction_id", "end_to_end_id", "debtor_name", "debtor_account", "creditor_name", "creditor_account",
           "remittance"]
MEMBERS = ["AAAACZPP", "BBBBCZPP", "CCCCCZPP"]


def fail(sentence):
    print("sealed: " + sentence, file=sys.stderr)
    sys.exit(1)


def make(path):
    """60 payments: references alone, everything, nothing; texts with commas, quotes and letters of two bytes."""
    rng = random.Random(20261127)
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["uetr", "debtor_bic", "creditor_bic", "currency", "amount", "service", *DETAILS])
        for i in range(60):
            debtor, creditor = rng.sample(MEMBERS, 2)
            key = f"{rng.getrandbits(48):012x}"
            texts = [""] * 7
            if i % 3 != 2:
                texts[0] = f'INSTR,"{key}"' if i % 6 == 0 else f"INSTR-{key}"
                texts[1] = f"E2E-{key}"
            if i % 3 == 1:
                texts[2] = f"Žofie Nováková {key}"
                texts[3] = f"CZ65{rng.randrange(10**16):020d}"
                texts[4] = f"Pekárna \"U Mostu\", s.r.o. {key}"
                texts[5] = f"CZ03{rng.randrange(10**16):020d}"
                texts[6] = f"Faktura {key}, děkujeme"
            uetr = f"{rng.getrandbits(32):08x}-{i:04x}-4{rng.getrandbits(12):03x}-8000-{rng.getrandbits(48):012x}"
            out.writerow([uetr, debtor, creditor, "CZK", f"{rng.randrange(1, 99999)}.{rng.randrange(100):02d}",
                          "GROSS" if i % 2 else "NET", *texts])


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def needles(path):
    """Every text of every payment's details, in the forms in which somebody might leave it on a disk."""
    texts = sorted({row[name] for row in rows(path) for name in DETAILS if row[name]})
    forms = set()
    for text in texts:
        raw = text.encode()
        forms |= {raw, raw[::-1], raw.hex().encode(), raw.hex().upper().encode(), text.encode("utf-16-le")}
        for skip in range(3):  # base64 of it at any offset: the whole groups of four letters
            coded = base64.b64encode(b"\0" * skip + raw)
            forms.add(coded[4 if skip else 0:len(coded) - 4 if (skip + len(raw)) % 3 else len(coded)])
    return texts, forms


def files_below(paths):
    for path in paths:
        if os.path.isfile(path):
            yield path
        for folder, _, names in os.walk(path):
            for name in names:
                yield os.path.join(folder, name)


def absent(path, *paths):
    """No form is in any file. The same search finds each of them in a file that has it in the midst of other bytes."""
    texts, forms = needles(path)
    grep = ["grep", "-laF", "-f", "forms.txt"]
    environment = {**os.environ, "LC_ALL": "C"}
    with open("forms.txt", "wb") as file:
        file.write(b"\n".join(sorted(forms)) + b"\n")
    os.makedirs("control", exist_ok=True)
    for i, form in enumerate(sorted(forms)):
        with open(f"control/{i}", "wb") as file:
            file.write(b"\xff\0" * 50 + form + b"\0\xff" * 50)
    found = subprocess.run([*grep, "-r", "control"], env=environment, capture_output=True, check=False).stdout
    if len(found.splitlines()) != len(forms):
        fail(f"the search finds {len(found.splitlines())} of {len(forms)} forms where they are")
    names = list(files_below(paths))
    size = sum(os.path.getsize(name) for name in names)
    if len(names) < 4 or size < 1 << 20:
        fail(f"only {len(names)} files of {size} bytes were searched")
    found = subprocess.run([*grep, *names], env=environment, capture_output=True, check=False)
    if found.returncode != 1:
        fail(f"found in {found.stdout.decode().split()} {found.stderr.decode()}")
    print(f"{len(texts)} texts in {len(forms)} forms: in none of {len(names)} files, {size:,} bytes")


def present(path, *paths):
    """The search finds what is there: each text in its plain form."""
    texts, _ = needles(path)
    data = b"".join(open(name, "rb").read() for name in files_below(paths))
    missing = [text for text in texts if text.encode() not in data and text.replace('"', '""').encode() not in data]
    if missing:
        fail(f"the search does not find {missing[0]!r} where it is")


def references(path, folder):
    """Entries, positions and statuses of both sides carry the references of the payments file, and nothing else does."""
    expected = {row["uetr"]: row for row in rows(path)}
    seen = {"entries.csv": 0, "positions.csv": 0, "statuses.csv": 0}
    for name in seen:
        for file in glob.glob(f"{folder}/*/*/{name}"):
            member = file.split("/")[-3]
            for row in rows(file):
                payment = expected.get(row["uetr"])
                if payment is None:
                    if row["instruction_id"]:
                        fail(f"{file}: {row['uetr']} has a reference")
                    continue
                if member not in (payment["debtor_bic"], payment["creditor_bic"]):
                    fail(f"{file}: {row['uetr']} is not {member}'s")
                for column in ("instruction_id", "end_to_end_id"):
                    if column in row and row[column] != payment[column]:
                        fail(f"{file}: {column} of {row['uetr']} is {row[column]!r}, not {payment[column]!r}")
                seen[name] += 1
    gross = sum(row["service"] == "GROSS" for row in expected.values())
    wanted = {"entries.csv": 2 * gross, "positions.csv": 2 * (len(expected) - gross), "statuses.csv": len(expected)}
    if seen != wanted:
        fail(f"rows are {seen}, not {wanted}")
    print(f"references on both sides: {seen}")


def between(path, debtor, creditor, service):
    """The UETR of a payment with details and neighbours of the same debtor before it."""
    own = [row for row in rows(path) if row["debtor_bic"] == debtor]
    print(next(row["uetr"] for row in own[1:] if row["creditor_bic"] == creditor and row["service"] == service
               and row["debtor_name" if service == "GROSS" else "end_to_end_id"]))


def one(path, uetr, found):
    """Exactly this payment, with exactly its details."""
    payment = next(row for row in rows(path) if row["uetr"] == uetr)
    expected = {name: payment[name] for name in DETAILS if payment[name]}
    expected |= {name: payment[name] for name in ("uetr", "debtor_bic", "creditor_bic", "currency", "amount")}
    if json.load(open(found, encoding="utf-8")) != [expected]:
        fail(f"{found} is not {expected}")


def opened(path, bic, found):
    """All payments with details to or from a member, each once with its own details."""
    expected = [row for row in rows(path) if bic in (row["debtor_bic"], row["creditor_bic"]) and row["end_to_end_id"]]
    said = {row["uetr"]: row for row in json.load(open(found, encoding="utf-8"))}
    if sorted(said) != sorted(row["uetr"] for row in expected):
        fail(f"{len(said)} payments opened, not {len(expected)}")
    for row in expected:
        if any(said[row["uetr"]].get(name, "") != row[name] for name in DETAILS):
            fail(f"{row['uetr']} was opened as {said[row['uetr']]}")


def log(path, found, reason):
    """A line for each opening, chained by hashes."""
    lines = open(path, encoding="utf-8").read().splitlines()
    before = "0" * 64
    for line in lines:
        text, after = line[:-64], line[-64:]
        if hashlib.sha256((before + text).encode()).hexdigest() != after:
            fail("the log's hashes do not chain")
        before = after
    uetrs = [row["uetr"] for row in json.load(open(found, encoding="utf-8"))]
    if [line.split()[1] for line in lines] != uetrs or not all(f'"{reason}"' in line for line in lines):
        fail("the log does not name what was opened")


def alone(path, uetr, name):
    """Of other payments neither UETR nor details, in any form; of the shown one the UETR."""
    data = open(name, "rb").read()
    for row in rows(path):
        raw = bytes.fromhex(row["uetr"].replace("-", ""))
        if (raw in data) != (row["uetr"] == uetr):
            fail(f"{name} and payment {row['uetr']}")
    texts, forms = needles(path)
    for form in forms:
        if form in data:
            fail(f"{name} holds {form[:60]!r}")


if __name__ == "__main__":
    {"make": make, "absent": absent, "present": present, "references": references, "between": between, "one": one,
     "opened": opened, "log": log, "alone": alone}[sys.argv[1]](*sys.argv[2:])
