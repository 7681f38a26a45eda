#!/bin/bash
# One payment on an idle hub: certified, its window sealed at the end of its second, then no more blocks, and four processes
# that use next to no CPU.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
e2e_begin "$@"
hub_make "--members AAAACZPP,BBBBCZPP"
hub_start
sleep 0.5
cat >one.csv <<'CSV'
uetr,debtor_bic,creditor_bic,currency,amount
5f3c1d9e-0b7a-4c55-9a51-2f60b1f1a001,AAAACZPP,BBBBCZPP,CZK,12.34
CSV
expect 0 'ACSP' "$giro" send "${keyed[@]}" --hub "$hub" --payments one.csv
sent_at=$(date +%s)
expect 0 'proved by' "$giro" status 5f3c1d9e-0b7a-4c55-9a51-2f60b1f1a001 "${keyed[@]}" --as AAAACZPP --https "$https" \
  --proof one.proof
step "one payment is certified"

# Its window: sealed within a second of its end, one record for each of the two banks.
for _ in $(seq 30); do
  hub_status
  [ "$(check number status.json windows_total)" -lt 2 ] || break
  sleep 0.1
done
[ "$(check number status.json windows_total)" = 2 ] || fail "the window is not sealed"
[ $(($(date +%s) - sent_at)) -le 3 ] || fail "the window was sealed late"
hub_settle 10
step "its window is sealed: $(check number status.json executed_height) blocks in all"

cp status.json before.json
ticks() { awk '{print $14 + $15}' "/proc/$1/stat"; }
declare -A used=()
for i in "${!pid_of[@]}"; do used[$i]=$(ticks "${pid_of[$i]}"); done
sleep 3
for i in "${!pid_of[@]}"; do
  used[$i]=$((($(ticks "${pid_of[$i]}") - ${used[$i]}) * 100 / (3 * $(getconf CLK_TCK))))
done
hub_status after.json
check same before.json after.json committed_height executed_height certified_height round windows_total timeouts_total
for i in "${!used[@]}"; do
  [ "${used[$i]}" -lt 3 ] || fail "idle replica $i uses ${used[$i]} % of a CPU"
done
step "no block in 3 s; CPU of the replicas: ${used[*]} %"
pull
hub_stop
verify hub files one.proof
books_conserved
check payments files 1
