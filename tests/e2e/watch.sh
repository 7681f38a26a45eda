#!/bin/bash
# giro send: several files, standard input, and a watched folder. The folder's process is killed before steps that the outside can see,
# one after another, with other sends of the same member in between: every file takes effect exactly once, no sequence is left open,
# and every file ends in done or failed with its result beside it.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
e2e_begin "$@"
replicas=1 # what dies here is the sender
hub_make "--members AAAACZPP,BBBBCZPP,CCCCCZPP"
hub_start
sends=("${keyed[@]}" --hub "$hub" --quiet)
total=0

# payments N FILE SEED: N payments of A and B; the same seed, the same bytes.
payments() {
  python3 - "$@" <<'PYTHON'
import sys
count, path, seed = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
with open(path, "w") as file:
    file.write("uetr,debtor_bic,creditor_bic,currency,amount,service\n")
    for i in range(count):
        debtor = "BBBBCZPP" if i % 3 == 0 else "AAAACZPP"
        file.write(f",{debtor},CCCCCZPP,CZK,{seed}.{i % 100:02d},GROSS\n")
PYTHON
}
sent() { total=$((total + $1)); }

# Several files: all or nothing; standard input.
payments 30 one.csv 1
payments 25 two.csv 2
printf 'uetr,debtor_bic,creditor_bic,currency,amount\n,AAAACZPP,CCCCCZPP,CZK,1.001\n' >wrong.csv
expect 1 'wrong.csv:2' "$giro" send one.csv wrong.csv "${sends[@]}"
expect 2 'which file' "$giro" send "${sends[@]}"
expect 2 'sent alone' "$giro" send one.csv - "${sends[@]}"
expect 2 'of one file' "$giro" send one.csv two.csv --json x "${sends[@]}"
expect 2 'keeps its own spools' "$giro" send one.csv --watch in "${sends[@]}"
expect 0 '' "$giro" send one.csv two.csv "${sends[@]}"
sent 55
payments 12 three.csv 3
expect 1 'standard input:2' "$giro" send - "${sends[@]}" <wrong.csv
expect 0 '' "$giro" send - "${sends[@]}" <three.csv
sent 12
[ -z "$(find . -maxdepth 1 -name '*.spool')" ] || fail "a spool is left"
step "files and standard input"

# put NAME N SEED: a file, renamed into the folder.
mkdir in
put() {
  payments "$2" "in/.$1" "$3"
  mv "in/.$1" "in/$1"
}
watch_once() { "$giro" send --watch in --once "${sends[@]}"; }
put good.csv 7 4
sent 7
cp wrong.csv in/.bad && mv in/.bad in/bad.csv
expect 1 'bad.csv: failed' "$giro" send --watch in --once "${sends[@]}"
[ -f in/done/good.csv ] && [ -f in/failed/bad.csv ] || fail "files are not where they belong"
grep -q '"ACSC": 7' in/done/good.csv.result.json || fail "good.csv has no result"
grep -q 'bad.csv:2' in/failed/bad.csv.result.json || fail "bad.csv has no reason"
put again.csv 7 4
expect 1 'again.csv: failed  sent before as "good.csv"' "$giro" send --watch in --once "${sends[@]}"
grep -q '"result": "duplicate"' in/failed/again.csv.result.json || fail "again.csv was not refused"
step "a folder: done, failed, sent before"

# Death before one step after another (every fourth, with effort every one). The next run takes up what is there, and dies later.
deaths=0 files=0
[ "${GIRO_EFFORT:-1}" -gt 1 ] && stride=1 || stride=4
for ((at = 1; at < 400; at += stride)); do
  files=$((files + 1))
  put "file-$at.csv" 4 $((100 + at))
  sent 4
  code=0
  LD_PRELOAD=$GIRO_DIE_AT_LIBRARY GIRO_DIE_AT=$at ASAN_OPTIONS=verify_asan_link_order=0 watch_once >>watch.log 2>&1 || code=$?
  [ $code = 137 ] || [ $code = 0 ] || { tail watch.log >&2; fail "exit code $code at step $at"; }
  [ $code = 137 ] || break
  deaths=$((deaths + 1))
  if ((files % 5 == 0)); then # somebody else takes sequences of the same channel
    payments 2 other.csv $((1000 + at))
    expect 0 '' "$giro" send other.csv "${sends[@]}"
    sent 2
  fi
done 2>/dev/null
[ $deaths -ge 20 ] || fail "only $deaths deaths"
expect 0 '' "$giro" send --watch in --once "${sends[@]}"
[ -z "$(find in/.giro -name '*.spool' -o -path '*/taken/*')" ] || fail "something is left: $(ls in/.giro/*)"
done_count=$(find in/done -name 'file-*.csv' | wc -l)
[ "$done_count" = $files ] || fail "$done_count of $files files are done"
[ "$(cat in/done/file-*.result.json | grep -c '"result": "done"')" = $files ] || fail "results are missing"
step "killed before $deaths steps: $done_count files done"

# A running watch: files while it runs, one that is written in place, a second watcher, Ctrl-C.
"$giro" send --watch in "${sends[@]}" >live.log 2>&1 &
watcher=$!
until_there() {
  local _
  for _ in $(seq 200); do
    [ ! -e "$1" ] || return 0
    sleep 0.05
  done
  cat live.log >&2
  fail "$1 does not come"
}
put live-1.csv 3 500
until_there in/done/live-1.csv
sent 3
expect 1 'another process watches' "$giro" send --watch in "${sends[@]}"
payments 3 in/in-place.csv 501
put live-2.csv 3 502
until_there in/done/live-2.csv
sent 3
[ -f in/in-place.csv ] || fail "a file that nobody renamed was taken"
grep -q 'in-place.csv" was written in the folder' live.log || fail "nothing was said about in-place.csv"
mv in/in-place.csv in/renamed.csv
until_there in/done/renamed.csv
sent 3
exec 9>>in/.open
payments 3 in/.text 503
cat in/.text >&9
mv in/.open in/open.csv
put live-3.csv 3 504
until_there in/done/live-3.csv
sent 3
[ -f in/open.csv ] || fail "a file was taken while somebody had it open for writing"
exec 9>&-
until_there in/done/open.csv
sent 3
kill -INT $watcher
code=0
wait $watcher || code=$?
[ $code = 0 ] || fail "Ctrl-C ends with $code"
step "watched live"

# A gap in a channel would stop it 1,024 sequences further on.
payments 1100 long.csv 600
expect 0 '' "$giro" send long.csv "${sends[@]}" --records 1
sent 1100
hub_settle
sleep 1.2
pull
check payments files $total
hub_stop
step "$total payments, each exactly once; no sequence is left open"
