#!/bin/bash
# One member streams its payments over a bad path - one datagram in ten lost each way, one in ten twice, one in ten overtaken,
# up to 200 ms late - while its path to the replica it uses breaks once a second: the path is cut, the replica is stopped (SIGSTOP) or
# killed (kill -9) and started again. First through giro send, whose process is killed now and then; then through an outbox
# (giro/member.h), killed at every write boundary of its journal in turn and started again, for GIRO_STREAM_SECONDS (120). At the end
# each payment took effect exactly once, and the member has every receipt.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$(dirname "${BASH_SOURCE[0]}")/netlib.sh"
GIRO_EFFORT=${GIRO_EFFORT:-1}
export GIRO_SEED=${GIRO_SEED:-1}
seed=$GIRO_SEED
net_begin "$@"
# Three minutes, and longer where a replica takes long to start.
[ "${GIRO_EFFORT%%.*}" -ge 2 ] 2>/dev/null || skip "a member's stream over a bad path only with GIRO_EFFORT=2 or more"
net_make 4 "--members-count 8"
net_node bank 251 slow
payments=4000
python3 - $payments "$seed" "${bics[@]}" >sent.csv <<'PYTHON'
import random, sys, uuid
count, draw, bics = int(sys.argv[1]), random.Random(int(sys.argv[2])), sys.argv[3:]
print("uetr,debtor_bic,creditor_bic,currency,amount,service")
for _ in range(count):
    uetr = uuid.UUID(int=draw.getrandbits(128), version=4)
    print(f"{uetr},{bics[0]},{draw.choice(bics[1:])},CZK,{draw.randrange(1, 900)}.{draw.randrange(100):02d},{draw.choice(['NET', 'GROSS'])}")
PYTHON
path_bad() {
  net_wire bank --seed $seed --delay-min 20000 --delay-max 100000 --jitter 2000 --twice 100 --held 100 --hold 100000
  net_lossy_member bank 100
}
path_good() {
  net_heal
  net_wire bank
  ip netns exec bank nft flush ruleset
  used_count
}
# The member's datagrams to each replica are counted before anything drops them.
used_count() {
  local i
  ip netns exec bank nft -f - <<NFT
table inet used {
$(for ((i = 0; i < replicas; i++)); do echo "  counter r$i { }"; done)
  chain out { type filter hook output priority -10;
$(for ((i = 0; i < replicas; i++)); do echo "    ip daddr 10.88.0.$((10 + i)) meta l4proto udp counter name r$i"; done)
  }
}
NFT
}
# busiest: the replica that was sent most since the last time, which is the one that gets the frames; - if none was sent anything.
busiest() {
  ip netns exec bank nft -j reset counters table inet used | python3 -c 'import json, sys
counts = {c["counter"]["name"][1:]: c["counter"]["packets"] for c in json.load(sys.stdin)["nftables"] if "counter" in c}
name = max(counts, key=counts.get)
print(name if counts[name] else "-")'
}
member_cut() {
  ip netns exec bank nft -f - <<NFT
table inet cut {
  chain in { type filter hook input priority 0; ip saddr 10.88.0.$((10 + $1)) drop; }
  chain out { type filter hook output priority 0; ip daddr 10.88.0.$((10 + $1)) drop; }
}
NFT
}

# ---- One fault a second ---------------------------------------------------------------------------------------------------
faults=0 fail_overs=0 before=- broken=none down=none
declare -A faults_by=([cut]=0 [stop]=0 [kill]=0)
# The fault is over. A replica that was killed needs a while; no other is taken away until it runs again.
mend() {
  case $broken in
    cut) ip netns exec bank nft delete table inet cut ;;
    stop) kill -CONT "${pid_of[$before]}" ;;
    kill) replica_start $before && down=$before ;;
  esac
  broken=none
}
whole() {
  [ $down = none ] && return
  [ "$(grep -c 'hub running' "hub/replica-$down.log" || true)" -ge "${starts_of[$down]}" ] && down=none && return
  kill -0 "${pid_of[$down]}" || fail "replica $down does not start again"
  return 1
}
# break_one: the path to the replica in use is broken, whichever that is now; another than last time is one fail-over more.
break_one() {
  local now how=cut
  mend
  now=$(busiest)
  [ "$now" != - ] || return 0
  [ "$now" = "$before" ] || [ "$before" = - ] || fail_overs=$((fail_overs + 1))
  faults=$((faults + 1)) before=$now
  if whole; then
    case $((faults % 5)) in 2) how=stop ;; 4) how=kill ;; esac
  fi
  case $how in
    cut) member_cut $now ;;
    stop) kill -STOP "${pid_of[$now]}" ;;
    kill) replica_kill $now ;;
  esac
  broken=$how faults_by[$how]=$((${faults_by[$how]} + 1))
}
# storm SECONDS COMMAND...: a fault each second, then the command. Which replica is in use the second's last part tells.
storm() {
  local second due=$((SECONDS + 1)) seconds=$1
  shift
  for ((second = 0; second < seconds; second++)); do
    break_one
    "$@"
    sleep 0.5
    busiest >/dev/null
    while [ $SECONDS -lt $due ]; do sleep 0.05; done
    due=$((SECONDS + 1))
  done
  mend
  until whole; do sleep 0.1; done
  # As many as there are faults where each is noticed within its second. A busy machine takes longer, and a life that ends begins at
  # its home again.
  [ $fail_overs -ge $((faults / 4)) ] && [ $faults -ge $((seconds * 3 / 4)) ] ||
    fail "$fail_overs fail-overs by $faults faults in $seconds s"
  step "$faults faults in $seconds s (cut ${faults_by[cut]}, stopped ${faults_by[stop]}, killed ${faults_by[kill]}): $fail_overs fail-overs"
  faults=0 fail_overs=0 before=- faults_by=([cut]=0 [stop]=0 [kill]=0)
}

