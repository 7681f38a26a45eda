#!/bin/sh
# dataplane_veth.sh PORT_ECHO PORT_ASK: the DPDK port on one end of a veth pair, the kernel on the other, in a network
# namespace of its own. Pings the port's address, then has datagrams echoed through it. Exit 77: not allowed here.
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

out=$(mktemp)
"$echo_program" af_packet giro0 $hub 7001 > "$out" &
server=$!
trap 'kill $server 2> /dev/null || true; rm -f "$out"' EXIT
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

"$ask_program" ping $hub 5
"$ask_program" udp $hub 7001 3000
kill -TERM $server
wait $server || { echo "the port did not close cleanly"; exit 1; }
cat "$out"
grep -q 'received=3000 sent=3000 send_failed=0' "$out"
grep -q ' echo=5 ' "$out"
