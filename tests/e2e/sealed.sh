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

# ---- The supervisor opens what a replica keeps, with a reason that is written down first
day=$(ls hub/replica-0/journal/BBBBCZPP/*.details)
open_as() { "$giro" open "${keyed[@]}" --json --as "$@"; }
expect 1 'why is this opened' "$giro" open "${keyed[@]}" --as supervisor "$day"
open_as supervisor --reason "case 4711" "$day" >supervised.json
sealed opened payments.csv BBBBCZPP supervised.json
sealed log hub/keys/supervisor/openings.log supervised.json "case 4711"
# Several at once: each one's lines stand together, and the hashes chain.
opening=()
for i in 1 2 3 4; do
  open_as supervisor --reason "case 4711" "$day" >"together-$i.json" &
  opening+=($!)
done
for pid in "${opening[@]}"; do wait "$pid" || fail "one of several openings at once"; done
python3 -c 'import json; print(json.dumps(json.load(open("supervised.json")) * 5))' >together.json
sealed log hub/keys/supervisor/openings.log together.json "case 4711"
# Debtor and creditor open with their own keys, a stranger nothing.
open_as BBBBCZPP "$day" >own.json
cmp own.json supervised.json || fail "a member reads other details than the supervisor"
expect 1 ' 0 of ' "$giro" open "${keyed[@]}" --as CCCCCZPP --uetr "$(sealed between payments.csv AAAACZPP BBBBCZPP GROSS)" "$day"
step "the supervisor opens with a logged reason, debtor and creditor with their keys, others nothing"

# ---- One payment for a third party, by its creditor: gross with details, netted without
folder() { ls -d "files/$1"/*/; }
gross=$(sealed between payments.csv AAAACZPP BBBBCZPP GROSS) net=$(sealed between payments.csv CCCCCZPP BBBBCZPP NET)
show() { "$giro" disclose "${keyed[@]}" "$@" >out 2>&1 || { cat out >&2; fail "giro disclose $*"; }; }
show "$gross" --as BBBBCZPP --from "$(folder BBBBCZPP)" --https "$https" --details --out gross.disclosure
show "$net" --as BBBBCZPP --from "$(folder BBBBCZPP)" --https "$https" --out net.disclosure
mkdir court && cp hub/genesis.json gross.disclosure net.disclosure court/
(cd court && "$giro" verify gross.disclosure net.disclosure) >out 2>&1 || { cat out >&2; fail "the disclosures"; }
grep -q "$gross .* from AAAACZPP to BBBBCZPP, signed by the debtor; ACSC at .*, settled, final; details shown" out || { cat out >&2; fail "gross"; }
grep -q "$net .* from CCCCCZPP to BBBBCZPP, signed by the debtor; ACSP at .*, settled with its cycle, final" out || { cat out >&2; fail "net"; }
(cd court && "$giro" open gross.disclosure --json) >court.json || fail "the court cannot read the details"
sealed one payments.csv "$gross" court.json
expect 1 '' "$giro" open "${trust[@]}" net.disclosure
# Nothing else of the frame is in them: no other UETR, no other details; of the netted one no details at all.
sealed alone payments.csv "$gross" gross.disclosure
sealed alone payments.csv "$net" net.disclosure
# By its debtor the same, whose K comes from its own file.
show "$gross" --as AAAACZPP --from "$(folder AAAACZPP)" --https "$https" --details --out debtor.disclosure
cmp debtor.disclosure gross.disclosure || fail "debtor and creditor show different things"
expect 1 'no payment' "$giro" disclose "${keyed[@]}" "$net" --as AAAACZPP --from "$(folder AAAACZPP)"
step "debtor and creditor prove one payment, gross and netted, and nothing else of its frame"

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
cmp -s days days_2 || [ -s hub/replica-2/journal/details.gaps ] || fail "replica 2 calls days whole that it lost the end of"
cmp -s days days_2 || step "replica 2 lost the end of its days behind a checkpoint: other replicas have it"
pull again
diff -r files again >&2 || fail "files differ after a replica lost a part"
step "the days of details of all replicas are the same, and members miss nothing that one of them lost"

# Replica 0, which is asked first, leaves the last window out of each journal, and serves zeros for the days of details it lists.
kill "${pid_of[0]}"
wait "${pid_of[0]}" || fail "replica 0 stopped with exit code $?"
honest=$girod girod=$bin/../tests/girod-traitor
replica_start 0
girod=$honest
replica_wait 0
pull lied
grep -q 'no whole entry\|not what was listed' pulled || { cat pulled >&2; fail "the lie was not noticed"; }
# Of the same windows another replica may have other signatures.
diff -r -x windows.journal -x manifest.json -x SHA256SUMS files lied >&2 || fail "files differ by what one replica says"
later=11111111-2222-4333-8444-555555555555
printf 'uetr,debtor_bic,creditor_bic,currency,amount,service,instruction_id\n%s,AAAACZPP,BBBBCZPP,CZK,1.00,GROSS,LATER\n' $later >later.csv
"$giro" send "${keyed[@]}" --hub "$hub" --payments later.csv >out 2>&1 || { cat out >&2; fail "the later payment"; }
hub_settle 20
pull later
show $later --as AAAACZPP --from later/AAAACZPP/*/ --https "$https" --out later.disclosure
step "a replica that proves nothing, leaves out the end of journals, and serves other details than it lists: members have both from the others"

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
