#!/bin/bash
# Tables of keys: built once by replicas that start together, mapped by all; a damaged file is built again at a start, and one that
# changes under running replicas stops them.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
e2e_begin "$@"
hub_make "--members AAAACZPP,BBBBCZPP"
hub_start
built=0
for ((i = 0; i < replicas; i++)); do
  line=$(grep -o '[0-9]* tables of 8 bits.*' "hub/replica-$i.log") || fail "replica $i does not tell its tables"
  [[ $line =~ ^([0-9]+)\ tables.*:\ ([0-9]+)\ built,\ ([0-9]+)\ shared$ ]] || fail "replica $i says '$line'"
  [ "${BASH_REMATCH[1]}" = "${BASH_REMATCH[3]}" ] || fail "replica $i shares ${BASH_REMATCH[3]} of ${BASH_REMATCH[1]} tables"
  tables=${BASH_REMATCH[1]}
  built=$((built + BASH_REMATCH[2]))
done
[ $built = "$tables" ] || fail "$built tables were built, $tables are there"
[ "$(find hub/key-tables -name '*.comb' -perm 600 | wc -l)" = "$tables" ] || fail "not $tables files of mode 600"
step "four replicas built $built tables together and map them"

# damage FILE: changes a byte in the middle.
damage() { printf 'g' | dd of="$1" bs=1 seek=200001 conv=notrunc status=none; }
file=$(find hub/key-tables -name '*.comb' | sort | head -n 1)
hub_stop
damage "$file"
echo "verifier: portable" >>hub/replica-1.yaml
hub_start
grep -q 'running: .*, verifier portable$' hub/replica-1.log || fail "replica 1 verifies in another way than its configuration says"
[ "$(cat hub/replica-?.log | grep -c "\"[^\"]*$(basename "$file")\" is damaged; it is built again")" -ge 1 ] ||
  fail "nobody reports the damaged file"
step "a file damaged while the hub stood still is reported and built again"

damage "$(find hub/key-tables -name '*.comb' | sort | tail -n 1)"
for ((i = 0; i < replicas; i++)); do
  for _ in $(seq 600); do
    kill -0 "${pid_of[$i]}" 2>/dev/null || break
    sleep 0.05
  done
  code=0
  wait "${pid_of[$i]}" || code=$?
  [ $code = 1 ] || fail "replica $i ended with $code"
  grep -q 'ERROR.* of an enrolled key has changed' "hub/replica-$i.log" || fail "replica $i does not say why it stopped"
done
step "a table that changed under them stopped all four"
hub_start
step "started again, they have built it anew"
hub_stop
