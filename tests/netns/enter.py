"""Runs the tests of this folder in namespaces of their own: `make test-netns`.

They give themselves the addresses of metadata services, and a resolver that lies. That takes root and Linux
namespaces; where these are not to be had, one line says so. Nothing outside may change, and that is compared.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
LIMIT_S = 180
# The tests' processes are children of the first one inside: when it ends, so do they.
UNSHARE = ["unshare", "--net", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"]
TRIAL = "ip link set lo up && ip address add fd00:ec2::254/128 dev lo && mount --bind /etc/hosts /etc/resolv.conf"
MASKED = [Path(f"/etc/{name}") for name in ("resolv.conf", "hosts", "nsswitch.conf")]


def obstacle():
    """Why the tests can't run here, or None."""
    if sys.platform != "linux":
        return "network namespaces are Linux's"
    if os.geteuid() != 0:
        return "it takes root"
    for program in ("unshare", "ip", "mount"):
        if shutil.which(program) is None:
            return f"`{program}` is not installed"
    for file in MASKED:
        if not file.is_file():
            return f"{file} is missing"
    tried = subprocess.run([*UNSHARE, "sh", "-c", TRIAL], capture_output=True, text=True, timeout=30)
    if tried.returncode:
        said = tried.stderr.strip().splitlines()
        return f"namespaces can't be used here ({said[-1] if said else f'exit code {tried.returncode}'})"
    return None


def outside():
    """What must be afterwards as it was before."""
    addresses = subprocess.run(
        ["ip", "-o", "address", "show", "dev", "lo"], capture_output=True, timeout=30, check=True
    )
    kept = [line.split(b" valid_lft")[0] for line in addresses.stdout.splitlines()]
    return {"the addresses of lo": kept} | {str(file): file.read_bytes() for file in MASKED}


def namespaces():
    return ",".join(str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in ("net", "mnt"))


def main(arguments):
    reason = obstacle()
    if reason:
        print(f"tests/netns did not run: {reason}")
        return 0
    before = outside()
    pytest = [sys.executable, "-m", "pytest", str(HERE), "-p", "no:cacheprovider", *arguments]
    environment = os.environ | {"AGENTRUN_TEST_OUTSIDE": namespaces()}
    try:
        code = subprocess.run([*UNSHARE, *pytest], env=environment, timeout=LIMIT_S).returncode
    except subprocess.TimeoutExpired:
        print(f"tests/netns: not done within {LIMIT_S} s")
        code = 1
    after = outside()
    for name in before:
        if before[name] != after[name]:
            print(f"tests/netns: {name} changed outside the namespaces")
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
