# What the end-to-end tests share: a hub of real processes in a network namespace and a folder of its own.
#
#   source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
#   e2e_begin "$@"          called as: TEST.sh BIN_FOLDER
#
# A test ends with 0 (passed), 1 (failed; the reason is the last line) or 77 (skipped, with the reason). Whatever it
# started is stopped by its process id, and its folder is removed, however it ends. Sourced, never run.
set -euo pipefail

e2e_tests=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
e2e_root=$(dirname "$e2e_tests")
e2e_name=$(basename "$0" .sh)
replicas=4

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}
skip() {
  printf 'SKIPPED: %s\n' "$*"
  exit 77
}
step() { printf '%3d s  %s\n' $SECONDS "$*"; }

# e2e_begin BIN: moves into a namespace where that is allowed, makes $work, sets $bin, $giro and $girod.
e2e_begin() {
  [ $# -eq 1 ] || fail "usage: $e2e_name.sh BIN_FOLDER"
  bin=$(cd "$1" && pwd)
  giro=$bin/giro girod=$bin/girod
  [ -x "$giro" ] && [ -x "$girod" ] || fail "no giro and girod in $bin"
  if [ -z "${GIRO_E2E_NAMESPACE:-}" ]; then
    export GIRO_E2E_NAMESPACE=none
    if [ "$(id -u)" = 0 ] && unshare -n true 2>/dev/null; then
      GIRO_E2E_NAMESPACE=root exec unshare -n bash "$0" "$bin"
    elif unshare -rn true 2>/dev/null; then
      GIRO_E2E_NAMESPACE=user exec unshare -rn bash "$0" "$bin"
    fi
  fi
  [ "$GIRO_E2E_NAMESPACE" = none ] || ip link set lo up
  work=$(mktemp -d "${TMPDIR:-/tmp}/giro-e2e-$e2e_name.XXXXXX")
  declare -gA pid_of=() starts_of=()
  trap e2e_end EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  cd "$work"
  base_port=$(e2e_free_port)
}

e2e_end() {
  local code=$? pid
  trap - EXIT INT TERM
  set +e
  if [ $code != 0 ] && [ $code != 77 ]; then e2e_show_logs >&2; fi
  # Only children that still run: the id of one that ended may be somebody else's by now.
  local -a running
  mapfile -t running < <(jobs -pr)
  for pid in "${running[@]}"; do kill "$pid" 2>/dev/null; done
  for pid in "${running[@]}"; do
    for _ in $(seq 50); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.1
    done
    kill -9 "$pid" 2>/dev/null
  done
  wait 2>/dev/null
  cd /
  if [ $code != 0 ] && [ -n "${GIRO_E2E_KEEP:-}" ]; then
    printf 'kept: %s\n' "$work" >&2
  else
    rm -rf -- "$work"
  fi
  exit $code
}

e2e_show_logs() {
  local log
  for log in "$work"/hub/replica-*.log "$work"/out; do
    [ -s "$log" ] || continue
    printf -- '--- %s\n' "$log"
    tail -n 15 "$log"
  done
}

# The first of a range of ports: fixed in a namespace of its own, else one where all ports used are free.
e2e_free_port() {
  if [ "$GIRO_E2E_NAMESPACE" != none ]; then
    echo 7400
    return
  fi
  python3 - <<'PYTHON'
import random, socket
def free(kind, port):
    with socket.socket(socket.AF_INET, kind) as s:
        try:
            s.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False
while True:
    base = random.randrange(20000, 30000)
    if all(free(socket.SOCK_DGRAM, base + i) and free(socket.SOCK_STREAM, base + 100 + i)
           and free(socket.SOCK_STREAM, base + 200 + i) for i in range(4)):
        print(base)
        break
PYTHON
}

# ---- A hub ----------------------------------------------------------------------------------------------------------

# addresses OFFSET: "127.0.0.1:PORT,..." of all replicas.
addresses() {
  local i list=
  for ((i = 0; i < replicas; i++)); do list+=${list:+,}127.0.0.1:$((base_port + $1 + i)); done
  echo "$list"
}

# hub_make "keygen and genesis options" [genesis options...]: keys, genesis and configurations in $work/hub.
hub_make() {
  local -a who=($1)
  shift
  hub=$(addresses 0) https=$(addresses 200)
  "$giro" keygen --keys hub/keys --replicas $replicas "${who[@]}" >/dev/null
  "$giro" genesis --keys hub/keys --out hub/genesis.json --name "$e2e_name" --replicas $replicas "${who[@]}" "$@" >/dev/null
  "$giro" hub --genesis hub/genesis.json --keys hub/keys --out hub --base-port "$base_port" >/dev/null
  # Small segments: little disk, and a load that rolls over them.
  sed -i 's/segment_mb: 64/segment_mb: 8/' hub/replica-*.yaml
  sed -i "s/^limits:/&\n  verify_threads: ${GIRO_E2E_VERIFY_THREADS:-0}/" hub/replica-*.yaml
  trust=(--genesis hub/genesis.json)
  keyed=("${trust[@]}" --keys hub/keys)
  mapfile -t bics < <(python3 -c 'import json; [print(m["bic"]) for m in json.load(open("hub/genesis.json"))["members"]]')
}

replica_start() {
  # The shell's words about a killed job are no news here.
  : >>"hub/replica-$1.log" # there before replica_wait reads it
  "$girod" "hub/replica-$1.yaml" >>"hub/replica-$1.log" 2>&1 &
  pid_of[$1]=$!
  starts_of[$1]=$((${starts_of[$1]:-0} + 1))
}

# replica_wait I: until replica I has said that it runs, as often as it was started.
replica_wait() {
  local _
  for _ in $(seq 400); do
    [ "$(grep -c 'hub running' "hub/replica-$1.log" || true)" -lt "${starts_of[$1]}" ] || return 0
    kill -0 "${pid_of[$1]}" 2>/dev/null || break
    sleep 0.05
  done
  fail "replica $1 does not run"
}

replica_kill() {
  kill -9 "${pid_of[$1]}"
  wait "${pid_of[$1]}" 2>/dev/null || true
}

hub_start() {
  local i
  for ((i = 0; i < replicas; i++)); do replica_start $i; done
  for ((i = 0; i < replicas; i++)); do replica_wait $i; done
}

# replica_stopped I: it was told to stop, and does so in good order, with 0.
replica_stopped() {
  local code=0
  wait "${pid_of[$1]}" || code=$?
  [ $code = 0 ] || fail "replica $1 stopped with exit code $code"
}

# Stops every replica in good order.
hub_stop() {
  local i
  for ((i = 0; i < replicas; i++)); do kill "${pid_of[$i]}"; done
  for ((i = 0; i < replicas; i++)); do replica_stopped $i; done
}

# All replicas answer, agree and have been quiet for two seconds; their words go to $work/status.json.
hub_settle() {
  "$giro" status "${keyed[@]}" --as "${bics[0]}" --https "$https" --settle "${1:-20}" --json status.json >out 2>&1 ||
    { cat out >&2; fail "the replicas do not agree"; }
}

hub_status() {
  "$giro" status "${keyed[@]}" --as "${bics[0]}" --https "$https" --json "${1:-status.json}" >out 2>&1 ||
    { cat out >&2; fail "a replica does not answer"; }
}

admin() { "$giro" admin "$@" "${keyed[@]}" --https "$https" >out 2>&1 || { cat out >&2; fail "giro admin $*"; }; }

# pull [DIR]: every member's files into DIR/<BIC>/<date>/, and the netting reports into DIR/netting.
pull() {
  local bic out=${1:-files}
  local -a as=()
  for bic in "${bics[@]}"; do as+=(--as "$bic"); done
  "$giro" recon pull "${keyed[@]}" --https "$https" --out "$out" "${as[@]}" >pulled 2>&1 ||
    { cat pulled >&2; fail "a member could not pull its files"; }
  "$giro" recon netting "${trust[@]}" --out "$out/netting" "$out"/*/*/windows.journal >out 2>&1 ||
    { cat out >&2; fail "the netting reports cannot be cut"; }
}

verify() { "$giro" verify "${trust[@]}" --quiet "$@" >out 2>&1 || { cat out >&2; fail "giro verify $*"; }; }

# books_conserved [DIR]: giro summary; leaves $work/summary.json.
books_conserved() {
  "$giro" summary "${trust[@]}" --out summary.json "${1:-files}" >out 2>&1 ||
    { cat out >&2; fail "the books are not conserved"; }
}

# ---- Expecting --------------------------------------------------------------------------------------------------------

# expect CODE TEXT COMMAND...: the command ends with this code and says this text (a fixed string; '' for any).
expect() {
  local want=$1 text=$2 code=0
  shift 2
  timeout 30 "$@" >out 2>&1 || code=$?
  [ $code = "$want" ] || { cat out >&2; fail "exit code $code instead of $want: $*"; }
  [ -z "$text" ] || grep -qF -- "$text" out || { cat out >&2; fail "does not say \"$text\": $*"; }
}

# check NAME ARGUMENT...: tests/e2e/check.py, which explains what it found wrong.
check() { python3 "$e2e_tests/e2e/check.py" "$@" || fail "check $*"; }
