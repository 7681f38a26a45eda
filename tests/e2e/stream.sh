#!/bin/bash
# One member streams its payments over a bad path - one datagram in ten lost each way, one in ten twice, one in ten overtaken,
# up to 200 ms late - while its home replica and the one it fails over to are killed and stopped in turn, and its own process is
# killed (kill -9) and started again. On a good path the rest goes quickly. At the end each payment took effect exactly once, and the member has every receipt.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$(dirname "${BASH_SOURCE[0]}")/netlib.sh"
GIRO_EFFORT=${GIRO_EFFORT:-1}
seed=${GIRO_SEED:-1}
net_begin "$@"
# Most of a minute, and longer where a replica takes long to start.
[ "${GIRO_EFFORT%%.*}" -ge 2 ] 2>/dev/null || skip "a member's stream over a bad path only with GIRO_EFFORT=2 or more"
net_make 4 "--members-count 8"
net_node bank 251 slow
net_wire bank --seed $seed --delay-min 20000 --delay-max 100000 --jitter 2000 --twice 100 --held 100 --hold 100000
net_lossy_member bank 100
# Frames of two payments, few at a time: the path's delay makes them last longer than all that happens on it.
payments=6000
python3 - $payments "$seed" "${bics[@]}" >payments.csv <<'PYTHON'
import random, sys, uuid
count, draw, bics = int(sys.argv[1]), random.Random(int(sys.argv[2])), sys.argv[3:]
print("uetr,debtor_bic,creditor_bic,currency,amount,service")
for _ in range(count):
    uetr = uuid.UUID(int=draw.getrandbits(128), version=4)
    print(f"{uetr},{bics[0]},{draw.choice(bics[1:])},CZK,{draw.randrange(1, 900)}.{draw.randrange(100):02d},{draw.choice(['NET', 'GROSS'])}")
PYTHON
hub_start
step "4 replicas run; the member's path: $(cut -d : -f 2 netbox-bank.log), 10 % lost, doubled, overtaken"

# sender_start [giro send options...]: in the member's namespace.
sender_start() {
  ip netns exec bank "$bin/giro" send "${keyed[@]}" --hub "$hub" --spool payments.spool --records 2 \
    --json send.json --quiet "$@" >>send.log 2>&1 &
  sender=$!
}
sender_runs() { kill -0 $sender 2>/dev/null || { cat send.log >&2; fail "everything was sent before $1"; }; }
sender_kill() {
  sender_runs "the sender was killed"
  kill -9 $sender
  wait $sender 2>/dev/null || true
}
# How many of the payments replica 3 has executed, which is never away.
executed() {
  "$giro" status "${keyed[@]}" --as "${bics[0]}" --https "${https##*,}" --json now.json >/dev/null 2>&1 || true
  check number now.json payments_total
}
# goes_on: payments are executed although a replica is away.
goes_on() {
  local before _
  before=$(executed)
  for _ in $(seq 100); do
    [ "$(executed)" -le "$before" ] || return 0
    sleep 0.1
  done
  fail "nothing is executed while $1"
}
# away REPLICA kill|stop COMMAND...: the replica is away while the command runs.
away() {
  local replica=$1 how=$2
  shift 2
  sender_runs "replica $replica went away"
  if [ $how = kill ]; then replica_kill $replica; else kill -STOP "${pid_of[$replica]}"; fi
  "$@"
  if [ $how = kill ]; then
    replica_start $replica
    replica_wait $replica
  else
    kill -CONT "${pid_of[$replica]}"
  fi
  step "replica $replica was away ($how); $(executed) payments executed"
}
restarted() {
  sender_kill
  sender_start --resume --outstanding 16
  sleep 2
}

sender_start payments.csv --outstanding 16
goes_on "all is well"
away 0 kill goes_on "replica 0 is away"
away 1 stop goes_on "replica 1 is away"
restarted
step "the sender was killed (kill -9) and started again"
away 0 stop sleep 2
away 1 kill sleep 1
away 0 kill restarted
away 0 stop sleep 1
sender_kill
net_heal
net_wire bank
ip netns exec bank nft flush ruleset
sender_start --resume
step "the sender and its home replica were away at once; the path is good from here on"

for _ in $(seq 600); do
  kill -0 $sender 2>/dev/null || break
  sleep 0.1
done
! kill -0 $sender 2>/dev/null || fail "the sender does not come to its end"
code=0
wait $sender || code=$?
[ $code = 0 ] || { cat send.log >&2; fail "the sender ended with exit code $code"; }
[ "$(check value send.json payments_certified)" = $payments ] || fail "not every payment has its receipt: $(cat send.json)"
[ "$(check value send.json unfinished)" = 0 ] || fail "frames are unfinished"
step "every payment has its certified status: frames $(check value send.json outcomes)"
admin close-cycle CZK
hub_settle 25
pull
hub_stop
verify hub files
books_conserved
[ "$(check value summary.json payments)" = $payments ] || fail "$(check value summary.json payments) payments instead of $payments"
check sent files payments.csv
check ledgers hub/replica-{0,1,2,3}
step "each is there once, by counts and by sums, on all four replicas"
