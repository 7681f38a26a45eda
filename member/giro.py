"""giro/member.h for Python: payments to the hub and their outcomes back, by ctypes over libgiro_member.so.

    with giro.Member("genesis.json", "keys", "AAAACZPP", "outbox", "127.0.0.1:7400,...", on_event, prove=True) as member:
        ticket = member.submit([giro.payment("BBBBCZPP", "CZK", 12345)])
        while waiting:
            member.poll(1000)

What everything means stands in giro/member.h; docs/member.md is the page to follow. Here only shapes differ: results that are
errors are raised as giro.Error, and an event is an Event whose results and proof are its own to keep. Members, states, kinds
and flags have the header's names without GIRO_MEMBER_. The library is the one that GIRO_MEMBER_LIBRARY names, else
libgiro_member.so beside this file or where the system looks for libraries."""
import collections
import ctypes
import os
import pathlib
from ctypes import c_char, c_char_p, c_int, c_int64, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p

PROVE = 1
CONNECTING, UP, FAILING_OVER, DOWN, FULL = 1, 2, 3, 4, 5
EVENT_STATE, EVENT_FOUND, EVENT_KEPT, EVENT_DURABLE, EVENT_CERTIFIED, EVENT_PROVEN, EVENT_NOTHING = 1, 2, 3, 4, 5, 6, 7
PAYMENTS_MAX = 20
ERROR_FULL = 13  # of submit and ask: poll, then try again


class Details(ctypes.Structure):
    _fields_ = [(name, c_char_p) for name in ("instruction_id", "end_to_end_id", "debtor_name", "debtor_account", "creditor_name",
                                              "creditor_account", "remittance")]


class Payment(ctypes.Structure):
    _fields_ = [("uetr", c_uint8 * 16), ("amount_minor", c_int64), ("creditor", c_char * 12), ("currency", c_char * 4),
                ("service", c_uint8), ("kind", c_uint8), ("priority", c_uint8), ("reserved", c_uint8), ("reason", c_uint16),
                ("value_date", c_uint16), ("earliest_s", c_uint32), ("latest_s", c_uint32), ("link", c_uint8 * 16),
                ("details", ctypes.POINTER(Details))]


class Ticket(ctypes.Structure):
    _fields_ = [("sequence", c_uint64), ("channel", c_uint16), ("reserved", c_uint16 * 3)]


class RawResult(ctypes.Structure):
    _fields_ = [("uetr", c_uint8 * 16), ("status", c_uint8), ("reserved", c_uint8), ("reason", c_uint16), ("cycle", c_uint32)]


class RawEvent(ctypes.Structure):
    _fields_ = [("kind", c_uint32), ("state", c_uint32), ("sequence", c_uint64), ("channel", c_uint16), ("replica", c_uint16),
                ("outcome", c_uint8), ("skip", c_uint8), ("result_count", c_uint16), ("results", ctypes.POINTER(RawResult)),
                ("height", c_uint64), ("leaf_index", c_uint32), ("proof_bytes", c_uint32), ("proof", c_void_p),
                ("frame_hash", c_uint8 * 32)]


class Stats(ctypes.Structure):
    _fields_ = [(name, c_uint64) for name in (
        "frames_submitted", "frames_found", "frames_kept", "frames_durable", "frames_certified", "frames_proven",
        "frames_resent", "frames_refused", "payments_certified", "lies", "answers_wrong", "datagrams_sent",
        "datagrams_received", "datagrams_lost", "datagrams_refused", "handshakes", "rekeys", "fail_overs", "rtt_us",
        "datagram_bytes", "frames_waiting")]


EVENT_FUNCTION = ctypes.CFUNCTYPE(None, c_void_p, ctypes.POINTER(RawEvent))


class Options(ctypes.Structure):
    _fields_ = [("size_bytes", c_uint32), ("flags", c_uint32), ("genesis_path", c_char_p), ("keys_dir", c_char_p),
                ("bic", c_char_p), ("outbox_dir", c_char_p), ("replicas", c_char_p), ("channel_first", c_uint16),
                ("channel_count", c_uint16), ("frames_max", c_uint32), ("frames_per_second", c_uint32),
                ("event", EVENT_FUNCTION), ("context", c_void_p)]


# What the header declares: name, result, arguments.
FUNCTIONS = (
    ("open", c_int, (ctypes.POINTER(Options), ctypes.POINTER(c_void_p), c_char_p, ctypes.c_size_t)),
    ("close", c_int, (c_void_p, c_uint32)),
    ("error_text", c_char_p, (c_int,)),
    ("submit", c_int, (c_void_p, ctypes.POINTER(Payment), c_uint32, ctypes.POINTER(Ticket))),
    ("poll", c_int, (c_void_p, c_int)),
    ("fd", c_int, (c_void_p,)),
    ("state", c_int, (c_void_p,)),
    ("status_name", c_char_p, (c_uint8,)),
    ("reason_name", c_char_p, (c_uint16,)),
    ("outcome_name", c_char_p, (c_uint8,)),
    ("ask", c_int, (c_void_p, c_uint16, c_uint64, c_int)),
    ("stats", None, (c_void_p, ctypes.POINTER(Stats))),
)

