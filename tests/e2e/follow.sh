#!/bin/bash
# giro follow and giro position: what they show while it happens is, line for line, what the verified files then hold: over a
# replica that dies, one that stands still, the follower's own kill -9 with a torn last line, and a day switch.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
e2e_begin "$@"
hub_make "--members AAAACZPP,BBBBCZPP,CCCCCZPP"
member=(--as AAAACZPP "${keyed[@]}" --https "$https")

expect 2 '--as and --https are needed' "$giro" follow
expect 2 'not "yesterday"' "$giro" follow --as AAAACZPP --https "$https" --from yesterday
expect 2 'not "2026-11-24/1"' "$giro" follow --as AAAACZPP --https "$https" --from 2026-11-24/1
expect 2 'not "2026-11-24/-1/2"' "$giro" follow --as AAAACZPP --https "$https" --from 2026-11-24/-1/2
expect 1 'gives no answer' "$giro" position "${member[@]}" --give-up 1
step "wrong words, and no hub"

hub_start
expect 0 'as in genesis' "$giro" position "${member[@]}"
first_date=$(python3 -c 'import json; print(json.load(open("hub/genesis.json"))["business_date"])')

# payments N SEED: N payments, from A to B and C and back, half of them netted.
payments() {
  python3 - "$1" "$2" <<'PYTHON'
import sys
count, seed = int(sys.argv[1]), int(sys.argv[2])
pairs = [("AAAACZPP", "BBBBCZPP"), ("BBBBCZPP", "AAAACZPP"), ("AAAACZPP", "CCCCCZPP"), ("CCCCCZPP", "AAAACZPP")]
with open("payments.csv", "w") as file:
    file.write("uetr,debtor_bic,creditor_bic,currency,amount,service\n")
    for i in range(count):
        debtor, creditor = pairs[i % 4]
        file.write(f",{debtor},{creditor},CZK,{seed * 100 + i}.{i % 100:02d},{'NET' if i % 3 else 'GROSS'}\n")
PYTHON
  "$giro" send --payments payments.csv "${keyed[@]}" --hub "$hub" --prove --quiet >out 2>&1 || { cat out >&2; fail "giro send"; }
}

follower_start() {
  "$giro" follow "${member[@]}" --append statuses.csv 2>>follow.log &
  follower=$!
}
follower_start
"$giro" follow "${member[@]}" --rows entries --json >entries.json 2>>follow.log &
entries=$!
"$giro" position "${member[@]}" --follow --json >position.json 2>>follow.log &
position=$!

# lines N FILE: until the file has at least N lines.
lines() {
  local _
  for _ in $(seq 300); do
    [ "$(wc -l <"$2")" -lt "$1" ] || return 0
    sleep 0.1
  done
  cat follow.log >&2
  fail "$2 has $(wc -l <"$2") lines of $1"
}
for _ in $(seq 100); do [ -s position.json ] && break; sleep 0.1; done

payments 200 1
lines 101 statuses.csv
step "200 payments, followed"

# Member 0 began with replica 0: it stands still, then another dies for good.
kill -STOP "${pid_of[0]}"
payments 40 2
lines 121 statuses.csv
kill -CONT "${pid_of[0]}"
replica_kill 1
payments 40 3
lines 141 statuses.csv
replica_start 1
replica_wait 1
step "through a replica that stands still and one that dies: $(grep -c 'passed over' follow.log) times passed over"

kill -9 $follower
wait $follower 2>/dev/null || true
truncate -s -17 statuses.csv
follower_start
payments 40 4
lines 161 statuses.csv
step "the follower killed, its last line torn"

next_date=$(date -d "$first_date + 1 day" +%F)
admin day-switch "$next_date"
payments 40 5
grep -q "$next_date" <(tail -n 1 statuses.csv) || lines 182 statuses.csv
hub_settle
sleep 1.5
for pid in $follower $entries $position; do
  kill -INT $pid
  code=0
  wait $pid || code=$?
  [ $code = 0 ] || { cat follow.log >&2; fail "Ctrl-C ends with $code"; }
done
pull
check followed statuses.csv entries.json position.json "files/AAAACZPP/$first_date" "files/AAAACZPP/$next_date"
step "a day switch; the lines are those of the files"

"$giro" follow "${member[@]}" --from start --once --rows positions >positions.csv
cat "files/AAAACZPP/$first_date/positions.csv" <(tail -n +2 "files/AAAACZPP/$next_date/positions.csv") >expected
sed 's/,[^,]*,[^,]*$//' positions.csv | cmp - expected || fail "the positions from the start are others"
place=$(sed -n 7p positions.csv | sed 's/.*,//')
"$giro" follow "${member[@]}" --from "$place" --once --rows positions | tail -n +2 | cmp - <(tail -n +8 positions.csv) ||
  fail "what follows line 7 is something else"
expect 1 'cannot be continued' "$giro" follow "${member[@]}" --append positions.csv --once
# A power loss may leave zeros where lines were: more than one line is gone, so where to go on is not known.
{ cat positions.csv; head -c 5000 /dev/zero; } >torn.csv
cp torn.csv before.csv
expect 1 'cannot be continued' "$giro" follow "${member[@]}" --append torn.csv --once --rows positions
cmp torn.csv before.csv || fail "a file that cannot be continued was changed"
"$giro" follow "${member[@]}" --from start --once | head -n 1 >/dev/null
hub_stop
step "from the start, and from a line's position"

# Member 0 asks replica 0 first, which lies: it forges the first window with bookings in the journal it serves.
rm -rf hub files out statuses.csv follow.log
unset 'pid_of[0]' 'starts_of[0]' 'starts_of[1]' 'starts_of[2]' 'starts_of[3]'
hub_make "--members AAAACZPP,BBBBCZPP,CCCCCZPP"
honest=$girod girod=$bin/../tests/girod-traitor
replica_start 0
girod=$honest
for i in 1 2 3; do replica_start $i; done
for i in 0 1 2 3; do replica_wait $i; done
follower_start
sleep 1
payments 80 6
lines 41 statuses.csv
kill -INT $follower
wait $follower || fail "Ctrl-C"
grep -q 'do not hash' follow.log || { cat follow.log >&2; fail "the forged window was not noticed"; }
https=$(addresses 201) pull
sed 's/,[^,]*,[^,]*$//' statuses.csv | cmp - "files/AAAACZPP/$first_date/statuses.csv" || fail "what was followed is something else"
step "a lying replica: $(grep -m 1 'do not hash' follow.log)"
