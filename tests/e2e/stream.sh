#!/bin/bash
# One member streams its payments over a bad path - one datagram in ten lost each way, one in ten twice, one in ten overtaken,
# up to 200 ms late - while its path to the replica it uses breaks once a second, by a clock that nothing delays: the path is cut, the
# replica is stopped (SIGSTOP) or killed (kill -9) and started again. First through giro send, whose process is killed now and then;
# then through an outbox (giro/member.h), killed at every write boundary of its journal in turn and started again, for
# GIRO_STREAM_SECONDS (150). Of the faults that strike a stream four in five have been left behind by the next one: another replica gets
# the frames. At the end each payment took effect exactly once, and the member has every receipt.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$(dirname "${BASH_SOURCE[0]}")/netlib.sh"
GIRO_EFFORT=${GIRO_EFFORT:-1}
export GIRO_SEED=${GIRO_SEED:-1}
seed=$GIRO_SEED
net_begin "$@"
# Four minutes, and longer where a replica takes long to start.
[ "${GIRO_EFFORT%%.*}" -ge 2 ] 2>/dev/null || skip "a member's stream over a bad path only with GIRO_EFFORT=2 or more"
net_make 4 "--members-count 8"
net_node bank 251 slow
payments=40000
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
  clock forget
  net_heal
  net_wire bank
  ip netns exec bank nft flush ruleset
}

# ---- One fault a second ---------------------------------------------------------------------------------------------------
# clock COMMAND...: asks fault_clock.py, which answers in $answer.
clock() {
  echo "$@" >&"${fault_clock[1]}"
  read -r -u "${fault_clock[0]}" answer || fail "fault_clock.py has ended"
}
coproc fault_clock { exec ip netns exec bank python3 "$e2e_tests/e2e/fault_clock.py" $replicas; }

broken=- how=none down=none
declare -A faults_by
# The fault is over. A replica that was killed needs a while; no other is taken away until it runs again.
mend() {
  case $how in
    cut) clock mend ;;
    stop) kill -CONT "${pid_of[$broken]}" ;;
    kill) replica_start $broken && down=$broken ;;
  esac
  how=none
}
whole() {
  [ $down = none ] && return
  [ "$(grep -c 'hub running' "hub/replica-$down.log" || true)" -ge "${starts_of[$down]}" ] && down=none && return
  kill -0 "${pid_of[$down]}" || fail "replica $down does not start again"
  return 1
}
# break_one REPLICA NUMBER: the path to it is broken, in the number's way.
break_one() {
  broken=$1 how=cut
  if whole; then
    case $(($2 % 5)) in 2) how=stop ;; 4) how=kill ;; esac
  fi
  case $how in
    cut) clock cut $broken ;;
    stop) kill -STOP "${pid_of[$broken]}" ;;
    kill) replica_kill $broken ;;
  esac
  faults_by[$how]=$((${faults_by[$how]} + 1))
}
# storm SECONDS HOME COMMAND NUMBER: a fault each second to the replica that gets the frames - to the home replica where none gets any,
# since a life begins there - then the command. A fault counts that struck a stream whose life went on (the file `streaming` is there:
# an outbox that was killed sends nothing new before it knows where its channel stands); a fail-over is one at whose end, when the
# next is due, another replica gets the frames.
storm() {
  local seconds=$1 home=$2 second late now struck=- ended=0 strikes=0 fail_overs=0 late_count=0 late_most=0
  shift 2
  faults_by=([cut]=0 [stop]=0 [kill]=0)
  clock begin
  for ((second = 0; second <= seconds; second++)); do
    clock tick
    read -r late now <<<"$answer"
    [ $late -le 50 ] || late_count=$((late_count + 1))
    [ $late -le $late_most ] || late_most=$late
    if [ $struck != - ] && [ "$(wc -l <deaths)" = $ended ]; then
      strikes=$((strikes + 1))
      [ $now = - ] || [ $now = $struck ] || fail_overs=$((fail_overs + 1))
    fi
    mend
    [ $second -lt $seconds ] || break
    struck=-
    [ ! -e streaming ] || struck=$now
    [ $now != - ] || now=$home
    break_one $now $second
    ended=$(wc -l <deaths)
    "$@" $second
  done
  until whole; do sleep 0.1; done
  step "$seconds s, a fault each (cut ${faults_by[cut]}, stopped ${faults_by[stop]}, killed ${faults_by[kill]}), $late_count over 50 ms late (the most $late_most ms); $strikes struck a stream that went on: $fail_overs fail-overs"
  [ $late_count -le $((seconds / 20)) ] || fail "$late_count of $seconds faults came late"
  [ $strikes -ge $((seconds / 3)) ] || fail "only $strikes faults in $seconds s struck a stream"
  [ $((fail_overs * 10)) -ge $((strikes * 8)) ] || fail "$fail_overs fail-overs by $strikes faults"
}

