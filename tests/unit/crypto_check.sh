#!/bin/bash
# giro crypto check over every published vector, and over lines that are wrong.
# usage: crypto_check.sh GIRO SOURCE_DIR
set -euo pipefail
giro=$1 source_dir=$2
shared=${GIRO_SHARED:-$source_dir/../shared}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() { printf 'crypto_check: %s\n' "$*" >&2; [ ! -s err ] || cat err >&2; exit 1; }

# expect CODE [option] FILE: leaves out and err.
expect() {
  local expected=$1 code=0
  shift
  "$giro" crypto check "$@" >out 2>err || code=$?
  [ "$code" = "$expected" ] || fail "giro crypto check $*: exit code $code, not $expected"
}
# says TEXT: in err; lines REGEX COUNT: in out.
says() { grep -qF -- "$1" err || fail "the message does not say '$1'"; }
lines() { [ "$(grep -cE -- "$1" out || true)" = "$2" ] || fail "$(grep -cE -- "$1" out || true) lines like '$1', not $2"; }

# ---- Vectors: the verdicts are libsodium's, the reasons as published ---------------------------------------------
convert='
import json, sys
for path in sys.argv[1:]:
    for case in json.load(open(path)):
        key = case.get("pub_key") or case.get("public") or case.get("key")
        message = case["msg_ascii"].encode().hex() if "msg_ascii" in case else case["message"]
        print(key, message or "-", case.get("signature") or case.get("sig"))
'
if [ -d "$shared/vectors" ]; then
  for name in rfc8032-7.1:5:5 ed25519-speccheck.cases:12:1 zip215-196:196:0; do
    IFS=: read -r file count valid <<<"$name"
    python3 -c "$convert" "$shared/vectors/$file.json" >"$file.txt"
    expect 0 --no-enrolment-check "$file.txt"
    lines '^(valid|invalid: .+)$' "$count"
    lines '^valid$' "$valid"
    expect 0 "$file.txt" # and with the checks of enrolment
    lines '^(valid|invalid: .+)$' "$count"
  done
  for reason in 'the key is a point of small order' 'the key.s encoding is not canonical'; do
    grep -qE "^invalid: $reason" out || fail "no line of zip215-196 is refused because $reason"
  done
else
  echo "SKIPPED: no shared vectors in $shared"
fi

# ---- One good signature, damaged -----------------------------------------------------------------------------------
key=d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a
signature=e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b
order=edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010
small=26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05
torsion=cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d
{
  echo "# a comment, a blank line, capitals, blanks"
  echo
  echo "$key - $signature"
  echo "  ${key^^}	-  $signature "
  echo "$key 00 $signature"
  echo "$key - ${signature:0:64}$order"
  echo "$key - $small${signature:64}"
  echo "$key - ${signature}00"
  echo "$key - ${signature:2}"
  echo "$key - -"
  echo "$torsion - $signature"
  printf '%s - %s' "$key" "$signature" # no newline at the end
} >good.txt
expect 0 good.txt
cat >expected <<'END'
valid
valid
invalid: R is not [S]B - [k]A: another key, another message, or damaged bytes
invalid: S is not below the group order
invalid: R is a point of small order
invalid: the signature is not 64 bytes long
invalid: the signature is not 64 bytes long
invalid: the signature is not 64 bytes long
invalid: the key has a torsion component
valid
END
diff expected out || fail "other verdicts"
if "$giro" crypto check good.txt >/dev/full 2>err; then fail "verdicts that nobody gets pass for success"; fi
says "the verdicts cannot be written"

# ---- Messages of 64 KiB and one byte more ------------------------------------------------------------------------------
zeros() { head -c "$1" /dev/zero | tr '\0' 0; }
echo "$key $(zeros 131072) $signature" >long.txt
expect 0 long.txt
lines '^invalid: R is not' 1
echo "$key $(zeros 131074) $signature" >longer.txt
expect 1 longer.txt
says '"longer.txt" line 1: the message is too long'

# ---- Lines that are none: file and line are named, and what is wrong ----------------------------------------------------
# wrong LINE TEXT
wrong() {
  { echo "$key - $signature"; printf -- "$1\n"; } >wrong.txt
  expect 1 wrong.txt
  says "\"wrong.txt\" line 2: $2"
  lines '^valid$' 1
}
wrong "${key}x - $signature" "the public key has an odd number of hex digits"
wrong "${key:2}xy - $signature" "the public key is not hex"
wrong "${key:2} - $signature" "the public key is not 32 bytes long"
wrong "${key}00 - $signature" "the public key is too long"
wrong "- - $signature" "the public key is not 32 bytes long"
wrong "$key 0g $signature" "the message is not hex"
wrong "$key 0 $signature" "the message has an odd number of hex digits"
wrong "$key" "the message is missing"
wrong "$key -" "the signature is missing"
wrong "$key - ${signature}0" "the signature has an odd number of hex digits"
wrong "$key - -x" "the signature is not hex"
wrong "$key - $signature 00" "the line has more than three words"
wrong "$key - \\0$signature" "it holds a zero byte"
{ zeros 400000; } >one.txt
expect 1 one.txt
says '"one.txt" line 1: it is too long'
expect 1 absent.txt
says 'cannot open "absent.txt"'
expect 1 .
says '"." line 1: it cannot be read'
expect 2
expect 2 good.txt good.txt
echo "crypto_check: all as expected"
