#!/bin/bash
# A flood of bad packets at the DPDK port of one replica, while members pay through it: random payloads, frames under a member's
# name with made-up signatures and addresses, fragments, VLAN tags, wrong checksums, and more. Every one is refused and counted by
# its cause, memory and log stay as they were, and every honest payment is certified.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
e2e_begin "$@"
[ "$GIRO_E2E_NAMESPACE" != none ] || skip "no network namespaces are allowed here"
for tool in ip ethtool; do command -v $tool >/dev/null || skip "no $tool here"; done
flood=${GIRO_FLOOD:-$bin/../tests/flood}
[ -x "$flood" ] || fail "no flood at $flood"
rate=${GIRO_FLOOD_RATE:-11000} seconds=4

ip link add giro0 type veth peer name member0 2>/dev/null || skip "this kernel has no veth"
ethtool -K member0 tx-checksumming off tx-udp-segmentation off >/dev/null 2>&1 || true
ip link set giro0 up
ip link set member0 up
ip address add 10.77.0.2/24 dev member0
hub_make "--members AAAACZPP,BBBBCZPP,CCCCCZPP,DDDDCZPP"
sed -i 's/  driver: udp/  driver: af_packet\n  device: giro0\n  allow: [10.77.0.0\/24]/; s/  address: 127.0.0.1/  address: 10.77.0.1/' hub/replica-0.yaml
echo '  member_frames_per_second: 2000' >>hub/replica-0.yaml
hub=${hub/127.0.0.1/10.77.0.1}
hub_start
"$giro" load "${keyed[@]}" --presign a.spool --payments 4000 --records 20 --seed 3 --quiet 2>/dev/null
"$giro" load "${keyed[@]}" --presign b.spool --payments 4000 --records 20 --seed 4 --quiet 2>/dev/null
memory() { awk '/^VmRSS/ {print $2}' "/proc/${pid_of[0]}/status"; }
# Fragments that the kernel was asked to put together: af_packet's fan-out does so before the port sees them.
fragments() { awk '/^Ip:/ {if (!n++) {for (i = 1; i <= NF; i++) if ($i == "ReasmReqds") at = i} else print $at}' /proc/net/snmp; }
lines() { wc -l <hub/replica-0.log; }
pay() { # pay SPOOL JSON
  "$giro" load "${keyed[@]}" --hub "$hub" --spool "$1" --rate 2000 --json "$2" --quiet >out 2>&1 ||
    { cat out >&2; fail "honest payments were not certified"; }
}
pay a.spool quiet.json
hub_status before.json
mac=$(ip -br link show giro0 | awk '{print $3}')
memory_before=$(memory) lines_before=$(lines) fragments_before=$(fragments)

"$flood" member0 "$mac" 10.77.0.1 "$base_port" hub/genesis.json "$rate" "$seconds" >flood.txt &
flooder=$!
"$giro" hub capture "${keyed[@]}" --https "127.0.0.1:$((base_port + 200))" --seconds 2 --megabytes 16 --out flood.pcapng >capture.txt 2>&1 &
capturer=$!
pay b.spool loud.json
wait $flooder || fail "the flood did not run"
wait $capturer || fail "no capture: $(cat capture.txt)"
hub_settle 20
cp status.json after.json
[ $(($(lines) - lines_before)) -le 5 ] || fail "$(($(lines) - lines_before)) log lines for a flood"
[ $(($(memory) - memory_before)) -le 65536 ] || fail "memory grew by $(($(memory) - memory_before)) KiB"
check flood "127.0.0.1:$((base_port + 200))" before.json after.json flood.txt quiet.json loud.json $(($(fragments) - fragments_before))
if command -v tshark >/dev/null; then
  for reason in "wrong checksum" "not UDP" "not on the allow-list" "cut short" "for another address"; do
    [ "$(tshark -n -r flood.pcapng -Y "frame.comment contains \"dropped: $reason\"" 2>/dev/null | head -n 100 | wc -l)" = 100 ] ||
      fail "the capture has no 100 packets with the comment \"$reason\""
  done
fi
step "captured: $(tail -n 1 capture.txt)"
step "a flood of $rate/s: $(tr '\n' ' ' <flood.txt)"
hub_stop
check ledgers hub/replica-{0,1,2,3}
