#!/usr/bin/env python3
"""traitor_table.py OUT TRAITOR: what the others noticed of a lying replica, from a demo's status.json, pull.log and
traitor.txt. Exit code 1 if they missed something: evidence at every honest replica, a forged window at every member."""
import collections
import json
import re
import sys


def main(out, traitor):
    name = f"replica-{traitor}"
    status = json.load(open(f"{out}/status.json", encoding="utf-8"))
    members = json.load(open(f"{out}/genesis.json", encoding="utf-8"))["members"]
    port = 7600 + traitor
    did = [line for line in open(f"{out}/{name}.log", encoding="utf-8") if line.startswith("traitor: ")]
    print(f"\nthe traitor, {name}: " + (did[-1].removeprefix("traitor: ").strip() if did else "says nothing"))
    print(f"{'':11}  {'evidence kept against it':44}  refused from it")
    noticed = True
    for address, said in sorted(status.items()):
        if address.endswith(f":{port}"):
            continue
        kept = collections.Counter(item["what"] for item in said["evidence"] if item["against"] == name)
        others = [item for item in said["evidence"] if item["against"] != name]
        refused = said["peer_rejects"].get(name, {})
        print(f"replica-{int(address.rsplit(':', 1)[1]) - 7600:<3}  "
              f"{', '.join(f'{what} {count}' for what, count in sorted(kept.items())):44}  "
              f"{', '.join(f'{what} {count}' for what, count in sorted(refused.items()))}")
        noticed = noticed and bool(kept) and not others
    log = open(f"{out}/pull.log", encoding="utf-8").read().replace("\r", "\n")
    passed_over = len(re.findall(rf"127\.0\.0\.1:{port} is passed over", log))
    print(f"{'members':11}  {passed_over} of {len(members)} refused the window it forged for them and pulled from another")
    print(f"{'verify':11}  " + " ".join(open(f"{out}/traitor.txt", encoding="utf-8").read().split()))
    return 0 if noticed and passed_over >= 1 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
