#!/usr/bin/env python3
"""check.py CHECK ARGUMENT...: what the end-to-end tests hold true of a hub's files, computed on its own from the CSV files.

Exit code 1 with a sentence if it does not hold. Amounts are compared in hundredths, never as floating point.
"""
import collections
import csv
import glob
import json
import os
import random
import subprocess
import sys


def need(condition, sentence):
    if not condition:
        print("check: " + sentence, file=sys.stderr)
        sys.exit(1)


def same(found, expected, what):
    need(found == expected, f"{what} is {found!r}, not {expected!r}")


def minor(text):
    sign = -1 if text.startswith("-") else 1
    whole, _, part = text.lstrip("-").partition(".")
    return sign * (int(whole) * 100 + int((part + "00")[:2]))


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def value(path, name):
    """A member of a JSON object."""
    print(json.load(open(path, encoding="utf-8"))[name])


def number(path, name):
    """A number all replicas agree on in what they said (giro status --json)."""
    said = {replica[name] for replica in json.load(open(path, encoding="utf-8")).values()}
    print(said.pop() if len(said) == 1 else -1)


def verify_threads(path, count):
    """Every replica said that it has so many threads for signatures, and with any that they have worked on both kinds of work."""
    for address, said in json.load(open(path, encoding="utf-8")).items():
        same(said["verify_threads"], int(count), f"verify_threads of {address}")
        for name in ("verify_batches_total", "verify_busy_ns_total"):
            need((said[name] > 0) == (int(count) > 0), f"{name} of {address} is {said[name]}")
        need(said["verify_signatures_total"] > 0, f"{address} has verified nothing")
        same((said["verify_queue_chunks"], said["verify_queue_batches"]), (0, 0), f"what waits at {address}")


def same_numbers(before, after, *names):
    first, second = (json.load(open(path, encoding="utf-8")) for path in (before, after))
    for address in first:
        for name in names:
            same(second[address][name], first[address][name], f"{name} of {address}")


def payments(folder, count):
    """Every payment sent has exactly one status at its sender, none is there twice, positions mirror each other."""
    seen = collections.Counter()
    for path in glob.glob(f"{folder}/*/*/statuses.csv"):
        for row in rows(path):
            if row["status"] in ("ACSP", "RJCT") or (row["status"] == "ACSC" and row["channel"] != ""):
                seen[path.split("/")[-3], row["channel"], row["sequence"], row["uetr"]] += 1
    doubled = [key for key, times in seen.items() if times > 1]
    need(not doubled, f"statuses given more than once: {doubled[:3]}")
    same(len(seen), int(count), "the number of payments in statuses.csv")
    booked = collections.defaultdict(collections.Counter)
    for name in ("entries", "positions"):
        for path in glob.glob(f"{folder}/*/*/{name}.csv"):
            for row in rows(path):
                if row["kind"] == "CREDIT_TRANSFER":
                    booked[row["uetr"]][row["direction"], minor(row["amount"])] += 1
    for uetr, sides in booked.items():
        same(sorted((side, times) for (side, _), times in sides.items()), [("CRDT", 1), ("DBIT", 1)],
             f"the bookings of {uetr}")
        same(len({amount for _, amount in sides}), 1, f"the number of amounts of {uetr}")
    return booked


def sent(folder, *sources):
    """The payments of these CSV files, and no others, were booked: each once, from its debtor to its creditor, by its amount."""
    expected = {row["uetr"]: row for source in sources for row in rows(source)}
    booked = payments(folder, len(expected))
    same(len(booked), len(expected), "the number of payments booked")
    need(set(booked) == set(expected), "other payments are booked than were sent")
    for uetr, row in expected.items():
        same({amount for _, amount in booked[uetr]}, {minor(row["amount"])}, f"the amount of {uetr}")
    found = collections.Counter()
    for name in ("entries", "positions"):
        for path in glob.glob(f"{folder}/*/*/{name}.csv"):
            for row in rows(path):
                if row["kind"] == "CREDIT_TRANSFER":
                    found[path.split("/")[-3], row["counterparty_bic"], row["direction"]] += minor(row["amount"])
    sums = collections.Counter()
    for row in expected.values():
        sums[row["debtor_bic"], row["creditor_bic"], "DBIT"] += minor(row["amount"])
        sums[row["creditor_bic"], row["debtor_bic"], "CRDT"] += minor(row["amount"])
    same(dict(found), dict(sums), "the sums of each pair of members")


