#!/bin/bash
# One changed byte in any file of a stopped hub: giro verify names the file and ends with 1. The untouched files verify with 0.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
e2e_begin "$@"
hub_make "--members-count 4"
sed -i 's/segment_mb: 8/segment_mb: 4/' hub/replica-*.yaml
hub_start
"$giro" load "${keyed[@]}" --hub "$hub" --payments 400 --wrong 50 --seed 3 --records 8 --quiet >out 2>&1 ||
  { cat out >&2; fail "the load"; }
admin close-cycle CZK
hub_settle 20
[ "$(check number status.json payments_total)" = 400 ] || fail "the replicas count other payments than 400"
pull
uetr=$(sed -n 2p files/"${bics[0]}"/*/statuses.csv | cut -d , -f 5)
expect 0 'proved by' "$giro" status "$uetr" "${keyed[@]}" --as "${bics[0]}" --https "$https" --proof payment.proof
hub_stop
verify files hub payment.proof
step "untouched, everything verifies: $(tail -n 1 out)"
check flips "$giro" hub/genesis.json files hub/replica-1 payment.proof
step "every changed byte is found: $(tail -n 1 flips.txt)"
verify files hub payment.proof
step "restored, everything verifies again"
