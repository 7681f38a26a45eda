#!/bin/bash
# The demo: four replicas on this machine, payments, a kill and a restart, a cycle; then every file is verified.
# With --traitor nobody is killed: one replica lies instead, and the table at the end shows who noticed what.
# Runs in a network namespace of its own where that is allowed, and leaves nothing running, mounted or named behind.
# Exit codes: 0 every check holds, 1 something does not, 2 wrong usage.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
bin=${GIRO_BIN:-$root/build/bin}
replicas=4
victim=2

usage() {
  cat <<'HELP'
usage: ./dev demo [OPTION...]
  --payments FILE.csv   send these payments instead of generated ones
  --date YYYY-MM-DD     business date (default: today)
  --seconds N           length of the generated load (default: 10)
  --members N           member banks of the generated load (default: 24)
  --out DIR             where keys, data and files go (default: demo-out)
  --port dpdk|udp       packet path (default: dpdk; udp where namespaces are not allowed)
  --traitor             one replica equivocates, withholds and forges a window; nobody is killed
HELP
}
fail() {
  printf 'demo: %s\n' "$1" >&2
  [ $# -lt 2 ] || printf '  hint: %s\n' "$2" >&2
  exit 1
}
wrong() {
  printf 'demo: %s\n  hint: ./dev demo --help\n' "$1" >&2
  exit 2
}

payments='' date='' seconds=10 members=24 out=demo-out port=dpdk traitor=''
arguments=("$@")
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --traitor) traitor=3; shift ;;
    --payments | --date | --seconds | --members | --out | --port)
      [ $# -ge 2 ] || wrong "$1 needs a value"
      declare "${1#--}=$2"
      shift 2 ;;
    *) wrong "what is \"$1\"?" ;;
  esac
done
case $port in dpdk | udp) ;; *) wrong "--port is dpdk or udp, not \"$port\"" ;; esac
[[ $seconds =~ ^[0-9]+$ ]] && [ "$seconds" -ge 2 ] && [ "$seconds" -le 600 ] || wrong "--seconds is a number from 2 to 600"
[[ $members =~ ^[0-9]+$ ]] && [ "$members" -ge 2 ] && [ "$members" -le 600 ] || wrong "--members is a number from 2 to 600"
[ -z "$payments" ] || [ -r "$payments" ] || fail "\"$payments\" cannot be read"
[ -x "$bin/girod" ] && [ -x "$bin/giro" ] || fail "the programs are not built" "./dev build"
lying=$bin/../tests/girod-traitor
[ -z "$traitor" ] || [ -x "$lying" ] || fail "the traitor's program is not built" "./dev build girod-traitor"

# ---- A network of our own -------------------------------------------------------------------------------------------

# Starts this script again inside a new network namespace: as root directly, else as root of a user namespace.
if [ -z "${GIRO_DEMO_NAMESPACE:-}" ]; then
  export GIRO_DEMO_NAMESPACE=none
  if [ "$(id -u)" = 0 ] && unshare -n true 2>/dev/null; then
    GIRO_DEMO_NAMESPACE=root exec unshare -n bash "${BASH_SOURCE[0]}" "${arguments[@]}"
  elif unshare -rn true 2>/dev/null; then
    GIRO_DEMO_NAMESPACE=user exec unshare -rn bash "${BASH_SOURCE[0]}" "${arguments[@]}"
  fi
fi
if [ "$GIRO_DEMO_NAMESPACE" != none ]; then
  ip link set lo up
elif [ "$port" = dpdk ]; then
  printf 'demo: neither root nor unprivileged namespaces are allowed here: kernel UDP instead of DPDK\n'
  port=udp
fi

# ---- Leaving nothing behind ---------------------------------------------------------------------------------------------

