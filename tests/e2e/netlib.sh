# A hub whose replicas and members each have a network namespace of their own, joined by a bridge, with faults on the wires.
# Sourced after lib.sh, whose functions it replaces where they start processes.
#
#   net_begin "$@"
#   net_make 4 "--members-count 8" [slow replicas...]   slow ones are reached through tests/tools/netbox
#
# Everything lives in namespaces of this test alone - network, mounts, processes - and in memory: however it ends, even by
# kill -9, nothing is left behind. Needs root, or a kernel that lets users make namespaces; else it is skipped aloud.

net_begin() {
  local how tool
  if [ -z "${GIRO_E2E_NAMESPACE:-}" ]; then
    for how in -nmpf -rnmpf; do
      unshare $how --kill-child --mount-proc true 2>/dev/null || continue
      GIRO_E2E_NAMESPACE=net exec unshare $how --kill-child --mount-proc bash "$0" "$@"
    done
    skip "no namespaces are allowed here"
  fi
  for tool in ip nft tc ethtool; do command -v $tool >/dev/null || skip "no $tool here"; done
  mount --make-rprivate / && mount -t tmpfs tmpfs /run && mount -t tmpfs -o mode=1777 tmpfs /mnt || skip "no mounts are allowed here"
  netbox=${GIRO_NETBOX:-$1/../tests/netbox}
  [ -x "$netbox" ] || fail "no netbox at $netbox"
  netbox=$(realpath "$netbox")
  TMPDIR=/mnt e2e_begin "$@"
  trap net_end EXIT
  ip link add name hub type bridge
  ip link set hub up
  net_node members 250
  # What members type runs at the members.
  printf '#!/bin/sh\nexec ip netns exec members %s "$@"\n' "$giro" >giro-at-members
  chmod +x giro-at-members
  giro=$work/giro-at-members
  declare -gA netbox_of=()
}

net_end() {
  local code=$?
  set +e
  umount -l "$work"/hub/replica-? 2>/dev/null
  (exit $code)
  e2e_end
}

# net_node NAME HOST [slow]: namespace NAME with eth0 10.88.0.HOST; its wire ends in the bridge, or, slow, in a netbox.
# Offloads are off: frames carry their checksums and are no larger than frames, as on a wire.
net_node() {
  local name=$1 end=$1
  ip netns add "$name"
  if [ -n "${3:-}" ]; then
    end=$name-a
    ip link add name "$name-b" type veth peer name "$name"
    net_up "$name-b"
  fi
  ip link add name "$end" type veth peer name eth0 netns "$name"
  net_up "$end"
  ip link set "$name" master hub up
  ip netns exec "$name" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 2>/dev/null || true
  ip -n "$name" link set lo up
  ip -n "$name" address add "10.88.0.$2/24" dev eth0
  ip netns exec "$name" ethtool -K eth0 tx off tx-udp-segmentation off tso off gso off gro off >/dev/null 2>&1 || true
  ip -n "$name" link set eth0 up
}
net_up() {
  sysctl -qw "net.ipv6.conf.$1.disable_ipv6=1" 2>/dev/null || true
  ethtool -K "$1" tx off tx-udp-segmentation off tso off gso off gro off >/dev/null 2>&1 || true
  ip link set "$1" up
}

# net_make REPLICAS "keygen and genesis options" [slow replicas...]: namespaces, keys, genesis, configurations; each replica's
# data on a small disk of its own. One packet lost behind a slow wire makes a block later than a quarter of a second.
net_make() {
  local who=$2 i slow
  replicas=$1
  shift 2
  for ((i = 0; i < replicas; i++)); do
    slow=
    [[ " $* " != *" $i "* ]] || slow=slow
    net_node r$i $((10 + i)) $slow
    [ -z "$slow" ] || net_wire r$i --seed $((seed + i))
  done
  hub_make "$who" --clock-bound 2000
  hub='' https=''
  for ((i = 0; i < replicas; i++)); do
    sed -i "s/127\.0\.0\.1:\(7[56]0$i\)/10.88.0.$((10 + i)):\1/" hub/replica-*.yaml
    sed -i "s/address: 127.0.0.1/address: 10.88.0.$((10 + i))/; s/segment_mb: .*/segment_mb: 4/" hub/replica-$i.yaml
    hub+=${hub:+,}10.88.0.$((10 + i)):740$i https+=${https:+,}10.88.0.$((10 + i)):760$i
    mkdir hub/replica-$i
    mount -t tmpfs -o size=192m tmpfs hub/replica-$i
  done
}