def ledgers(*folders):
    """Every leaf of every block is the same on all replicas; only the file header names the replica (bytes 40, 41)."""
    contents = []
    for folder in folders:
        data = open(f"{folder}/ledger", "rb").read()
        need(len(data) > 64, f"nothing in {folder}/ledger")
        contents.append(data[:40] + data[42:])
    for folder, data in zip(folders, contents):
        need(data == contents[0], f"{folder}/ledger differs from {folders[0]}/ledger")


def evidence(path, *folders):
    """Both signed frames of an equivocation are in the block log of every replica, byte for byte."""
    for uetr, frame in (line.split() for line in open(path, encoding="utf-8")):
        for folder in folders:
            need(any(bytes.fromhex(frame) in open(name, "rb").read() for name in glob.glob(f"{folder}/log/log-*")),
                 f"the frame with {uetr} is not in {folder}/log")


def tails(*folders):
    """The last block of every replica's ledger file is the same: height, block, state root, ledger root, leaves."""
    last = []
    for folder in folders:
        data = open(f"{folder}/ledger", "rb").read()
        at, block = 64, b""
        while at + 64 <= len(data):
            size = int.from_bytes(data[at + 24:at + 32], "little")
            need(64 <= size <= len(data) - at, f"{folder}/ledger is torn at {at}")
            block = data[at:at + size]
            at += size
        need(len(block) > 0, f"nothing in {folder}/ledger")
        last.append(block)
    for folder, block in zip(folders, last):
        need(block == last[0], f"{folder}/ledger ends with another block than {folders[0]}/ledger")


def berka(out, source, bank, out_count, out_amount, in_count, in_amount):
    sent = collections.defaultdict(lambda: [0, 0])
    for row in rows(source):
        cell = sent[row["debtor_bic"], row["creditor_bic"]]
        cell[0] += 1
        cell[1] += minor(row["amount"])
    outgoing = [sum(c[i] for (d, _), c in sent.items() if d == bank) for i in (0, 1)]
    incoming = [sum(c[i] for (_, d), c in sent.items() if d == bank) for i in (0, 1)]
    same(outgoing, [int(out_count), minor(out_amount)], "what leaves the bank in the source")
    same(incoming, [int(in_count), minor(in_amount)], "what reaches the bank in the source")

    bics = sorted({bic for pair in sent for bic in pair})
    nets = {}
    for bic in bics:
        found = collections.defaultdict(lambda: [0, 0])
        for path in glob.glob(f"{out}/{bic}/*/positions.csv"):
            for row in rows(path):
                if row["kind"] != "CREDIT_TRANSFER":
                    continue
                other = row["counterparty_bic"]
                cell = found[(bic, other) if row["direction"] == "DBIT" else (other, bic)]
                cell[0] += 1
                cell[1] += minor(row["amount"])
        expected = {pair: cell for pair, cell in sent.items() if bic in pair}
        same(dict(found), expected, f"positions.csv of {bic}")
        nets[bic] = sum(c[1] * (1 if pair[1] == bic else -1) for pair, c in found.items())
    same(sum(nets.values()), 0, "the sum of all positions")
    same(nets[bank], incoming[1] - outgoing[1], "the bank's position")
    netting(out, sent, bics)
    for bic in bics:
        own = [row for path in glob.glob(f"{out}/{bic}/*/netting.csv") for row in rows(path)]
        same(sum(minor(row["net_amount"]) for row in own if row["counterparty_bic"] == ""), nets[bic], f"the netting row of {bic}")
        closings = [row for path in glob.glob(f"{out}/{bic}/*/entries.csv") for row in rows(path)
                    if row["kind"] == "SETTLEMENT"]
        posted = sum(minor(row["amount"]) * (1 if row["direction"] == "CRDT" else -1) for row in closings)
        same(posted, nets[bic], f"what the cycle posted to {bic}")
    summary = json.load(open(f"{out}/summary.json", encoding="utf-8"))
    same(summary["payments"], int(out_count) + int(in_count), "payments in summary.json")
    same(summary["conserved"], True, "conserved in summary.json")


