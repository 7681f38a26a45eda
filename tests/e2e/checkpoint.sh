#!/bin/bash
# Checkpoints with real processes. A replica is killed; the others go on past several checkpoints and remove the log it would
# need; started again it fetches an image from them and is level. Then another loses everything but its keys and safety file and
# comes back the same way. Their journals of that day lack windows: members get them elsewhere, until the next day has begun and
# giro hub mend has fetched them. Equal roots on all four, every file verifies, every payment is there once.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
e2e_begin "$@"
each=4000
hub_make "--members-count 6" --checkpoint-heights 12
for i in 1 2 3 4 5 6; do
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

gaps() { find "hub/replica-$1/journal" -name '*.gap' | wc -l; }
mend() { "$giro" hub mend "hub/replica-$1" "${keyed[@]}" --https "127.0.0.1:$((base_port + 200)),127.0.0.1:$((base_port + 201))" >out 2>&1; }
[ "$(gaps 2)" = 6 ] && [ "$(gaps 3)" = 6 ] || fail "$(gaps 2) and $(gaps 3) journals withheld instead of 6"
for i in 2 3; do [ -s hub/replica-$i/journal/details.gaps ] || fail "replica $i calls its days of details whole"; done
[ ! -e hub/replica-0/journal/details.gaps ] || fail "replica 0 fetched nothing and misses details"
mend 3 || { cat out >&2; fail "giro hub mend"; }
[ "$(gaps 3)" = 6 ] || fail "a day that is not over was mended"
all=$https
https=127.0.0.1:$((base_port + 203)),$all
today=$(check number status.json business_date)
admin day-switch "$(date -d "$today + 1 day" +%F)"
load 6
hub_settle 20
pull
grep -q 'has not the whole journal' pulled || fail "replica 3 does not say that days are not whole there"
step "members got from another replica what the two have not"
# Of replica 0 one journal has a changed byte, and one lacks its last window: neither is taken.
cp -r hub/replica-0/journal sound
python3 - hub/replica-0/journal/"${bics[0]}/$today.journal" hub/replica-0/journal/"${bics[1]}/$today.journal" <<'PYTHON'
import struct, sys
changed = bytearray(open(sys.argv[1], "rb").read())
changed[len(changed) // 2] ^= 1
open(sys.argv[1], "r+b").write(changed)
short = open(sys.argv[2], "rb").read()
at = [64]
while at[-1] < len(short):
    at.append(at[-1] + struct.unpack_from("<I", short, at[-1] + 4)[0])
open(sys.argv[2], "r+b").truncate(at[-2])
PYTHON
for i in 2 3; do
  mend $i || { cat out >&2; fail "giro hub mend"; }
  [ "$(gaps $i)" = 0 ] || fail "replica $i still lacks $(gaps $i) journals"
  [ "$(grep -c 'is passed over' out)" = 2 ] || { cat out >&2; fail "the spoiled journals of replica 0 were taken"; }
done
cp -r sound/. hub/replica-0/journal/
replica_kill 3
replica_start 3
replica_wait 3
hub_settle 20
https=127.0.0.1:$((base_port + 203))
pull mended
https=$all
diff -r -x windows.journal -x manifest.json -x SHA256SUMS files mended >out || fail "replica 3's mended journals are not those of the others"
step "giro hub mend fetched them; they are those of the others, also after a restart"
hub_stop
verify hub files
books_conserved
[ "$(check value summary.json payments)" = $((6 * each)) ] || fail "$(check value summary.json payments) payments"
check payments files $((6 * each))
check tails hub/replica-{0,1,2,3}
step "every payment is there once; all four end with equal roots; trimmed logs, images and files verify"