# lib.sh's, in the replica's namespace.
replica_start() {
  : >>"hub/replica-$1.log" # there before replica_wait reads it
  ip netns exec r$1 "$girod" "hub/replica-$1.yaml" >>"hub/replica-$1.log" 2>&1 &
  pid_of[$1]=$!
  starts_of[$1]=$((${starts_of[$1]:-0} + 1))
}

# ---- Faults --------------------------------------------------------------------------------------------------------------

# net_wire NAME [netbox options...]: another plan for a slow node's wire; netbox-NAME.log says its delays.
net_wire() {
  local name=$1 _
  shift
  if [ -n "${netbox_of[$name]:-}" ]; then
    kill "${netbox_of[$name]}"
    wait "${netbox_of[$name]}" || fail "the netbox of $name failed: $(cat netbox-$name.log)"
  fi
  "$netbox" "$@" $name-a $name-b >netbox-$name.log 2>&1 &
  netbox_of[$name]=$!
  for _ in $(seq 100); do
    [ ! -s netbox-$name.log ] || return 0
    sleep 0.02
  done
  fail "no netbox for $name"
}

# net_cut "REPLICAS" "REPLICAS": nothing passes between the two groups; members reach everybody.
net_cut() {
  local i there
  for i in $1; do
    there=$(for j in $2; do printf '10.88.0.%d,' $((10 + j)); done)
    ip netns exec r$i nft -f - <<NFT
table inet cut {
  chain in { type filter hook input priority 0; ip saddr { $there } drop; }
  chain out { type filter hook output priority 0; ip daddr { $there } drop; }
}
NFT
  done
}

# net_lossy REPLICA PER_MILLE: of what reaches it.
net_lossy() {
  ip netns exec r$1 nft -f - <<NFT
table inet lossy {
  chain in { type filter hook input priority 1; meta iifname "eth0" numgen random mod 1000 < $2 drop; }
}
NFT
}

# net_lossy_member NAME PER_MILLE: of all datagrams between the member's node and each replica, in both directions. Dropped where
# they arrive: whoever sends is not told.
net_lossy_member() {
  local i from
  from=$(ip -n "$1" -4 -o address show dev eth0 | sed 's/.*inet \([0-9.]*\).*/\1/')
  for ((i = 0; i < replicas; i++)); do
    ip netns exec r$i nft -f - <<NFT
table inet lossy_member {
  chain in { type filter hook input priority 1; ip saddr $from meta l4proto udp numgen random mod 1000 < $2 drop; }
}
NFT
  done
  ip netns exec "$1" nft -f - <<NFT
table inet lossy_member {
  chain in { type filter hook input priority 1; meta l4proto udp numgen random mod 1000 < $2 drop; }
}
NFT
}

# net_narrow REPLICA RATE: the bandwidth towards it, as tc writes it (20mbit).
net_narrow() { tc qdisc replace dev r$1 root tbf rate $2 burst 64k latency 100ms; }

# Cuts, losses and narrow wires are over; slow wires stay.
net_heal() {
  local i
  for ((i = 0; i < replicas; i++)); do
    ip netns exec r$i nft flush ruleset
    tc qdisc delete dev r$i root 2>/dev/null || true
  done
}

# disk_fill REPLICA, disk_free REPLICA: its whole disk, by a file of somebody else; again, what was given back since.
disk_fill() { cat /dev/zero >>"hub/replica-$1/filler" 2>/dev/null || true; }
disk_free() { rm -f "hub/replica-$1/filler"; }

# ---- What must hold ------------------------------------------------------------------------------------------------------

# certified: the height the quickest replica that answers says is certified; 0 if none does.
certified() {
  "$giro" status "${keyed[@]}" --as "${bics[0]}" --https "$https" --json now.json >/dev/null 2>&1 || true
  python3 -c 'import json; print(max([0] + [r["certified_height"] for r in json.load(open("now.json")).values() if r]))'
}

# ordered: the highest committed height of all replicas, once each has answered. Its certificate may come later.
ordered() {
  local _
  for _ in $(seq 20); do
    "$giro" status "${keyed[@]}" --as "${bics[0]}" --https "$https" --json now.json >/dev/null 2>&1 || true
    python3 -c 'import json; rs = json.load(open("now.json")).values(); all(rs) or exit(1); print(max(r["committed_height"] for r in rs))' &&
      return
    sleep 0.2
  done
  fail "a replica does not answer its members"
}

# certifies_on SECONDS HEIGHT: something above HEIGHT is certified within that time.
certifies_on() {
  local end=$((SECONDS + $1))
  while [ $SECONDS -lt $end ]; do
    [ "$(certified)" -le "$2" ] || return 0
    sleep 0.2
  done
  return 1
}