def netting(out, sent, bics):
    found = collections.defaultdict(lambda: [0, 0])
    mirrored = collections.defaultdict(lambda: [0, 0])
    sums, bilateral = collections.defaultdict(list), collections.defaultdict(int)
    total = 0
    for path in glob.glob(f"{out}/netting/*.csv"):
        for row in rows(path):
            pair = (row["member_bic"], row["counterparty_bic"])
            if pair[1] == "":  # the member's own row: its sums
                total += minor(row["net_amount"])
                sums[pair[0]].append(minor(row["net_amount"]))
                continue
            need(pair[0] in bics and pair[1] in bics, f"unknown banks {pair} in {path}")
            for cells, key, side in ((found, pair, "sent"), (mirrored, pair[::-1], "received")):
                count, amount = int(row[side + "_count"]), minor(row[side + "_amount"])
                if count:
                    cells[key][0] += count
                    cells[key][1] += amount
            bilateral[pair[0]] += minor(row["net_amount"])
    same(dict(found), dict(sent), "the sent columns of the netting report")
    same(dict(mirrored), dict(sent), "the received columns of the netting report")
    same(total, 0, "the sum of the net amounts")
    same({bic: sum(own) for bic, own in sums.items()}, dict(bilateral), "the members' own rows of the netting report")


def rejects(address, before, after, expected):
    """What a replica counted is what was sent to it, reason by reason; random changes may count under any."""
    counted = collections.Counter(json.load(open(after, encoding="utf-8"))[address]["rejects"])
    counted.subtract(json.load(open(before, encoding="utf-8"))[address]["rejects"])
    wanted = collections.Counter()
    for line in open(expected, encoding="utf-8"):
        name, times = line.split()
        wanted[name] = int(times)
    anything = wanted.pop("ANY")
    for name, times in wanted.items():
        need(counted[name] >= times, f"{counted[name]} rejects counted as {name}, {times} were sent")
    same(sum(counted.values()), sum(wanted.values()) + anything, "the number of rejects")


def flood(address, before, after, flood, quiet, loud, reassembled):
    """Every bad packet was dropped and counted by its cause, or is among those that the kernel dropped before, and all honest
    payments were certified. The kernel adds a few packets of its own. `reassembled`: fragments that the kernel took for the packet
    socket; those never become whole."""
    first, second = (json.load(open(path, encoding="utf-8"))[address] for path in (before, after))
    sent = {name: int(count) for name, count in (line.split() for line in open(flood, encoding="utf-8"))}
    grown = {name: second[name] - first[name] for name in first if name.startswith("port_")}
    grown["port_fragment_total"] += int(reassembled)
    grown["rejects"] = sum(second["rejects"].values()) - sum(first["rejects"].values())
    wanted = {
        "port_fragment_total": sent["fragment"],
        "port_bad_checksum_total": sent["ip_sum"] + sent["udp_sum"],
        "port_truncated_total": sent["truncated"],
        "port_not_allowed_total": sent["not_allowed"],
        "port_other_total": sent["vlan"] + sent["tcp"] + sent["elsewhere"] + sent["ipv6"],
        "rejects": sent["random"] + sent["spoofed"],
    }
    lost = grown["port_lost_total"]
    for name, count in wanted.items():
        need(count > 0 and count - lost <= grown[name] + 10 and grown[name] <= count + 100,
             f"{name} grew by {grown[name]}, {count} were sent, {lost} lost")
    counted = sum(grown[name] for name in wanted)
    need(counted + lost >= sum(wanted.values()) * 0.98, f"{counted} of {sum(wanted.values())} were counted, {lost} lost")
    print(f"{counted} counted, {lost} dropped by the kernel before")
    for path in (quiet, loud):
        report = json.load(open(path, encoding="utf-8"))
        same(report["payments_certified"], 4000, f"the payments certified in {path}")
        print(f"{path}: certified p50 {report['certified_p50_us']} us, p99 {report['certified_p99_us']} us, "
              f"{report['frames_resent']} of {report['frames_sent']} frames sent again")


def reasons(folder, *expected):
    """The outcome of each test payment, by the last digit of its UETR: RJCT shows its reason, else the status itself."""
    found = collections.defaultdict(list)
    for path in glob.glob(f"{folder}/*/statuses.csv"):
        for row in rows(path):
            if row["uetr"].startswith("22222222"):
                found[row["uetr"][-1]].append(row["reason"] if row["status"] == "RJCT" else row["status"])
    same({key: ",".join(codes) for key, codes in found.items()}, dict(item.split("=") for item in expected),
         f"the outcomes in {folder}")