path_bad
hub_start
step "4 replicas run; seed $seed; the member's path: $(cut -d : -f 2 netbox-bank.log), 10 % lost, doubled, overtaken"

# ---- giro send
# Frames of sixteen payments, a datagram each, few at a time: the path's delay makes them last longer than all that happens on it.
# sender_start [giro send options...]: in the member's namespace.
sender_start() {
  ip netns exec bank "$bin/giro" send "${keyed[@]}" --hub "$hub" --spool sent.spool --records 16 --json send.json --quiet "$@" >>send.log 2>&1 &
  sender=$!
}
sender_runs() { kill -0 $sender 2>/dev/null || { cat send.log >&2; fail "everything was sent before $1"; }; }
: >deaths >streaming
sender_kill() {
  [ $(($1 % 10)) = 7 ] || return 0
  sender_runs "the sender was killed"
  kill -9 $sender
  wait $sender 2>/dev/null || true
  echo sender >>deaths
  sender_start --resume --outstanding 16
}
sender_start sent.csv --outstanding 16
storm 40 0 sender_kill
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
step "giro send, killed $(wc -l <deaths) times: every payment has its certified status: frames $(check value send.json outcomes)"

# ---- The outbox
export GIRO_MEMBER_LIBRARY=$bin/libgiro_member.so PYTHONPATH=$e2e_root/member PYTHONDONTWRITEBYTECODE=1
# life COMMAND...: the member, run by the command, until it dies or everything is done; its last words in member.log.
life() {
  ip netns exec bank "$@" env LD_PRELOAD="${GIRO_PRELOAD:-} $GIRO_DIE_AT_LIBRARY" \
    ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0 python3 "$e2e_tests/e2e/stream.py" hub/genesis.json hub/keys "${bics[1]}" \
    outbox "$hub" receipts stop "${bics[@]:2}" >>member.log 2>&1
}
# By turns: a life that ends before the Nth write of its opening, one before the Nth write since its first payment, and one before the
# Nth write since it failed over for the sixth time after that; N grows by one each turn.
lives() {
  local at=0 code how
  while [ ! -e stop ]; do
    at=$((at + 1))
    for how in "env GIRO_DIE_AT_WRITE=$at" "env GIRO_STREAM_DIE_AT=$at" "env GIRO_STREAM_DIE_AT=$at GIRO_STREAM_FAIL_OVERS=6"; do
      code=0
      rm -f streaming
      life $how || code=$?
      echo "$at $code $how" >>deaths
      [ $code != 0 ] || return 0
      [ $code = 137 ] || return 1
    done
  done
}
path_bad
rm streaming
: >deaths
lives 2>/dev/null &
lives=$!
lives_on() { kill -0 $lives 2>/dev/null || { tail -n 5 member.log >&2; fail "the member ended otherwise than by kill -9: $(tail -n 1 deaths)"; }; }
storm "${GIRO_STREAM_SECONDS:-150}" 1 lives_on
path_good
touch stop
code=0
wait $lives || code=$?
[ $code = 0 ] || { tail -n 5 member.log >&2; fail "the member ended otherwise than by kill -9: $(tail -n 1 deaths)"; }
[ -e payments.csv ] || life env || { tail -n 5 member.log >&2; fail "the member does not come to its end"; }
deaths=$(grep -c ' 137 ' deaths)
kept=$(($(wc -l <payments.csv) - 1))
[ "$deaths" -ge 24 ] || fail "only $deaths deaths"
[ "$(cut -d ' ' -f 1 receipts | sort -un | wc -l)" = $kept ] || fail "not every payment has its receipt"
step "an outbox, killed $deaths times, also before each of the first $(grep -c FAIL_OVERS deaths) writes of opening, of paying and after a sixth fail-over: $kept payments, each with its receipt"

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
