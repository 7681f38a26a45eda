#!/bin/bash
# kill -9 of each replica in turn, then of all four at once, in the middle of a load. Every frame gets its certified outcome,
# every payment is there exactly once, all four replicas hold the same certified ledger, and the hub goes on by itself.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
e2e_begin "$@"
payments=40000
hub_make "--members-count 8"
"$giro" load "${keyed[@]}" --presign load.spool --payments $payments --records 20 --wrong 20 --seed 11 --quiet 2>/dev/null
hub_start
"$giro" load "${trust[@]}" --hub "$hub" --spool load.spool --rate 4000 --json load.json --quiet >load.log 2>&1 &
load=$!
e2e_pids+=($load)
step "load runs"
sleep 1
for i in 0 1 2 3; do
  kill -0 $load 2>/dev/null || fail "the load ended before replica $i was killed"
  replica_kill $i
  sleep 0.5
  replica_start $i
  replica_wait $i
  sleep 0.5
done
step "each was killed and restarted"
kill -0 $load 2>/dev/null || fail "the load ended before all replicas were killed"
for i in 0 1 2 3; do kill -9 "${pid_of[$i]}"; done
for i in 0 1 2 3; do wait "${pid_of[$i]}" 2>/dev/null || true; done
kill -0 $load 2>/dev/null || fail "the load ended before all replicas were killed"
hub_start
step "all four were killed at once and restarted"
for _ in $(seq 600); do
  kill -0 $load 2>/dev/null || break
  sleep 0.1
done
kill -0 $load 2>/dev/null && { tail -c 300 load.log >&2; fail "the load does not come to its end"; }
code=0
wait $load || code=$?
[ $code = 0 ] || { cat load.log >&2; fail "the load ended with exit code $code"; }
[ "$(check value load.json payments_certified)" = $payments ] || fail "not every payment has its certified status"
step "every payment has its certified status"
admin close-cycle CZK
hub_settle 20
pull
hub_stop
verify hub files
books_conserved
[ "$(check value summary.json payments)" = $payments ] || fail "$(check value summary.json payments) payments instead of $payments"
check payments files $payments
check ledgers hub/replica-{0,1,2,3}
step "each is there once, on all four replicas; both books are conserved"