declare -A pid_of=()
stopping=
cleanup() {
  local pid
  local -a running
  stopping=yes
  # Only children that still run: the id of one that ended may be somebody else's by now.
  mapfile -t running < <(jobs -pr)
  for pid in "${running[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${running[@]}"; do
    for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    kill -9 "$pid" 2>/dev/null || true
  done
  wait 2>/dev/null || true
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# ---- The hub ---------------------------------------------------------------------------------------------------------------

if [ -e "$out" ] && [ -n "$(ls -A "$out" 2>/dev/null)" ]; then
  [ -e "$out/.giro-demo" ] || fail "\"$out\" holds other files" "choose another folder with --out"
  rm -rf -- "$out"
fi
mkdir -p "$out"
out=$(cd "$out" && pwd)
touch "$out/.giro-demo"
giro=("$bin/giro")
started=$(date +%s)
step() { printf '%3d s  %s\n' $(($(date +%s) - started)) "$*"; }

if [ -n "$payments" ]; then
  payments=$(realpath "$payments")
  who=(--payments "$payments")
else
  who=(--members-count "$members")
fi
[ -z "$date" ] || dated=(--date "$date")
"$bin/giro" keygen --keys "$out/keys" --replicas $replicas "${who[@]}" >/dev/null
"$bin/giro" genesis --keys "$out/keys" --out "$out/genesis.json" --name demo --replicas $replicas \
  --prefunded 100000000000 "${dated[@]}" "${who[@]}" >/dev/null
"$bin/giro" hub --genesis "$out/genesis.json" --keys "$out/keys" --out "$out" --port $port --files >/dev/null

hub='' https=''
for i in $(seq 0 $((replicas - 1))); do
  if [ $port = dpdk ]; then
    # members' end (kernel sockets) and hub's end (owned by DPDK: no address); checksums must be on the wire
    ip link add "member$i" type veth peer name "giro$i"
    sysctl -qw "net.ipv6.conf.giro$i.disable_ipv6=1" "net.ipv6.conf.member$i.disable_ipv6=1" 2>/dev/null || true
    ip address add "10.77.$i.1/24" dev "member$i"
    ip link set "member$i" up
    ip link set "giro$i" up
    ethtool -K "member$i" tx off tx-udp-segmentation off >/dev/null 2>&1 || true
    hub+="${hub:+,}10.77.$i.2:7400"
  else
    hub+="${hub:+,}127.0.0.1:$((7400 + i))"
  fi
  https+="${https:+,}127.0.0.1:$((7600 + i))"
done
# Members ask the traitor first.
[ -z "$traitor" ] || https="127.0.0.1:$((7600 + traitor)),${https//,127.0.0.1:$((7600 + traitor))/}"

start_replica() {
  local program=$bin/girod
  [ "$1" != "$traitor" ] || program=$lying
  "$program" "$out/replica-$1.yaml" >>"$out/replica-$1.log" 2>&1 &
  pid_of[$1]=$!
}
# wait_running I N: until replica I has said N times that it runs.
wait_running() {
  for _ in $(seq 300); do
    [ "$(grep -c 'hub running' "$out/replica-$1.log" || true)" -lt "$2" ] || return 0
    kill -0 "${pid_of[$1]}" 2>/dev/null || break
    sleep 0.1
  done
  tail -n 5 "$out/replica-$1.log" >&2
  fail "replica $1 does not run" "see $out/replica-$1.log"
}

step "starting $replicas replicas, packets by $port"
for i in $(seq 0 $((replicas - 1))); do start_replica "$i"; done
for i in $(seq 0 $((replicas - 1))); do wait_running "$i" 1; done

# ---- The load ----------------------------------------------------------------------------------------------------------------

if [ -n "$payments" ]; then
  load=("${giro[@]}" send --payments "$payments" --spool "$out/payments.spool"
    --uetr-seed "$(sha256sum "$payments" | cut -c1-64)")
  half=1
else
  step "signing payments"
  "${giro[@]}" load --genesis "$out/genesis.json" --keys "$out/keys" --presign "$out/load.spool" \
    --payments $((seconds * 60000)) --records 20 --wrong 5 --seed 7 2>/dev/null
  load=("${giro[@]}" load --spool "$out/load.spool" --seconds "$seconds")
  half=$((seconds / 2))
fi
step "streaming payments"
"${load[@]}" --genesis "$out/genesis.json" --keys "$out/keys" --hub "$hub" --json "$out/load.json" --quiet &
load_pid=$!
if [ -z "$traitor" ]; then
  sleep "$half"
  kill -9 "${pid_of[$victim]}"
  wait "${pid_of[$victim]}" 2>/dev/null || true
  step "replica $victim killed (kill -9)"
  sleep 1
  start_replica $victim
  wait_running $victim 2
  step "replica $victim runs again"
else
  step "replica $traitor lies: two proposals a round, two votes, votes and batches withheld, a forged window per member"
fi
load_code=0
wait "$load_pid" || load_code=$?
[ $load_code = 0 ] || fail "not every payment got its certified outcome (exit $load_code)" "see $out/load.json"

# ---- The cycle, the files, the checks ------------------------------------------------------------------------------------------

for currency in $(python3 -c 'import json,sys; print(*[c["code"] for c in json.load(open(sys.argv[1]))["currencies"]])' "$out/genesis.json"); do
  "${giro[@]}" admin close-cycle "$currency" --genesis "$out/genesis.json" --keys "$out/keys" --https "$https" >/dev/null
  step "cycle closed and settled: $currency"
done
bics=$(python3 -c 'import json,sys; print(*[m["bic"] for m in json.load(open(sys.argv[1]))["members"]])' "$out/genesis.json")
first=${bics%% *}
step "waiting until all replicas agree and the last window is sealed"
"${giro[@]}" status --genesis "$out/genesis.json" --keys "$out/keys" --as "$first" --https "$https" --settle 20 \
  --json "$out/status.json" >"$out/replicas.txt" || { cat "$out/replicas.txt"; fail "the replicas do not agree in time" "see $out/replica-*.log"; }

step "members pull their files"
as=()
for bic in $bics; do as+=(--as "$bic"); done
"${giro[@]}" recon pull --genesis "$out/genesis.json" --keys "$out/keys" --https "$https" --out "$out" "${as[@]}" \
  >"$out/pull.txt" 2>"$out/pull.log" || { cat "$out/pull.log" >&2; fail "a member could not pull its files"; }
"${giro[@]}" recon netting --genesis "$out/genesis.json" --out "$out/netting" "$out"/*/*/windows.journal >/dev/null

step "stopping the replicas"
for i in "${!pid_of[@]}"; do kill "${pid_of[$i]}"; done
for i in "${!pid_of[@]}"; do
  code=0
  wait "${pid_of[$i]}" || code=$?
  [ $code = 0 ] || fail "replica $i stopped with exit code $code" "see $out/replica-$i.log"
done

step "verifying every file"
rm -f "$out/load.spool" "$out/payments.spool"
honest=("$out")
if [ -n "$traitor" ]; then
  honest=("$out/netting")
  for bic in $bics; do honest+=("$out/$bic"); done
  for i in $(seq 0 $((replicas - 1))); do [ "$i" = $traitor ] || honest+=("$out/replica-$i"); done
  code=0
  "${giro[@]}" verify --quiet --genesis "$out/genesis.json" "$out/replica-$traitor" >"$out/traitor.txt" 2>&1 || code=$?
  [ $code = 1 ] || fail "giro verify does not refuse what replica $traitor forged (exit $code)"
fi
"${giro[@]}" verify --genesis "$out/genesis.json" "${honest[@]}" >"$out/verify.txt" || fail "a file does not verify"
tail -n 1 "$out/verify.txt"
[ -z "$traitor" ] || python3 "$(dirname "${BASH_SOURCE[0]}")/traitor_table.py" "$out" $traitor ||
  fail "a lie was not noticed" "see $out/status.json and $out/pull.log"
printf '\n'
cat "$out/replicas.txt"
printf '\n'
"${giro[@]}" summary --genesis "$out/genesis.json" --load "$out/load.json" --out "$out/summary.json" "$out" ||
  fail "the books are not conserved"
printf '\n'
step "all checks hold; files are in $out"
