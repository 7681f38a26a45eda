#!/bin/bash
# Hostile and wrong input to a running hub: bad frames are counted per reason and never logged one by one; a bad CSV sends nothing
# and names line and column; wrong payments come back with their ISO code.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
e2e_begin "$@"
bad_frames=${GIRO_BAD_FRAMES:-$bin/../tests/bad_frames}
[ -x "$bad_frames" ] || fail "no bad_frames at $bad_frames"
hub_make "--members AAAACZPP,BBBBCZPP,CCCCCZPP,DDDDCZPP --currency CZK --currency JPY" --prefunded 1000000 --hold 500000 --cap 1000
replica_https() { echo "127.0.0.1:$((base_port + 200 + $1))"; }
ulimit -Sn 1024
hub_start
# A thousand members' files and as many requests as may come at once never leave a replica without a descriptor for its own.
[ "$(awk '/Max open files/ { print $4 }' "/proc/${pid_of[0]}/limits")" -ge 2048 ] || fail "a replica may run out of descriptors"

# ---- Frames
lines() { wc -l <hub/replica-0.log; }
hub_status before.json
lines_before=$(lines)
"$bad_frames" reject hub/genesis.json hub/keys "127.0.0.1:$base_port" 40 >expected.txt
hub_settle 20
cp status.json after.json
check rejects "$(replica_https 0)" before.json after.json expected.txt
[ $(($(lines) - lines_before)) -le 3 ] || fail "$(($(lines) - lines_before)) log lines for bad frames"
kill -0 "${pid_of[0]}" || fail "replica 0 did not survive"
step "bad frames: counted as $(tr '\n' ' ' <expected.txt)"

# ---- Payments that are refused, each with its code, in the sender's statuses.csv
admin set-account DDDDCZPP CZK closed
cat >wrong.csv <<'CSV'
uetr,debtor_bic,creditor_bic,currency,amount,value_date,service
22222222-2222-4222-8222-000000000001,AAAACZPP,ZZZZCZPP,CZK,1.00,,
22222222-2222-4222-8222-000000000002,AAAACZPP,BBBBCZPP,CZK,0.00,,
22222222-2222-4222-8222-000000000003,AAAACZPP,BBBBCZPP,CZK,-5.00,,
22222222-2222-4222-8222-000000000004,AAAACZPP,DDDDCZPP,CZK,1.00,,
22222222-2222-4222-8222-000000000005,AAAACZPP,BBBBCZPP,CZK,1000.01,,
22222222-2222-4222-8222-000000000006,AAAACZPP,BBBBCZPP,CZK,7.00,,
22222222-2222-4222-8222-000000000006,AAAACZPP,BBBBCZPP,CZK,7.00,,
22222222-2222-4222-8222-000000000008,AAAACZPP,BBBBCZPP,CZK,1.00,2001-01-01,
22222222-2222-4222-8222-000000000009,AAAACZPP,BBBBCZPP,CZK,600000.00,,GROSS
22222222-2222-4222-8222-00000000000a,AAAACZPP,BBBBCZPP,CZK,9.00,,GROSS
22222222-2222-4222-8222-00000000000b,AAAACZPP,AAAACZPP,CZK,1.00,,
CSV
expect 0 '' "$giro" send "${keyed[@]}" --hub "$hub" --payments wrong.csv --json wrong.json
hub_settle 20
pull
check reasons files/AAAACZPP 1=RC04 2=AM01 3=AM12 4=AC04 5=AM13 6=ACSP,AM05 8=DT01 9=AM04 a=ACSC b=RC04
step "refused payments have their codes"

