"""Makes the seccomp profile of an old engine out of that which a running engine applies.

Reads the `config.json` that the engine gave its runtime for a container (on stdin) and prints a
profile for `docker run --security-opt seccomp=FILE`: every call that engines learned to
allow after Docker 17 is gone from it, so that it gets the answer for unknown calls, EPERM. Newer
C libraries take that for a refusal, not for "ask in the old way" (ENOSYS), above all of clone3.

Sources: moby `profiles/seccomp/default.json` of 2017 and of v20.10.24; clone3 has its own answer,
ENOSYS, since v20.10.10. These calls are named with EPERM, not left out: today's runc would
answer ENOSYS to calls newer than all that a profile names (opencontainers/runc
`libcontainer/seccomp/patchbpf`), which the runtimes of then did not.
"""

import json
import sys
from typing import Any

LEARNED_LATER = frozenset(
    {
        *("clone3", "close_range", "epoll_pwait2", "faccessat2", "futex_waitv", "io_pgetevents"),
        *("io_uring_enter", "io_uring_register", "io_uring_setup", "landlock_add_rule"),
        *("landlock_create_ruleset", "landlock_restrict_self", "membarrier", "memfd_secret"),
        *("name_to_handle_at", "openat2", "pidfd_getfd", "pidfd_open", "pidfd_send_signal"),
        *("pkey_alloc", "pkey_free", "pkey_mprotect", "preadv2", "process_madvise"),
        *("process_mrelease", "process_vm_readv", "process_vm_writev", "ptrace", "pwritev2"),
        *("rseq", "statx"),
    }
)
"""Calls that the profile of 2017 does not name or allows to no container of ours."""

EPERM = 1


def as_of_2017(applied: dict[str, Any]) -> dict[str, Any]:
    """Make an old engine's profile out of a runtime's `linux.seccomp`."""
    refused = {
        "names": sorted(LEARNED_LATER),
        "action": "SCMP_ACT_ERRNO",
        "errnoRet": EPERM,
        "args": [],
    }
    rules: list[dict[str, Any]] = [refused]
    for rule in applied["syscalls"]:
        names = [
            name
            for name in rule["names"]
            if name not in LEARNED_LATER and not name.endswith("_time64")
        ]
        if names:
            rules.append(rule | {"names": names, "args": rule.get("args", [])})
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": EPERM,
        "architectures": applied["architectures"],
        "syscalls": rules,
    }


if __name__ == "__main__":
    json.dump(as_of_2017(json.load(sys.stdin)["linux"]["seccomp"]), sys.stdout, indent=1)
