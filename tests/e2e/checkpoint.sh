#!/bin/bash
# Checkpoints with real processes. A replica is killed; the others go on past several checkpoints and remove the log it would
# need; started again it fetches an image from them and is level. Then another loses everything but its keys and safety file and
# comes back the same way. Equal roots on all four, every file verifies, every payment is there once.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
e2e_begin "$@"
each=4000
hub_make "--members-count 6" --checkpoint-heights 30
for i in 1 2 3 4 5; do
  "$giro" load "${keyed[@]}" --presign load-$i.spool --payments $each --records 20 --quiet 2>/dev/null
done
hub_start

load() {
  "$giro" load "${keyed[@]}" --hub "$hub" --spool "load-$1.spool" --rate 1500 --json "load-$1.json" --quiet >out 2>&1 ||
    { cat out >&2; fail "load $1 did not end well"; }
}
images() { ls hub/replica-$1/log/image-* 2>/dev/null | wc -l; }
# A restart begins a segment, so the one before may go once two checkpoints lie behind it.
roll() {
  local i
  for i in "$@"; do
    replica_kill "$i"
    replica_start "$i"
    replica_wait "$i"
  done
}
# Started again by itself: it says so, and runs a second time.
synced_wait() {
  local _
  starts_of[$1]=$((${starts_of[$1]} + 1))
  for _ in $(seq 300); do
    grep -q 'the state came from the other replicas' "hub/replica-$1.log" && break
    sleep 0.1
  done
  grep -q 'the state came from the other replicas' "hub/replica-$1.log" || fail "replica $1 fetched no image"
  replica_wait "$1"
}

load 1
[ "$(images 0)" -ge 1 ] || fail "no checkpoint was made"
replica_kill 3
step "checkpoints are made; replica 3 is killed"
roll 0 1 2
load 2
roll 0 1 2
load 3
for _ in $(seq 50); do
  [ -e hub/replica-0/log/log-0000000000000001 ] || break
  sleep 0.1
done
for i in 0 1 2; do
  [ ! -e hub/replica-$i/log/log-0000000000000001 ] || fail "replica $i kept the beginning of its log"
done
step "the others removed the beginning of their logs"
replica_start 3
synced_wait 3
hub_settle 30
step "replica 3 fetched an image and is level"

# Everything but the safety file is lost. Each in turn was without one replica: votes were missed nowhere.
replica_kill 2
find hub/replica-2 -type f ! -name safety -delete
roll 0 1
load 4
roll 0 1
replica_start 2
synced_wait 2
hub_settle 30
# Its vote and that of replica 3 are needed now.
replica_kill 0
load 5
replica_start 0
replica_wait 0
hub_settle 30
step "replica 2 came back from its safety file alone, and votes"
admin close-cycle CZK
hub_settle 20
pull
hub_stop
verify hub files
books_conserved
[ "$(check value summary.json payments)" = $((5 * each)) ] || fail "$(check value summary.json payments) payments"
check payments files $((5 * each))
check tails hub/replica-{0,1,2,3}
step "every payment is there once; all four end with equal roots; trimmed logs, images and files verify"
