#!/bin/bash
# Real input: the interbank transfers of one Czech bank, 1993-94, through the demo. The bank's entries, its cycle report and
# every other bank's account for exactly the counts and sums of the source; a second run, over DPDK where that is allowed,
# gives the same netting reports byte for byte.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source_file=${GIRO_SHARED:-}/data/berka/trans_first_3MiB.asc.zst
[ -n "${GIRO_SHARED:-}" ] || skip "GIRO_SHARED is not set: no real payments here"
[ -r "$source_file" ] || skip "GIRO_SHARED has no data/berka"
command -v zstd >/dev/null || skip "no zstd on this machine"
e2e_begin "$@"

bank=BERKCZPP
"$e2e_tests/tools/berka_to_csv" "$source_file" $bank >payments.csv

run() { # run PORT OUT
  GIRO_BIN=$bin bash "$e2e_root/apps/demo/demo.sh" --payments payments.csv --date 1993-01-05 --port "$1" --out "$2" \
    >out 2>&1 || fail "the demo over $1"
  check berka "$2" payments.csv $bank 6343 20048320.80 3772 44029012.00
  step "$2: $(tail -n 1 out)"
}
run udp first
port=udp
if [ "$GIRO_E2E_NAMESPACE" != none ] && ip link add probe type veth peer name ebrop 2>/dev/null; then
  ip link delete probe
  port=dpdk
else
  step "the second run is not over DPDK: no right to make interfaces here"
fi
run $port second
diff -r first/netting second/netting >&2 || fail "a second run gives other netting reports"
for bic in $(cut -d , -f 3,4 payments.csv | tail -n +2 | tr , '\n' | sort -u); do
  cmp {first,second}/"$bic"/1993-01-05/netting.csv || fail "a second run gives $bic another netting row"
done
step "the second run (over $port) gives the same netting reports, byte for byte"
