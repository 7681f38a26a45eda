#!/bin/bash
# The demo with a lying replica, small: its lies are noticed by every honest replica and by members, and nothing is lost.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
e2e_begin "$@"
code=0
GIRO_BIN=$bin GIRO_DEMO_NAMESPACE=$GIRO_E2E_NAMESPACE bash "$e2e_root/apps/demo/demo.sh" --traitor --port udp --seconds 2 --members 6 \
  --out demo >out 2>&1 || code=$?
if [ $code != 0 ]; then
  tail -n 20 out demo/replica-*.log >&2
  fail "the demo ended with exit code $code"
fi
grep -q '6 of 6 refused the window' out || { cat out >&2; fail "not every member refused its forged window"; }
grep -q 'all checks hold' out || fail "the demo does not say that all checks hold"
step "$(grep 'refused the window' out | xargs)"