Result = collections.namedtuple("Result", "uetr status reason cycle")
Event = collections.namedtuple(
    "Event", "kind state channel sequence replica outcome skip results height leaf_index proof frame_hash")


class Error(Exception):
    """code is the header's error number."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def library_load():
    beside = pathlib.Path(__file__).resolve().with_name("libgiro_member.so")
    path = os.environ.get("GIRO_MEMBER_LIBRARY") or (str(beside) if beside.exists() else beside.name)
    library = ctypes.CDLL(path)
    for name, result, arguments in FUNCTIONS:
        function = getattr(library, "giro_member_" + name)
        function.restype, function.argtypes = result, arguments
    return library


def payment(creditor, currency, amount_minor, service=1, details=None, **others):
    """A Payment; others are its members by name. Without uetr, submit makes one and writes it there. details: a dict of texts,
    which only debtor, creditor and the hub's supervisor can read."""
    for name in ("uetr", "link"):
        if name in others:
            others[name] = (c_uint8 * 16)(*others[name])
    if details:
        others["details"] = ctypes.pointer(Details(**{name: text.encode() for name, text in details.items()}))
    return Payment(creditor=creditor.encode(), currency=currency.encode(), amount_minor=amount_minor, service=service, **others)


class Member:
    def __init__(self, genesis_path, keys_dir, bic, outbox_dir, replicas, on_event, prove=False, **options):
        """on_event(event) is called from within poll and close. It may call submit and ask, not poll or close. What it raises
        comes out of that poll or close, after the events of the same round; the frame counts as told. options are the others
        of giro_member_options."""
        self._library, self._handle, self._raised = library_load(), c_void_p(), None
        self._on_event = on_event
        self._function = EVENT_FUNCTION(self._told)  # lives as long as the C side may call it
        words = (os.fsencode(word) for word in (genesis_path, keys_dir, bic, outbox_dir, replicas))
        made = Options(ctypes.sizeof(Options), PROVE if prove else 0, *words, event=self._function, **options)
        message = ctypes.create_string_buffer(600)
        code = self._library.giro_member_open(made, self._handle, message, len(message))
        if code != 0:
            raise Error(code, message.value.decode(errors="replace"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._handle:
            self.close()

    def _told(self, _, raw):
        try:
            self._on_event(self._event(raw.contents))
        except BaseException as raised:  # it cannot pass through the C side
            self._raised = self._raised or raised

    def _event(self, raw):
        results = tuple(
            Result(bytes(one.uetr), self._library.giro_member_status_name(one.status).decode() if one.status else "",
                   self._library.giro_member_reason_name(one.reason).decode() if one.reason else "", one.cycle)
            for one in (raw.results[i] for i in range(raw.result_count)))
        outcome = self._library.giro_member_outcome_name(raw.outcome).decode() if raw.outcome else ""
        return Event(raw.kind, raw.state, raw.channel, raw.sequence, raw.replica, outcome, bool(raw.skip), results, raw.height,
                     raw.leaf_index, ctypes.string_at(raw.proof, raw.proof_bytes) if raw.proof else b"", bytes(raw.frame_hash))

    def _open(self):
        if not self._handle:
            raise ValueError("the member is closed")
        return self._handle

    def _check(self, code):
        raised, self._raised = self._raised, None
        if raised is not None:
            raise raised
        if code != 0:
            raise Error(code, self._library.giro_member_error_text(code).decode())

    def submit(self, payments):
        """Signs up to PAYMENTS_MAX Payments into one frame; returns its Ticket. Their uetr are filled in."""
        array, ticket = (Payment * len(payments))(*payments), Ticket()
        code = self._library.giro_member_submit(self._open(), array, len(payments), ticket)
        if code != 0:
            raise Error(code, self._library.giro_member_error_text(code).decode())
        for one, made in zip(payments, array):
            one.uetr = made.uetr
        return ticket

    def poll(self, timeout_ms=-1):
        """Waits without Python's lock. A signal's handler runs when poll returns: name a time."""
        self._check(self._library.giro_member_poll(self._open(), timeout_ms))

    def ask(self, channel, sequence, proof=False):
        code = self._library.giro_member_ask(self._open(), channel, sequence, proof)
        if code != 0:
            raise Error(code, self._library.giro_member_error_text(code).decode())

    def fileno(self):
        return self._library.giro_member_fd(self._open())

    def state(self):
        return self._library.giro_member_state(self._open())

    def stats(self):
        stats = Stats()
        self._library.giro_member_stats(self._open(), stats)
        return stats

    def close(self, timeout_ms=5000):
        """Frees the member whatever it raises."""
        try:
            code = self._library.giro_member_close(self._open(), timeout_ms)
        finally:
            self._handle = c_void_p()
        self._check(code)
