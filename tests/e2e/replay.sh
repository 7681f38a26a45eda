#!/bin/bash
# A replica records its consensus core, is killed (kill -9) under load, started again and stopped; giro replay runs both
# recordings again, bit for bit, without any secret key. A flipped bit stops it exactly there: by the checksum, and, with the
# checksum made right, by what the core then does. A file cut short, another hub's, and a full one are told apart.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
e2e_begin "$@"
event_flip=${GIRO_EVENT_FLIP:-$bin/../tests/event_flip}
[ -x "$event_flip" ] || fail "no event_flip at $event_flip"
hub_make "--members-count 4"
for i in 1 2; do printf 'event_log: events-%d\nevent_log_mb: 256\n' $i >>hub/replica-$i.yaml; done
sed -i 's/^event_log_mb.*/event_log_mb: 4/' hub/replica-2.yaml
"$giro" load "${keyed[@]}" --presign load.spool --payments 80000 --records 20 --wrong 20 --quiet 2>/dev/null
hub_start
"$giro" load "${keyed[@]}" --hub "$hub" --spool load.spool --rate 20000 --json load.json --quiet >load.log 2>&1 &
load=$!
sleep 1.5
replica_kill 1
sleep 0.3
replica_start 1
replica_wait 1
code=0
wait $load || code=$?
[ $code = 0 ] || { cat load.log >&2; fail "the load ended with exit code $code"; }
hub_settle 20
hub_stop
step "recorded: $(du -sh --apparent-size hub/events-1 | cut -f 1) under load, one kill -9, one restart"

log=hub/events-1/events
expect 0 'the process died' "$giro" replay "${trust[@]}" $log-00000001
grep -q 'SIGNED  ' out && grep -q 'EXECUTED  ' out && grep -q 'LOCAL_BATCH  ' out || { cat out >&2; fail "nothing happened in the recording"; }
expect 0 'the replica was stopped' "$giro" replay "${trust[@]}" $log-00000002
grep -q 'RECOVER_RECORD  ' out || fail "the restart recovered nothing"
grep -q 'incarnation 2:' out || { cat out >&2; fail "the second recording is not of the second start"; }
step "both recordings replay equal: $(grep -o '[0-9,]* events' out)"

# Only recording ends at its limit, not the replica; what was recorded replays.
[ "$(stat -c %s hub/events-2/events-00000001)" -le $((4 * 1024 * 1024)) ] || fail "the recording is larger than its limit"
grep -q 'recording stops after [0-9]* events' hub/replica-2.log || fail "the full recording is not told"
expect 0 'recording stopped at its limit' "$giro" replay "${trust[@]}" hub/events-2/events-00000001

flip() { # flip KIND [raw]: sets $number and $offset
  cp $log-00000001 flipped
  read -r number offset < <("$event_flip" flipped "$@")
}
flip EXECUTED raw
expect 1 "offset $offset, after event $((number - 1))" "$giro" replay "${trust[@]}" flipped
flip EXECUTED
expect 1 "the first difference is at event $number (EXECUTED" "$giro" replay "${trust[@]}" flipped
# A watermark beyond the log, a verdict on another batch are what the core proves cannot be: it stops as the replica would
# have, and says where.
for kind in LOG_DURABLE VERDICT; do
  flip $kind
  expect 134 "assertion failed in event $number ($kind" bash -c '"$@" || exit $?' _ "$giro" replay "${trust[@]}" flipped
done
step "a flipped bit stops the replay at its event"

end=$(stat -c %s $log-00000002)
head -c $((end / 2 + 5)) $log-00000002 >short
expect 1 'is damaged or cut short at offset' "$giro" replay "${trust[@]}" short
head -c $((end / 2)) /dev/zero | tr '\0' 'x' >noise
expect 1 'is not an event log of this hub' "$giro" replay "${trust[@]}" noise
"$giro" genesis --keys hub/keys --out other.json --name other --replicas $replicas --members-count 4 >/dev/null
expect 1 "another hub's chain id" "$giro" replay --genesis other.json $log-00000002
for f in hub/keys/replica-1/*.key; do
  ! grep -qF "$(head -c 64 "$f")" <(xxd -p $log-00000001 | tr -d "\n") || fail "a secret is in the recording"
done
step "cut, foreign and damaged files are told apart"
