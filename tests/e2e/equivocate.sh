#!/bin/bash
# A member signs two different frames under one sequence and hands them to two replicas at once: exactly one takes effect, the same
# one on every replica; the channel stands still whoever is asked, also after all were started again; both frames are kept; other
# members and the member's other channels go on; a control transaction lifts it.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
e2e_begin "$@"
bad_frames=${GIRO_BAD_FRAMES:-$bin/../tests/bad_frames}
[ -x "$bad_frames" ] || fail "no bad_frames at $bad_frames"
hub_make "--members AAAACZPP,BBBBCZPP,CCCCCZPP,DDDDCZPP"
replica_https() { echo "127.0.0.1:$((base_port + 200 + $1))"; }
# taken_of FILE BIC: of the two payments exactly one is known, and every replica proves the same of it.
taken_of() {
  local uetr i code taken=
  while read -r uetr _; do
    for i in 0 1 2 3; do
      code=0
      "$giro" status "$uetr" "${keyed[@]}" --as "$2" --https "$(replica_https $i)" >out 2>&1 || code=$?
      [ $code = 0 ] || grep -q 'answers 404' out || { cat out >&2; fail "replica $i about $uetr"; }
      [ $code != 0 ] || taken+="$uetr:$(sha256sum <out | cut -c 1-8) "
    done
  done <"$1"
  [ "$(wc -w <<<"$taken")" = 4 ] || fail "both or neither took effect, or not on every replica: $taken"
  [ "$(tr ' ' '\n' <<<"$taken" | grep . | sort -u | wc -l)" = 1 ] || fail "not the same on every replica: $taken"
}
# pays CODE TEXT BIC CHANNEL: one payment of the member ends like that.
pays() {
  local payee=DDDDCZPP
  [ $3 != DDDDCZPP ] || payee=AAAACZPP
  printf '%s\n' uetr,debtor_bic,creditor_bic,currency,amount ",$3,$payee,CZK,1.00" >one.csv
  rm -f one.csv.spool
  expect "$1" "$2" "$giro" send "${keyed[@]}" --hub "$hub" --channel "$4" --json one.json one.csv
}
stopped() {
  pays 1 'had no effect' "$1" 0
  [ "$(check value one.json outcomes)" = "{'CHANNEL_STOPPED': 1}" ] || fail "channel 0 of $1 does not stand still: $(cat one.json)"
}
hub_start

# Each pair of neighbours once, so that every replica is handed both a first and a second frame.
members=(AAAACZPP BBBBCZPP CCCCCZPP)
for first in 0 1 2; do
  bic=${members[$first]}
  "$bad_frames" equivocate hub/genesis.json hub/keys "127.0.0.1:$((base_port + first))" "127.0.0.1:$((base_port + first + 1))" \
    $bic $first >frames-$first || fail "the frames of $bic could not be sent"
done
hub_settle 20
[ "$(check number status.json payments_total)" = 3 ] || fail "$(check number status.json payments_total) payments were executed, not 3"
for first in 0 1 2; do
  taken_of frames-$first ${members[$first]}
  stopped ${members[$first]}
done
pays 0 ACSP BBBBCZPP 1
pays 0 ACSP DDDDCZPP 0
step "of three pairs of frames, each by two replicas, one took effect; three channels stand still, others go on"

hub_settle 20 # a payment is certified by three of four
hub_stop
for first in 0 1 2; do check evidence frames-$first hub/replica-{0,1,2,3}; done
check ledgers hub/replica-{0,1,2,3}
hub_start
stopped AAAACZPP
expect 1 'was refused' "$giro" admin lift-channel DDDDCZPP 0 "${keyed[@]}" --https "$https"
admin lift-channel BBBBCZPP 0
pays 0 ACSP BBBBCZPP 0
stopped AAAACZPP
stopped CCCCCZPP
step "both frames are on every replica's disk; the stops outlive a restart; the one that was lifted is gone"

hub_settle 20
pull
hub_stop
verify hub files
books_conserved
check payments files 6
check ledgers hub/replica-{0,1,2,3}
step "the books are conserved, all ledgers and their state roots are equal"
