"""stream.sh's member: an outbox that pays without end, killed at any moment and started again, until the file STOP is there.

usage: stream.py GENESIS KEYS BIC OUTBOX REPLICAS RECEIPTS STOP CREDITOR...

Payment i is the same in every life, by GIRO_SEED. RECEIPTS gets a line for each payment that has its certified status, before the
outbox forgets it. The file `streaming` is made at a life's first payment. GIRO_STREAM_DIE_AT=N: it dies (tools/die_at.c) before the
Nth write after its first payment and as many fail-overs since as GIRO_STREAM_FAIL_OVERS says. At its good end payments.csv holds
everything that was ever kept."""
import csv
import os
import random
import sys
import time

import giro

*WORDS, RECEIPTS, STOP = sys.argv[1:8]
CREDITORS = sys.argv[8:]
SEED = int(os.environ.get("GIRO_SEED", 1))
TOGETHER = 16  # payments of a frame: stream.sh knows its datagram by its size
FRAMES_FIRST, FRAME_S = 8, 0.05  # at once, then one each: new ones do not end while the hub stands still for a moment
FRAMES_MAX = 256
DRAIN_S = 120
DIE_AT = os.environ.get("GIRO_STREAM_DIE_AT")
FAIL_OVERS = int(os.environ.get("GIRO_STREAM_FAIL_OVERS", 0))


def uetr(number):
    """A random UETR by its form (version 4); number is its end."""
    head = bytearray(random.Random(SEED).randbytes(12))
    head[6], head[8] = head[6] & 0x0F | 0x40, head[8] & 0x3F | 0x80
    return bytes(head) + number.to_bytes(4, "big")


def payment(number):
    draw = random.Random(f"{SEED} {number}")
    return giro.payment(draw.choice(CREDITORS), "CZK", draw.randrange(100, 90000), service=draw.choice((1, 2)), uetr=uetr(number))


def number_of(name):
    assert name == uetr(int.from_bytes(name[12:], "big")), f"{name.hex()} was never sent"
    return int.from_bytes(name[12:], "big")


def receipts_read():
    """What earlier lives were told; a last line that a kill tore is none."""
    told = {}
    if os.path.exists(RECEIPTS):
        for line in open(RECEIPTS, newline="").read().splitlines(keepends=True):
            if line.endswith("\n"):
                number, status = line.split()
                assert told.setdefault(int(number), status) == status, f"payment {number} was told {told[int(number)]} and {status}"
    return told


class Stream:
    def __init__(self):
        self.told = receipts_read()
        self.known = set(self.told)
        self.receipts = os.open(RECEIPTS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.next = self.fail_overs = 0

    def event(self, event):
        if event.kind == giro.EVENT_FOUND:
            self.known |= {number_of(one.uetr) for one in event.results}
        if event.kind != giro.EVENT_CERTIFIED or event.skip:
            return
        assert event.outcome in ("EXECUTED", "DUPLICATE"), event
        lines = ""
        for one in event.results:
            number = number_of(one.uetr)
            assert one.status in ("ACSC", "ACSP"), event
            assert self.told.setdefault(number, one.status) == one.status, f"payment {number}: {self.told[number]} and {one.status}"
            lines += f"{number} {one.status}\n"
        os.write(self.receipts, lines.encode())

    def submit(self, member):
        """True: the next that no life has kept went into the outbox."""
        numbers, at = [], self.next
        while len(numbers) < TOGETHER:
            if at not in self.known:
                numbers.append(at)
            at += 1
        try:
            member.submit([payment(number) for number in numbers])
        except giro.Error as error:
            if error.code != giro.ERROR_FULL:
                raise
            return False
        if not self.next:
            open("streaming", "w").close()
        self.known |= set(numbers)
        self.next = at
        return True

    def die_at(self, member):
        """From now on writes are counted, if it is time."""
        fail_overs = member.stats().fail_overs
        if not self.next:
            self.fail_overs = fail_overs
        elif DIE_AT and fail_overs >= self.fail_overs + FAIL_OVERS:
            os.environ["GIRO_DIE_AT_WRITE"] = DIE_AT

    def whole(self):
        return self.known == set(range(len(self.known)))


def payments_write(count, debtor):
    with open("payments.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow("uetr debtor_bic creditor_bic currency amount service".split())
        for number in range(count):
            one, name = payment(number), uetr(number).hex()
            dashed = "-".join((name[:8], name[8:12], name[12:16], name[16:20], name[20:]))
            amount = f"{one.amount_minor // 100}.{one.amount_minor % 100:02d}"
            table.writerow((dashed, debtor, one.creditor.decode(), "CZK", amount, ("GROSS", "NET")[one.service - 1]))


def main():
    stream = Stream()
    with giro.Member(*WORDS, stream.event, frames_max=FRAMES_MAX) as member:
        member.poll(0)  # tells what is under way from earlier lives
        due = time.monotonic() - FRAMES_FIRST * FRAME_S
        while not os.path.exists(STOP) or not stream.whole():
            if time.monotonic() >= due and stream.submit(member):
                due += FRAME_S
            else:
                member.poll(10)
            stream.die_at(member)
            member.poll(0)
        end = time.monotonic() + DRAIN_S
        while set(stream.told) != stream.known:
            if time.monotonic() > end:
                sys.exit(f"stream.py: {len(stream.known - set(stream.told))} payments have no receipt after {DRAIN_S} s")
            member.poll(50)
        stats = member.stats()
        assert stats.lies == 0, f"{stats.lies} lies"
    payments_write(len(stream.known), WORDS[2])


main()
