#!/bin/bash
# Sealed details: names, accounts, references and texts of payments pass through four replicas, and a search of all their disks -
# logs, ledgers, journals, event logs, images, days of details - finds none of them in any form. Debtor and creditor read them
# back into their files; nobody else gets them.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
e2e_begin "$@"
hub_make "--members AAAACZPP,BBBBCZPP,CCCCCZPP --currency CZK" --prefunded 100000000 --checkpoint-heights 4
for i in 0 1 2 3; do printf 'event_log: ../events-%s\n' $i >>hub/replica-$i.yaml; done
sealed() { python3 "$e2e_tests/e2e/sealed.py" "$@" || fail "sealed.py $*"; }
sealed make payments.csv
sealed present payments.csv payments.csv
hub_start

"$giro" send "${keyed[@]}" --hub "$hub" --payments payments.csv >out 2>&1 || { cat out >&2; fail "the payments"; }
# Until a checkpoint has made an image and cut the log: what is searched is everything a replica ever writes.
"$giro" load "${keyed[@]}" --hub "$hub" --payments 400 --records 20 --seed 3 --quiet >out 2>&1 || { cat out >&2; fail "the load"; }
admin close-cycle CZK
hub_settle 20
ls hub/replica-0/log/image-* >/dev/null || fail "no checkpoint was taken"
step "60 payments with details, and 400 without"

# ---- Both sides' files
pull files
sealed references payments.csv files
verify files hub
grep -q details.opened files/AAAACZPP/*/SHA256SUMS || fail "the opened details are not part of the cut"
(cd files/AAAACZPP/*/ && sha256sum --quiet -c SHA256SUMS) || fail "SHA256SUMS"
pull files # the same again
step "references in entries, positions and statuses of debtor and creditor; giro verify makes the files again"

# A flipped byte of the opened details, of a reference in a filled column, and a missing file of them are found.
cp -r files/AAAACZPP/*/ broken
python3 - <<'PY'
data = bytearray(open("broken/details.opened", "rb").read())
data[len(data) // 2] ^= 1
open("broken/details.opened", "wb").write(data)
PY
expect 1 'details.opened' "$giro" verify "${trust[@]}" broken
cp files/AAAACZPP/*/details.opened broken/
sed -i '0,/INSTR-/s//INSTR+/' broken/entries.csv
expect 1 'entries.csv' "$giro" verify "${trust[@]}" broken
cp files/AAAACZPP/*/entries.csv broken/
rm broken/details.opened
expect 1 'not what the sealed windows say' "$giro" verify "${trust[@]}" broken

# ---- Every replica has the same days of details; a replica that died and one that was cut get them again
digests() { (cd "hub/replica-$1/journal" && sha256sum ./*/*.details | sort -k 2); }
digests 0 >days
[ "$(wc -l <days)" = 3 ] || fail "$(wc -l <days) days of details, not one a member"
for i in 1 2 3; do digests $i | cmp - days || fail "replica $i has other days of details"; done
replica_kill 2
for file in hub/replica-2/journal/*/*.details; do truncate -s -100 "$file"; done
replica_start 2
replica_wait 2
hub_settle 20
digests 2 >days_2
cmp -s days days_2 || step "replica 2 lost the end of its days behind a checkpoint: other replicas have it"
pull again
diff -r files again >&2 || fail "files differ after a replica lost a part"
step "the days of details of all replicas are the same, and members miss nothing that one of them lost"

# ---- Without keys there are no references, and no error
mkdir -p poor/AAAACZPP
cp hub/keys/AAAACZPP/session.key poor/AAAACZPP/
expect 0 ' 0 of ' "$giro" recon pull "${trust[@]}" --keys poor --as AAAACZPP --https "$https" --out none
verify none
grep -q INSTR none/AAAACZPP/*/entries.csv && fail "references without a key"
# Another member's sealing key opens nothing, and is refused as what it is.
cp hub/keys/BBBBCZPP/sealing.key poor/AAAACZPP/
expect 1 'not the enrolled key' "$giro" recon pull "${trust[@]}" --keys poor --as AAAACZPP --https "$https" --out none2

# ---- Nothing of it is on a replica's disk
hub_stop
sealed absent payments.csv hub/replica-{0,1,2,3} hub/replica-{0,1,2,3}.log events-{0,1,2,3}
step "no name, account, reference or text on any replica's disk"
