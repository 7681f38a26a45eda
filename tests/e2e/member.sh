#!/bin/bash
# docs/member.md, followed word by word as a new user would; the same example as C++; then the Python binding with full frames,
# wrong words, a death between disk and network, and a dead home replica.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
e2e_begin "$@"

# page N: the page's Nth block of commands, with this test's folders and ports.
page() {
  awk -v wanted="$1" '/^```sh$/ { number++; inside = 1; next } /^```$/ { inside = 0 } inside && number == wanted' \
    "$e2e_root/docs/member.md" >block
  [ -s block ] || fail "the page has no block $1"
  sed -e "s#\"\$PWD/build/bin\"#$bin#; s#build/bin#$bin#g; s#-I include member/#-I $e2e_root/include $e2e_root/member/#" \
    -e "s#PYTHONPATH=member python3#PYTHONPATH=$e2e_root/member python#; s#giro hub #&--base-port $base_port #" \
    -e "s#^\./pay#timeout 60 ./pay#; s#127\.0\.0\.1:7400,.*7403\$#$(addresses 0)#" block
}
# As an instrumented library wants it.
cc() { command cc ${GIRO_SANITIZE_FLAGS:-} "$@"; }
python() { PYTHONDONTWRITEBYTECODE=1 LD_PRELOAD=${GIRO_PRELOAD:-} ASAN_OPTIONS=detect_leaks=0 timeout 60 python3 "$@"; }

bics=(AAAACZPP BBBBCZPP)
hub=$(addresses 0) https=$(addresses 200) trust=(--genesis hub/genesis.json)
keyed=("${trust[@]}" --keys hub/keys)
eval "$(page 1)" >/dev/null
sed -i 's/segment_mb: 64/segment_mb: 8/' hub/replica-*.yaml
eval "$(page 2)"
mapfile -t pids < <(jobs -pr)
for i in 0 1 2 3; do pid_of[$i]=${pids[$i]} starts_of[$i]=1; done
page 3 >example
source ./example >said || fail "the example on the page"
[[ $(cat said) =~ ^[0-9a-f]{32}\ ACSC,\ proved\ at\ height\ [0-9]+$ ]] || fail "the example says \"$(cat said)\""
eval "$(page 4)" >/dev/null || fail "the proof does not hold"
for i in 0 1 2 3; do replica_wait $i; done
step "the page: $(cat said)"

python3 - payment.proof bad.proof <<'PYTHON'
import sys
proof = bytearray(open(sys.argv[1], "rb").read())
proof[len(proof) // 2] ^= 1
open(sys.argv[2], "wb").write(proof)
PYTHON
expect 1 '' "$giro" verify "${trust[@]}" bad.proof
arguments=(hub/genesis.json hub/keys AAAACZPP outbox "$hub")
expect 0 ' ACSC, proved' "$GIRO_EXAMPLE_CXX" "${arguments[@]}" BBBBCZPP CZK 100 cxx.proof
expect 1 'the hub has no member' "$bin/giro-member-example" hub/genesis.json hub/keys CCCCCZPP outbox "$hub" BBBBCZPP CZK 1 no.proof
expect 1 'out of range' "$bin/giro-member-example" "${arguments[@]}" CCCCCZPP CZK 1 no.proof
expect 0 ' RJCT, proved' "$bin/giro-member-example" "${arguments[@]}" BBBBCZPP CZK 900000000000000 rejected.proof
step "as C++; wrong words, a bad proof; a payment that is not covered"

page 5 >example
source ./example >said || fail "the page's Python"
grep -q 'ACSC proved at height' said || fail "the page's Python says \"$(cat said)\""
export GIRO_MEMBER_LIBRARY=$bin/libgiro_member.so PYTHONPATH=$e2e_root/member
binding=("$e2e_tests/e2e/member.py" "${arguments[@]}" BBBBCZPP)
python "${binding[@]}" send python.proof || fail "Python sends"
code=0
python "${binding[@]}" die || code=$?
[ $code = 137 ] || fail "it did not die but ended with $code"
replica_kill 0
python "${binding[@]}" resume resumed.proof || fail "Python takes up what was under way"
replica_start 0
replica_wait 0
step "Python: full frames, a death, a dead home replica"

hub_settle
pull
hub_stop
verify files cxx.proof rejected.proof python.proof resumed.proof
books_conserved
check payments files 48
for bic in "${bics[@]}"; do "$giro" open "${keyed[@]}" --json --as "$bic" "files/$bic"/*/ >"$bic.json" || fail "$bic's details"; done
cmp AAAACZPP.json BBBBCZPP.json || fail "debtor and creditor read different details"
python3 - <<'PYTHON' || fail "the details are not those that were submitted"
import json
import sys
found = sorted((one["end_to_end_id"], one["remittance"], one["amount"]) for one in json.load(open("AAAACZPP.json")))
sys.exit(found != [(f"E2E-{i}", "Faktura, děkujeme", "5.00") for i in range(3)])
PYTHON
step "debtor and creditor read the details"
