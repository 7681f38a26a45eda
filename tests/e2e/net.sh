#!/bin/bash
# Real replicas in network namespaces, four or seven of them (GIRO_E2E_REPLICAS), under one load from members in their own:
# kill -9, SIGSTOP, a minority and then half of the replicas cut off, loss, little bandwidth, a wire with delay, duplicates and
# reordering, a full disk. No promise is broken: every payment with a certified status is once in every ledger, ledgers are
# equal, everything verifies; after healing everything certifies.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$(dirname "${BASH_SOURCE[0]}")/netlib.sh"
n=${GIRO_E2E_REPLICAS:-4}
GIRO_EFFORT=${GIRO_EFFORT:-1}
seed=${GIRO_SEED:-1}
net_begin "$@"
# Half a minute each, with time limits that a machine doing other work does not keep.
[ "${GIRO_EFFORT%%.*}" -ge 2 ] 2>/dev/null || skip "replicas in networks of their own only with GIRO_EFFORT=2 or more"
faults=$(((n - 1) / 3))
slow=$((n - 1))
net_make $n "--members-count 8" $slow
payments=12000
rate=800
"$giro" load "${keyed[@]}" --presign load.spool --payments $payments --records 20 --wrong 20 --seed 5 --quiet 2>/dev/null
hub_start
# 0 to 100 ms each way, by the seed.
net_wire r$slow --seed $seed --delay-max 100000 --jitter 2000 --loss 5 --twice 10 --held 20 --hold 20000
step "$n replicas run, replica $slow behind $(cut -d : -f 2 netbox-r$slow.log)"

"$giro" load "${keyed[@]}" --hub "$hub" --spool load.spool --rate $rate --json load.json --quiet >load.log 2>&1 &
load=$!
sleep 1

for ((i = 0; i < faults; i++)); do replica_kill $i; done
sleep 1
for ((i = 0; i < faults; i++)); do replica_start $i; done
for ((i = 0; i < faults; i++)); do replica_wait $i; done
step "$faults killed (kill -9) and started again"

for ((i = 1; i <= faults; i++)); do kill -STOP "${pid_of[$i]}"; done
sleep 1.5
for ((i = 1; i <= faults; i++)); do kill -CONT "${pid_of[$i]}"; done
step "$faults stopped for a while (SIGSTOP)"

# Each replica leads in its turn, so whoever is cut off is a leader that is cut off, soon and often.
minority=$(seq 0 $((faults - 1)) | xargs) majority=$(seq $faults $((n - 1)) | xargs)
kill -0 $load || fail "the load ended before the cuts"
net_cut "$minority" "$majority"
net_lossy $faults 20
net_narrow $((faults + 1)) 20mbit
before=$(certified)
certifies_on 15 "$before" || { tail -c 200 load.log; fail "a minority that is cut off ($minority) stopped the others"; }
net_heal
step "cut off: replicas $minority; the others lost 2 % or had 20 Mbit/s and went on"

half=$(seq 0 $((n / 2 - 1)) | xargs) rest=$(seq $((n / 2)) $((n - 1)) | xargs)
net_cut "$half" "$rest"
sleep 1 # what was under way may still be ordered
before=$(ordered)
sleep 1.5
after=$(ordered)
[ "$after" = "$before" ] || fail "something was ordered without a quorum ($half | $rest): height $after after $before"
net_heal
step "cut in two ($half | $rest): nothing was ordered"

for _ in $(seq 100); do
  kill -0 "${pid_of[0]}" 2>/dev/null || break
  disk_fill 0
  sleep 0.05
done
if ! kill -0 "${pid_of[0]}" 2>/dev/null; then
  code=0
  wait "${pid_of[0]}" || code=$?
  [ $code = 1 ] || fail "replica 0 ended with exit code $code on a full disk"
  grep -q 'the disk is full' hub/replica-0.log || fail "replica 0 does not say that its disk is full"
  disk_fill 0
  expect 1 'the disk is full' ip netns exec r0 "$girod" hub/replica-0.yaml
  step "a full disk stopped replica 0, which said so, also when started again; room was made"
  disk_free 0
  replica_start 0
  replica_wait 0
  [ -z "$(find hub/replica-0/journal -name '*.gap')" ] || fail "replica 0 takes its full disk for missing windows"
else
  fail "replica 0 runs on a full disk"
fi

code=0
for _ in $(seq 450); do
  kill -0 $load 2>/dev/null || break
  sleep 0.1
done
! kill -0 $load 2>/dev/null || { tail -c 300 load.log >&2; fail "the load does not come to its end"; }
wait $load || code=$?
[ $code = 0 ] || { cat load.log >&2; fail "the load ended with exit code $code"; }
[ "$(check value load.json payments_certified)" = $payments ] || fail "not every payment has its certified status"
admin close-cycle CZK
hub_settle 25
step "healed: every payment has its certified status"
pull
hub_stop
verify hub files
books_conserved
[ "$(check value summary.json payments)" = $payments ] || fail "$(check value summary.json payments) payments instead of $payments"
check payments files $payments
check ledgers $(seq -f hub/replica-%g 0 $((n - 1)))
step "each is there once, on all $n replicas; both books are conserved"
