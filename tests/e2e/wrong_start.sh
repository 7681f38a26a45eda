#!/bin/bash
# Replicas that must not start: wrong keys, another hub's genesis, a data folder in use, another replica's data, another hub's
# data, configurations with errors. Each says why and ends with 1 (2 for a configuration); the hub is none the worse.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
e2e_begin "$@"
hub_make "--members AAAACZPP,BBBBCZPP"
hub_start

# variant NAME SED: hub/NAME.yaml, replica 3's configuration with ports of its own, changed.
variant() {
  sed -e "s/127.0.0.1:$((base_port + 203))/127.0.0.1:$((base_port + 209))/" \
    -e "s/udp_port: .*/udp_port: $((base_port + 9))/" -e "$2" hub/replica-3.yaml >"hub/$1.yaml"
}

variant in_use ''
expect 1 'another process uses this directory' "$girod" hub/in_use.yaml
step "a second replica on the same data folder: $(head -n 1 out)"

"$giro" keygen --keys other/keys --members AAAACZPP,BBBBCZPP >/dev/null
"$giro" genesis --keys other/keys --members AAAACZPP,BBBBCZPP --out other/genesis.json >/dev/null
variant keys "s|^keys: .*|keys: $work/other/keys|; s|^data: .*|data: fresh|"
expect 1 "is not the enrolled one" "$girod" hub/keys.yaml
step "wrong keys: $(head -n 1 out)"

mkdir empty
variant no_keys "s|^keys: .*|keys: $work/empty|; s|^data: .*|data: fresh|"
expect 1 "$work/empty" "$girod" hub/no_keys.yaml
step "no keys: $(head -n 1 out)"

chmod 644 other/keys/replica-3/vote.key
variant open_keys "s|^keys: .*|keys: $work/other/keys|; s|^genesis: .*|genesis: $work/other/genesis.json|; s|^data: .*|data: fresh|"
expect 1 "vote.key" "$girod" hub/open_keys.yaml
chmod 600 other/keys/replica-3/vote.key
step "keys others can read: $(head -n 1 out)"

replica_kill 3
variant genesis "s|^keys: .*|keys: $work/other/keys|; s|^genesis: .*|genesis: $work/other/genesis.json|"
expect 1 'replica-3' "$girod" hub/genesis.yaml
step "another hub's genesis over this hub's data: $(head -n 1 out)"

variant swapped "s|^replica: .*|replica: 2|"
sed -i "s/127.0.0.1:$((base_port + 202))/127.0.0.1:$((base_port + 208))/" hub/swapped.yaml
expect 1 'replica-3' "$girod" hub/swapped.yaml
step "another replica's data: $(head -n 1 out)"

variant no_genesis "s|^genesis: .*|genesis: $work/nowhere.json|"
expect 1 "$work/nowhere.json" "$girod" hub/no_genesis.yaml
python3 - <<'PYTHON'
text = open("hub/genesis.json").read()
open("hub/broken.json", "w").write(text.replace('"replicas"', '"replicaz"', 1))
PYTHON
variant broken "s|^genesis: .*|genesis: $work/hub/broken.json|"
expect 1 'hub/broken.json" line ' "$girod" hub/broken.yaml
step "a broken genesis: $(head -n 1 out)"

# Configurations: file, line, column, what was expected; exit code 2.
config() { # config NAME SED TEXT...
  local text name=$1
  variant "$name" "$2"
  shift 2
  expect 2 "$name.yaml" "$girod" "hub/$name.yaml"
  for text in "$@"; do grep -qF -- "$text" out || { cat out >&2; fail "$name: does not say \"$text\""; }; done
  grep -qE "$name\.yaml'?:[0-9]+:[0-9]+: " out || { cat out >&2; fail "$name: no line and column"; }
  step "$(head -n 1 out)"
}
config unknown 's/^data:/dataa:/' dataa
config range 's/^replica: .*/replica: 100/' '0 to 99'
config negative 's/segment_mb: .*/segment_mb: -1/' '1 to 4096'
config word 's/^log_level: .*/log_level: loud/' 'error, warn, info or debug'
config verifier 's/^log_level: .*/verifier: sse2/' 'avx512, avx2, portable or libsodium'
config yaml 's/^keys: .*/keys: [/' ''
config address 's/^https: .*/https: nowhere/' 'host:port'
expect 1 'absent.yaml' "$girod" hub/absent.yaml
expect 2 '' "$girod"
expect 2 '' "$girod" --no-such-option hub/replica-3.yaml
expect 2 '' "$giro" no-such-command

variant peers "s/^peers:/peers:\n  - 127.0.0.1:$((base_port + 108))/"
expect 1 'the genesis file has 4 replicas' "$girod" hub/peers.yaml
step "too many peers: $(head -n 1 out)"

# The data folder nobody could harm serves its own replica again.
replica_start 3
replica_wait 3
pay() { "$giro" load "${keyed[@]}" --hub "$hub" --payments 200 --records 4 --quiet >out 2>&1 || { cat out >&2; fail "the hub does not serve"; }; }
pay
hub_settle 20
step "the hub is none the worse"

# A damaged log is refused, not guessed at. A replica without data gets everything from its peers.
replica_kill 3
python3 - <<'PYTHON'
with open("hub/replica-3/log/log-0000000000000001", "r+b") as log:
    offset = len(log.read().rstrip(b"\0")) // 4
    log.seek(offset)
    byte = log.read(1)[0]
    log.seek(offset)
    log.write(bytes([byte ^ 16]))
PYTHON
expect 1 'durable bytes are missing or damaged' "$girod" hub/replica-3.yaml
step "a damaged log: $(head -n 2 out | tail -n 1)"
rm -rf hub/replica-3
replica_start 3
replica_wait 3
pay
hub_settle 20
hub_stop
verify hub/replica-{0,1,2,3}
check ledgers hub/replica-{0,1,2,3}
step "a replica without data has everything again"
