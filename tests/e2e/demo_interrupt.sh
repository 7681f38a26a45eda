#!/bin/bash
# Ctrl-C in the middle of the demo: no process of it and no interface is left, over UDP and (where allowed) over DPDK; and a
# demo whose replicas do not come up ends by itself and says so.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
e2e_begin "$@"
[ "$GIRO_E2E_NAMESPACE" != none ] || skip "no right to make a network namespace: the demo's ports may be in use"

processes() { # of the demo that writes to $1, by their command lines
  local path
  for path in /proc/[0-9]*/cmdline; do
    if tr '\0' ' ' 2>/dev/null <"$path" | grep -qF -- "$1"; then basename "$(dirname "$path")"; fi
  done
}
interfaces() { ip -o link | cut -d : -f 2 | sort; }

# interrupt PORT WORDS SIGNAL: starts the demo as a terminal would, in a process group of its own, and sends the signal to
# the whole group as soon as the demo has said WORDS.
interrupt() {
  local out=$work/demo-$1-$3 before pid code=0 left _
  before=$(interfaces)
  set -m
  GIRO_BIN=$bin bash "$e2e_root/apps/demo/demo.sh" --seconds 6 --members 4 --port "$1" --out "$out" >"$out.log" 2>&1 </dev/null &
  pid=$!
  set +m
  for _ in $(seq 600); do
    ! grep -qF "$2" "$out.log" || break
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.05
  done
  grep -qF "$2" "$out.log" || { cat "$out.log" >&2; fail "the demo never said \"$2\""; }
  sleep 0.3
  kill -"$3" -- "-$pid"
  for _ in $(seq 200); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.05
  done
  ! kill -0 "$pid" 2>/dev/null || fail "the demo still runs 10 s after SIG$3"
  wait "$pid" || code=$?
  [ $code != 0 ] || fail "an interrupted demo ended with 0"
  left=$(processes "$out")
  [ -z "$left" ] || fail "after SIG$3 there is still: $(for p in $left; do tr '\0' ' ' <"/proc/$p/cmdline"; echo; done)"
  [ "$(interfaces)" = "$before" ] || fail "after SIG$3 the interfaces are: $(interfaces)"
  ! grep -q . < <(mount | grep -F "$out") || fail "something is mounted"
  step "$1, SIG$3 at \"$2\": ends with $code, nothing left"
}
interrupt udp "streaming payments" INT
interrupt udp "starting 4 replicas" INT
interrupt udp "killed (kill -9)" TERM
if ip link add probe type veth peer name ebrop 2>/dev/null; then
  ip link delete probe
  interrupt dpdk "streaming payments" INT
else
  step "not over DPDK: no right to make interfaces here"
fi
