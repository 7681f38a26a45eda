#!/bin/bash
# kill -9 of each replica in turn, SIGTERM to one, then kill -9 of all four at once, each in the middle of a load. Every frame gets
# its certified outcome, every payment is there exactly once, all four replicas hold the same certified ledger, and the hub goes on
# by itself.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
e2e_begin "$@"
each=6000
payments=$((6 * each))
hub_make "--members-count 8"
for i in 0 1 2 3 term all; do
  "$giro" load "${keyed[@]}" --presign load-$i.spool --payments $each --records 20 --wrong 20 --quiet 2>/dev/null
done
hub_start

# A load of its own for each kill, long enough to be in its middle however busy the machine is.
load_start() {
  "$giro" load "${keyed[@]}" --hub "$hub" --spool "load-$1.spool" --rate 3000 --json "load-$1.json" --quiet >load.log 2>&1 &
  load=$!
  sleep 0.7
}
load_runs() { kill -0 $load 2>/dev/null || { cat load.log >&2; fail "the load ended before the kill"; }; }
load_end() {
  local code=0 _
  for _ in $(seq 400); do
    kill -0 $load 2>/dev/null || break
    sleep 0.1
  done
  ! kill -0 $load 2>/dev/null || { tail -c 300 load.log >&2; fail "load $1 does not come to its end"; }
  wait $load || code=$?
  [ $code = 0 ] || { cat load.log >&2; fail "load $1 ended with exit code $code"; }
  [ "$(check value "load-$1.json" payments_certified)" = $each ] || fail "load $1: not every payment has its certified status"
}

for i in 0 1 2 3; do
  load_start $i
  load_runs
  replica_kill $i
  sleep 0.3
  replica_start $i
  replica_wait $i
  load_end $i
done
step "each was killed in the middle of a load and restarted"
load_start term
load_runs
kill "${pid_of[2]}"
replica_stopped 2
replica_start 2
replica_wait 2
load_end term
step "one stopped in good order in the middle of a load"
load_start all
load_runs
for i in 0 1 2 3; do kill -9 "${pid_of[$i]}"; done
for i in 0 1 2 3; do wait "${pid_of[$i]}" 2>/dev/null || true; done
load_runs
hub_start
load_end all
step "all four were killed at once and restarted; every payment has its certified status"
admin close-cycle CZK
hub_settle 20
check verify_threads status.json "${GIRO_E2E_VERIFY_THREADS:-0}"
pull
hub_stop
verify hub files
books_conserved
[ "$(check value summary.json payments)" = $payments ] || fail "$(check value summary.json payments) payments instead of $payments"
check payments files $payments
check ledgers hub/replica-{0,1,2,3}
step "each is there once, on all four replicas; both books are conserved"