def flips(giro, genesis, files, replica, proof):
    """Changes one byte at a time, asks giro verify, and puts the byte back."""
    cut = sorted(glob.glob(f"{files}/B*/*"))[0]
    journal = sorted(glob.glob(f"{replica}/journal/*/*.journal"))[0]
    segment = sorted(glob.glob(f"{replica}/log/log-*"))[0]
    netting_report = sorted(glob.glob(f"{files}/netting/*.csv"))[0]
    # file, path to verify, how many places
    cases = [(f"{cut}/{name}", cut, 3) for name in
             ("windows.journal", "entries.csv", "positions.csv", "statuses.csv", "totals.csv", "netting.csv",
              "manifest.json", "SHA256SUMS")]
    cases += [(f"{replica}/ledger", replica, 5), (f"{replica}/certificates", replica, 5), (journal, replica, 5),
              (segment, replica, 8), (netting_report, files, 4), (proof, proof, 8)]
    draw = random.Random(7)
    missed, tried = [], 0
    for path, target, places in cases:
        data = open(path, "rb").read()
        length = len(data.rstrip(b"\0"))  # a log segment is longer than what was written to it
        if path == segment:
            length -= 4096  # a changed byte in the last record is a torn write: recovered from, not reported
        need(length > 0, f"{path} is empty")
        # both ends, and places in every part between
        offsets = {0, length - 1} | {draw.randrange(i * length // places, max((i + 1) * length // places, 1))
                                     for i in range(places)}
        for offset in sorted(offsets):
            tried += 1
            text = flip(giro, genesis, path, target, offset, 1 << draw.randrange(8))
            if text:
                missed.append(f"{path} at {offset} of {length}: {text}")
    with open("flips.txt", "w", encoding="utf-8") as out:
        print(f"{tried} bytes in {len(cases)} files", file=out)
    need(not missed, "not found or not named:\n  " + "\n  ".join(missed))


def flip(giro, genesis, path, target, offset, bit):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ bit]))
    try:
        done = subprocess.run([giro, "verify", "--quiet", "--genesis", genesis, target], capture_output=True, text=True,
                              timeout=60, check=False)
    finally:
        with open(path, "r+b") as file:
            file.seek(offset)
            file.write(bytes([byte]))
    if done.returncode != 1:
        return f"exit code {done.returncode}: {(done.stdout + done.stderr).strip()[:200]}"
    if os.path.basename(path) not in done.stderr:
        return "it says: " + done.stderr.strip()[:300]
    return ""


def followed(statuses, entries, positions, *days):
    """What giro follow and giro position showed as it happened is what the files of these days hold."""
    lines = open(statuses, encoding="utf-8").read().splitlines()
    files = [open(f"{day}/statuses.csv", encoding="utf-8").read().splitlines() for day in days]
    same([line.rsplit(",", 2)[0] for line in lines], [files[0][0]] + [line for file in files for line in file[1:]],
         "what was followed")
    same({line.rsplit(",", 2)[1] for line in lines[1:]}, {"CERTIFIED"}, "the level")
    expected = [{name: field for name, field in row.items() if field} for day in days
                for row in rows(f"{day}/entries.csv")]
    found = [{name: str(field) for name, field in json.loads(line).items() if name not in ("level", "position")}
             for line in open(entries, encoding="utf-8")]
    same(found, expected, "the entries")
    totals = [row for day in days for row in rows(f"{day}/totals.csv")]
    windows = [row for row in totals if row["row"] == "TOTAL"]
    shown = [json.loads(line) for line in open(positions, encoding="utf-8")]
    same(shown[0]["level"], "GENESIS", "the first position")
    same(len(shown) - 1, len(windows), "the number of positions")
    for position, row in zip(shown[1:], windows):
        for name, column in (("window", "window"), ("balance", "closing"), ("available", "available"), ("cap", "cap"),
                             ("cap_used", "cap_used"), ("queued", "queued_amount")):
            same(str(position[name]), row[column], f"{name} in second {row['window']}")
        cycles = [other for other in totals if other["row"] == "CYCLE_TOTAL" and other["window"] == row["window"]]
        if len(cycles) == 1 and not any(e["window"] == row["window"] and e["kind"] == "SETTLEMENT" for e in expected):
            same(position["clearing_position"], cycles[0]["closing"], f"the position in second {row['window']}")


CHECKS = {"followed": followed, "value": value, "number": number, "verify_threads": verify_threads, "same": same_numbers, "payments": payments, "sent": sent, "evidence": evidence, "ledgers": ledgers,
          "berka": berka, "flips": flips, "flood": flood, "rejects": rejects,
          "reasons": reasons, "tails": tails}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in CHECKS:
        sys.exit("usage: check.py " + "|".join(CHECKS) + " ARGUMENT...")
    CHECKS[sys.argv[1]](*sys.argv[2:])
