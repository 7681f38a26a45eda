#!/bin/bash
# dataplane_veth.sh PORT_ECHO PORT_ASK: the DPDK port on one end of a veth pair, the kernel on the other, in a network
# namespace of its own. Pings the port's address, then has datagrams echoed through it: with an ordinary MTU and one receive
# queue, then with jumbo packets and two queues, captured. Exit 77: not allowed here.
set -eu
echo_program=$1
ask_program=$2
if [ "${3:-}" != inside ]; then
    for tool in unshare ip ethtool; do
        command -v $tool > /dev/null || { echo "SKIPPED: no $tool on this machine"; exit 77; }
    done
    if [ "$(id -u)" = 0 ]; then flags=-n; else flags=-rn; fi
    unshare $flags true 2> /dev/null || { echo "SKIPPED: no right to make a network namespace"; exit 77; }
    exec unshare $flags "$0" "$echo_program" "$ask_program" inside
fi

hub=10.77.0.1
ip link add giro0 type veth peer name member0 || { echo "SKIPPED: this kernel has no veth"; exit 77; }
# Empty checksums and glued segments are what a veth hands over unless told otherwise; the port verifies.
ethtool -K member0 tx-checksumming off tx-udp-segmentation off > /dev/null 2>&1 || true
ip link set lo up
ip link set member0 up
ip address add 10.77.0.2/24 dev member0

work=$(mktemp -d)
out=$work/out
server=
trap '[ -z "$server" ] || kill $server 2> /dev/null || true; rm -rf "$work"' EXIT

# port_start [OPTION...]: port_echo with these options.
port_start() {
    : > "$out" # what the last one said is no news
    "$echo_program" af_packet giro0 $hub 7001 "$@" > "$out" &
    server=$!
    tries=0
    until grep -q ready "$out"; do
        if ! kill -0 $server 2> /dev/null; then
            code=0
            wait $server || code=$?
            [ $code = 77 ] && echo "SKIPPED: DPDK cannot open a port here"
            exit $code
        fi
        tries=$((tries + 1))
        [ $tries -lt 200 ] || { echo "the port is not ready after 20 s"; exit 1; }
        sleep 0.1
    done
    if grep -q 'fd=-1' "$out"; then echo "the port has no descriptor to sleep on"; exit 1; fi
}

port_stop() {
    kill -TERM $server
    wait $server || { echo "the port did not close cleanly"; exit 1; }
    server=
    cat "$out"
}

port_start
"$ask_program" ping $hub 5
"$ask_program" udp $hub 7001 3000 1472
port_stop
grep -q 'received=3000 sent=3000 send_failed=0' "$out"
grep -q ' echo=5 ' "$out"

# Flows of several source ports: PACKET_FANOUT spreads them over the queues, and every one is answered.
ip link set member0 mtu 9216
# Telemetry, too: its socket lies in a directory of its own and is gone when the port is.
port_start mtu=9216 queues=2 capture="$work/port.pcapng" telemetry="$work/telemetry"
if command -v python3 > /dev/null; then
    python3 - "$work/telemetry/dpdk/port-echo-$server/dpdk_telemetry.v2" << 'PYTHON' || exit 1
import json, os, socket, stat, sys
path = sys.argv[1]
mode = stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode)
assert mode & 0o077 == 0, f"others can reach the socket: {mode:o}"
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
    s.connect(path)
    json.loads(s.recv(1024))
    for command, expected in (("/giro/port", {"the_answer": 42, "large": 2**64 - 1}),):
        s.send(command.encode())
        answer = json.loads(s.recv(65536))
        assert answer == {command: expected}, answer
    s.send(b"/ethdev/list")
    assert json.loads(s.recv(65536)) == {"/ethdev/list": [0]}
PYTHON
fi
for _ in 1 2 3 4 5 6; do "$ask_program" udp $hub 7001 250 9188; done
port_stop
grep -q 'received=1500 sent=1500 send_failed=0' "$out"
[ "$(head -c 4 "$work/port.pcapng" | od -An -tx4 | tr -d ' ')" = 0a0d0d0a ] || { echo "no pcapng was written"; exit 1; }
[ ! -e "$work/telemetry/dpdk" ] || { echo "the telemetry socket was left behind"; exit 1; }
if command -v tshark > /dev/null; then
    count() { tshark -n -r "$work/port.pcapng" -o udp.check_checksum:TRUE -o ip.check_checksum:TRUE -Y "$1" 2> /dev/null | wc -l; }
    [ "$(count "udp.dstport == 7001 && ip.src == 10.77.0.2 && udp.checksum.status == 1")" = 1500 ] || { echo "received packets are missing in the capture"; exit 1; }
    [ "$(count "udp.srcport == 7001 && ip.src == $hub && udp.checksum.status == 1")" = 1500 ] || { echo "sent packets are missing in the capture"; exit 1; }
    [ "$(count "udp.length == 9196")" -ge 1000 ] || { echo "no jumbo packet in the capture"; exit 1; }
fi
