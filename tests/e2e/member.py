"""member.sh's payments through the Python binding.

usage: member.py GENESIS KEYS BIC OUTBOX REPLICAS CREDITOR send PROOF | die | resume PROOF"""
import os
import select
import signal
import sys
import time

import giro

*WORDS, CREDITOR, MODE = sys.argv[1:8]
PROOF = sys.argv[8] if len(sys.argv) > 8 else None


def expect(holds, text):
    if not holds:
        sys.exit(f"member.py: {text}")


def refused(code, function, *arguments):
    try:
        function(*arguments)
    except giro.Error as error:
        expect(error.code == code and str(error), f"error {error.code} instead of {code}: {error}")
    else:
        sys.exit(f"member.py: {function.__name__} took {arguments}")


class Seen:
    """What was told, by kind; stop is called at every event."""

    def __init__(self, stop=None):
        self.events, self.stop = [], stop

    def __call__(self, event):
        self.events.append(event)
        if self.stop:
            self.stop(event)

    def of(self, kind):
        return [event for event in self.events if event.kind == kind]


def wait(member, until):
    """By the descriptor, as an event loop would."""
    end = time.monotonic() + 30
    while not until():
        expect(time.monotonic() < end, f"nothing came in 30 s; state {member.state()}")
        select.select([member], [], [], 1)
        member.poll(0)


def proof_write(event):
    with open(PROOF, "wb") as file:
        file.write(event.proof)


def send():
    def stop(event):
        if event.kind == giro.EVENT_KEPT and len(seen.of(giro.EVENT_KEPT)) == 1:
            raise RuntimeError("from the handler")

    refused(6, giro.Member, *WORDS[:2], "CCCCCZPP", *WORDS[3:], print)
    seen = Seen(stop)
    with giro.Member(*WORDS, seen, prove=True) as member:
        refused(2, member.submit, [giro.payment("CCCCCZPP", "CZK", 1)])
        refused(2, member.submit, [giro.payment(CREDITOR, "XXX", 1)])
        refused(2, member.submit, [giro.payment(CREDITOR, "CZK", 0)])
        refused(2, member.submit, [giro.payment(CREDITOR, "CZK", 1)] * (giro.PAYMENTS_MAX + 1))
        own = bytes(range(16))
        frames = [[giro.payment(CREDITOR, "CZK", 100 + i, uetr=own if i + n == 0 else bytes(16)) for i in range(giro.PAYMENTS_MAX)]
                  for n in range(2)]
        tickets = [member.submit(payments) for payments in frames]
        try:
            wait(member, lambda: len(seen.of(giro.EVENT_PROVEN)) == 2)
            sys.exit("member.py: what the handler raised was lost")
        except RuntimeError:
            wait(member, lambda: len(seen.of(giro.EVENT_PROVEN)) == 2)
        told = {event.sequence: event for event in seen.of(giro.EVENT_PROVEN)}
        for ticket, payments in zip(tickets, frames):
            event = told[ticket.sequence]
            expect(event.outcome == "EXECUTED" and [one.uetr for one in event.results] == [bytes(one.uetr) for one in payments],
                   "the results are of other payments")
            expect({(one.status, one.reason) for one in event.results} == {("ACSC", "")}, f"not all settled: {event.results}")
        expect(bytes(frames[0][0].uetr) == own and any(frames[1][0].uetr), "UETRs are kept and made")
        stats = member.stats()
        expect((stats.frames_proven, stats.lies, stats.frames_waiting) == (2, 0, 0) and member.state() == giro.UP, "the counts")
        member.ask(tickets[0].channel, tickets[0].sequence, proof=True)
        wait(member, lambda: len(seen.of(giro.EVENT_PROVEN)) == 3)
        again = seen.of(giro.EVENT_PROVEN)[-1]
        expect(again.frame_hash == told[tickets[0].sequence].frame_hash, "asked again, another frame is told")
        proof_write(again)
        detailed = [giro.payment(CREDITOR, "CZK", 500, details={"end_to_end_id": f"E2E-{i}", "remittance": "Faktura, děkujeme"})
                    for i in range(3)]
        refused(2, member.submit, [*detailed, detailed[0]])
        refused(2, member.submit, [giro.payment(CREDITOR, "CZK", 1, details={"instruction_id": 36 * "x"})])
        member.submit(detailed)
        wait(member, lambda: len(seen.of(giro.EVENT_PROVEN)) == 4)
    try:
        member.poll(0)
        sys.exit("member.py: a closed member is polled")
    except ValueError:
        pass


def die():
    def stop(event):
        if event.kind == giro.EVENT_KEPT:
            os.kill(os.getpid(), signal.SIGKILL)

    with giro.Member(*WORDS, Seen(stop), prove=True) as member:
        member.submit([giro.payment(CREDITOR, "CZK", 777)])
        wait(member, lambda: False)


def resume():
    seen = Seen()
    with giro.Member(*WORDS, seen, prove=True) as member:
        wait(member, lambda: any(not event.skip for event in seen.of(giro.EVENT_PROVEN)))
        found = [event for event in seen.of(giro.EVENT_FOUND) if not event.skip]
        proved = [event for event in seen.of(giro.EVENT_PROVEN) if not event.skip]
        expect(len(found) == len(proved) == 1 and len(found[0].results) == 1, "one frame of one payment was under way")
        expect(found[0].results[0].uetr == proved[0].results[0].uetr and proved[0].results[0].status == "ACSC", "its outcome")
        proof_write(proved[0])


{"send": send, "die": die, "resume": resume}[MODE]()
