#!/bin/bash
# GIRO_SESSION_KEYS: what giro send said to a replica and heard from it is read in a capture of the replica's port with the keys that
# giro logged, and not without them.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
command -v tshark >/dev/null || skip "needs tshark"
e2e_begin "$@"
replicas=1
hub_make "--members AAAACZPP,BBBBCZPP"
hub_start
{
  echo "uetr,debtor_bic,creditor_bic,currency,amount"
  for i in $(seq 45); do echo ",AAAACZPP,BBBBCZPP,CZK,$i.00"; done
} >payments.csv
"$giro" hub capture "${keyed[@]}" --https "$https" --seconds 6 --out capture.pcapng >capture.log 2>&1 &
capture=$!
sleep 1
GIRO_SESSION_KEYS=keys.log "$giro" send payments.csv "${keyed[@]}" --hub "$hub" --quiet >out 2>&1 || { cat out >&2; fail "giro send"; }
kill -INT $capture
wait $capture || true
[ -s capture.pcapng ] || { cat capture.log >&2; fail "nothing was captured"; }
[ "$(stat -c %a keys.log)" = 600 ] || fail "others may read the keys"
read_with() { HOME=$work GIRO_SESSION_KEYS=$1 tshark -n -X lua_script:"$e2e_root/dataplane/wireshark/giro.lua" -r capture.pcapng "${@:2}" 2>/dev/null; }
sealed=$(read_with keys.log -Y 'giro.session.opened == 0 || giro.malformed' | wc -l)
[ "$sealed" = 0 ] || fail "$sealed datagrams do not open with the logged keys"
paid=$(read_with keys.log -T fields -e giro.record.uetr | tr ',' '\n' | grep -v '^$' | sort -u | wc -l)
[ "$paid" = 45 ] || fail "$paid payments are shown, not 45"
read_with keys.log -Y 'giro.receipt.level == 3' | grep -q . || fail "no certified receipt is shown"
[ -z "$(read_with /dev/null -Y 'giro.record')" ] || fail "payments are readable without keys"
hub_stop
step "45 payments read in $(read_with keys.log | wc -l) packets with the logged keys"