path_bad
used_count
hub_start
step "4 replicas run; seed $seed; the member's path: $(cut -d : -f 2 netbox-bank.log), 10 % lost, doubled, overtaken"

# ---- giro send
# Frames of two payments, few at a time: the path's delay makes them last longer than all that happens on it.
# sender_start [giro send options...]: in the member's namespace.
sender_start() {
  ip netns exec bank "$bin/giro" send "${keyed[@]}" --hub "$hub" --spool sent.spool --records 2 --json send.json --quiet "$@" >>send.log 2>&1 &
  sender=$!
}
sender_runs() { kill -0 $sender 2>/dev/null || { cat send.log >&2; fail "everything was sent before $1"; }; }
sender_kills=0
sender_kill() {
  [ $((faults % 4)) = 3 ] || return 0
  sender_runs "the sender was killed"
  kill -9 $sender
  wait $sender 2>/dev/null || true
  sender_kills=$((sender_kills + 1))
  sender_start --resume --outstanding 8
}
sender_start sent.csv --outstanding 8
storm 15 sender_kill
sender_runs "the path was good again"
path_good
kill -9 $sender
wait $sender 2>/dev/null || true
sender_start --resume
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
step "giro send, killed $sender_kills times: every payment has its certified status: frames $(check value send.json outcomes)"

# ---- The outbox
export GIRO_MEMBER_LIBRARY=$bin/libgiro_member.so PYTHONPATH=$e2e_root/member PYTHONDONTWRITEBYTECODE=1
# life COMMAND...: the member, run by the command, until it dies or everything is done; its last words in member.log.
life() {
  ip netns exec bank "$@" env LD_PRELOAD="${GIRO_PRELOAD:-} $GIRO_DIE_AT_LIBRARY" \
    ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0 python3 "$e2e_tests/e2e/stream.py" hub/genesis.json hub/keys "${bics[1]}" \
    outbox "$hub" receipts stop "${bics[@]:2}" >>member.log 2>&1
}
# By turns: a life that ends before the Nth write of its opening, one before the Nth write since its first payment, and one of two seconds,
# which has the time to fail over; N grows by one each turn.
lives() {
  local at=0 code how
  : >deaths
  while [ ! -e stop ]; do
    at=$((at + 1))
    for how in "env GIRO_DIE_AT_WRITE=$at" "env GIRO_STREAM_DIE_AT=$at" "timeout -s KILL 2"; do
      code=0
      life $how || code=$?
      echo "$at $code $how" >>deaths
      [ $code != 0 ] || return 0
      [ $code = 137 ] || return 1
    done
  done
}
path_bad
used_count
lives 2>/dev/null &
lives=$!
lives_on() { kill -0 $lives 2>/dev/null || { tail -n 5 member.log >&2; fail "the member ended otherwise than by kill -9: $(tail -n 1 deaths)"; }; }
storm "${GIRO_STREAM_SECONDS:-120}" lives_on
path_good
touch stop
code=0
wait $lives || code=$?
[ $code = 0 ] || { tail -n 5 member.log >&2; fail "the member ended otherwise than by kill -9: $(tail -n 1 deaths)"; }
[ -e payments.csv ] || life env || { tail -n 5 member.log >&2; fail "the member does not come to its end"; }
deaths=$(grep -c ' 137 ' deaths)
kept=$(($(wc -l <payments.csv) - 1))
[ "$deaths" -ge 30 ] || fail "only $deaths deaths"
[ "$(cut -d ' ' -f 1 receipts | sort -un | wc -l)" = $kept ] || fail "not every payment has its receipt"
step "an outbox, killed $deaths times, also before each of the first $(grep -c STREAM deaths) writes of opening and of paying: $kept payments, each with its receipt"

admin close-cycle CZK
hub_settle 25
pull
hub_stop
verify hub files
books_conserved
[ "$(check value summary.json payments)" = $((payments + kept)) ] || fail "$(check value summary.json payments) payments instead of $((payments + kept))"
check sent files sent.csv payments.csv
check ledgers hub/replica-{0,1,2,3}
step "each is there once, by counts and by sums, on all four replicas"
