"""stream.sh's clock, and its hand on the member's path. Runs in the member's network namespace for the whole test: a tick costs
what it does, not what programs take to start.

usage: fault_clock.py REPLICAS     a command a line on standard input; each is answered by a line

begin      ticks are 1, 2, 3 ... seconds from now, whatever happens between them
tick       at the next tick, how many ms after it, and the replica that was sent most frames in the second's last LOOK_S; - if
           none was sent any
cut N      nothing passes between the member and replica N
mend       everything does
forget     cuts and counters are gone"""
import ctypes
import json
import sys
import time

REPLICAS = int(sys.argv[1])
LOOK_S = 0.3
# A datagram with one frame of 16 payments: 28 of IP and UDP, 24 + 16 of the session, 4 of the block, 1,128 of the frame; maybe a
# PONG with it. Questions about frames under way go to all replicas in turn, in datagrams of other sizes.
FRAME_BYTES = "1200-1227"

nftables = ctypes.CDLL("libnftables.so.1")
nftables.nft_ctx_new.restype = ctypes.c_void_p
nftables.nft_ctx_get_output_buffer.restype = nftables.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
context = ctypes.c_void_p(nftables.nft_ctx_new(0))
nftables.nft_ctx_buffer_output(context)
nftables.nft_ctx_buffer_error(context)
nftables.nft_ctx_output_set_flags(context, 1 << 4)  # JSON


def nft(text):
    if nftables.nft_run_cmd_from_buffer(context, text.encode()) != 0:
        sys.exit(f"fault_clock.py: {nftables.nft_ctx_get_error_buffer(context).decode()}")
    return nftables.nft_ctx_get_output_buffer(context)


def address(replica):
    return f"10.88.0.{10 + replica}"


def begin():
    """The member's frames to each replica are counted before anything drops them."""
    counters = "".join(f"counter r{i} {{ }}\n" for i in range(REPLICAS))
    counting = "".join(f"ip daddr {address(i)} meta l4proto udp meta length {FRAME_BYTES} counter name r{i}\n" for i in range(REPLICAS))
    nft(f"""table inet path {{
        set cut {{ type ipv4_addr; }}
        {counters}
        chain count {{ type filter hook output priority -10; {counting} }}
        chain in {{ type filter hook input priority 0; ip saddr @cut drop; }}
        chain out {{ type filter hook output priority 0; ip daddr @cut drop; }}
    }}""")


def busiest():
    told = json.loads(nft("reset counters table inet path"))["nftables"]
    counts = {one["counter"]["name"][1:]: one["counter"]["packets"] for one in told if "counter" in one}
    name = max(counts, key=counts.get)
    return name if counts[name] else "-"


def main():
    due = 0
    for line in sys.stdin:
        answer, (command, *words) = "done", line.split()
        if command == "begin":
            begin()
            due = time.monotonic()
        elif command == "tick":
            due += 1
            time.sleep(max(0, due - LOOK_S - time.monotonic()))
            busiest()
            time.sleep(max(0, due - time.monotonic(), LOOK_S / 2 if time.monotonic() > due else 0))
            answer = f"{round((time.monotonic() - due) * 1000)} {busiest()}"
        elif command == "cut":
            nft(f"add element inet path cut {{ {address(int(words[0]))} }}")
        elif command == "mend":
            nft("flush set inet path cut")
        elif command == "forget":
            nft("delete table inet path")
        print(answer, flush=True)


main()