# ---- Files that do not parse: file, line, column, what was expected; nothing is sent
hub_status before.json
head='uetr,debtor_bic,creditor_bic,currency,amount'
row=',AAAACZPP,BBBBCZPP,CZK,1.00'
bad() { # bad NAME PLACE TEXT: the CSV comes on standard input
  cat >"$1.csv"
  expect 1 "$1.csv:$2: " "$giro" send "${keyed[@]}" --hub "$hub" --payments "$1.csv"
  grep -qF -- "$3" out || { cat out >&2; fail "$1: does not say what was expected: \"$3\""; }
  expect 1 "$1.csv:$2: " "$giro" send "${trust[@]}" --check --payments "$1.csv"
  [ ! -e "$1.csv.spool" ] || fail "$1: a spool was made"
}
bad empty 1:1 'a header line' </dev/null
bad missing 1:1 'amount must be there' <<<'uetr,debtor_bic,creditor_bic,currency'
bad unknown 1:46 'columns are uetr' <<<"$head,colour"
bad again 1:46 'each column once' <<<"$head,amount"
printf '%s\n' "$head" "$row" "$row,9" | bad fields 3:1 'as many fields as the header'
printf '%s\n' "$head" "not-a-uetr$row" | bad uetr 2:1 '36 characters'
printf '%s\n' "$head" ',XXXXCZPP,BBBBCZPP,CZK,1.00' | bad debtor 2:2 'the BIC of a member'
printf '%s\n' "$head" ',AAAACZPP,B?,CZK,1.00' | bad creditor 2:11 'a BIC of 8 or 11 characters'
printf '%s\n' "$head" ',AAAACZPP,BBBBCZPP,XXX,1.00' | bad currency 2:20 'a currency of the genesis file'
printf '%s\n' "$head" ',AAAACZPP,BBBBCZPP,CZK,ten' | bad amount 2:24 'digits, and a point'
printf '%s\n' "$head" ',AAAACZPP,BBBBCZPP,CZK,1.001' | bad decimals 2:24 'no more decimals'
printf '%s\n' "$head" ',AAAACZPP,BBBBCZPP,JPY,1.5' | bad yen 2:24 'no more decimals'
printf '%s\n' "$head" ',AAAACZPP,BBBBCZPP,CZK,12345678901234567890' | bad digits 2:24 'at most 18 digits'
printf '%s\n' "$head,value_date" "$row,5.1.1993" | bad date 2:29 'a date such as'
printf '%s\n' "$head,service" "$row,FAST" | bad service 2:29 'NET or GROSS'
printf '%s\n' "$head,latest_time" "$row,25:00" | bad time 2:29 'a UTC time such as'
printf '%s\n' "$head,reason" "$row,XX99" | bad reason 2:29 'a reason code such as'
printf '%s\n' "$head" "\"${row}" | bad quote 2:1 'a closing quote'
printf '%s\n' "$head" ',"AAAACZPP"x,BBBBCZPP,CZK,1.00' | bad behind 2:12 'a comma or the end'
printf '%s\n' "$head" ',AAAA"CZPP,BBBBCZPP,CZK,1.00' | bad inside 2:6 'quoted as a whole'
for bytes in '\303\050' '\300\200' '\340\200\257' '\355\240\200' '\364\220\200\200' '\303' 'a\000b' '\377'; do
  printf "%s,instruction_id\n%s,$bytes\n" "$head" "$row" | bad "utf8_$(tr -dc 0-9 <<<"$bytes")" 2:29 'UTF-8'
done
printf '\357\273\277%s,instruction_id\r\n%s,"\305\275i\305\276kov ""7"", \360\237\217\246"\r\n' "$head" "$row" >good.csv
expect 0 '1 payments, all good; nothing was sent' "$giro" send "${trust[@]}" --check --payments good.csv
expect 1 'absent.csv' "$giro" send "${keyed[@]}" --hub "$hub" --payments absent.csv
hub_status after.json
check same before.json after.json frames_total payments_total ingress_taken_total received_total
step "$(ls -- *.csv | wc -l) files: line, column and expectation named, nothing sent"

hub_stop
verify hub files
books_conserved
check ledgers hub/replica-{0,1,2,3}
