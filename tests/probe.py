"""What a taken-over exporter would try: a program for tests to run in its place, with its rights."""

from __future__ import annotations

from typing import Final

_PROGRAM: Final = """
import ctypes, errno, json, mmap, os, socket, time

libc = ctypes.CDLL(None, use_errno=True)

def call(name, *words):
    if getattr(libc, name)(*words) == -1:
        raise OSError(ctypes.get_errno(), name)

def told(what):
    try:
        return what() or "done"
    except OSError as error:
        return errno.errorcode[error.errno]

def write(path):
    return told(lambda: open(HOST + path, "a").close())

def make_setuid():
    open("/tmp/file", "w").close()
    os.chmod("/tmp/file", 0o4755)

print(json.dumps({
    "list a folder of root's": told(lambda: os.listdir(HOST + "/var/lib/docker/image") and "done"),
    "read when the host booted": told(lambda: open("/proc/stat").close()),
    "list /root": told(lambda: ",".join(os.listdir(HOST + "/root")) or "nothing"),
    "write to the root": write("/var/lib/docker/file"),
    "write to /etc": write("/etc/file"),
    "write to /home": write("/home/file"),
    "write to /var": write("/var/lib/file"),
    "write to a control group": write("/sys/fs/cgroup/cgroup.procs"),
    "write a kernel setting": write("/proc/sys/fs/inotify/max_user_watches"),
    "reach the engine's socket": told(lambda: socket.socket(socket.AF_UNIX).connect(HOST + SOCKET)),
    "make a netlink socket": told(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close()),
    "make a packet socket": told(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()),
    "open a file by handle": told(lambda: call("open_by_handle_at", -1, None, 0)),
    "mount": told(lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None)),
    "make a namespace": told(lambda: call("unshare", 0x20000)),
    "change the root": told(lambda: os.chroot("/")),
    "become root": told(lambda: os.setuid(0)),
    "give a file away": told(lambda: os.chown("/tmp", 0, 0)),
    "make a setuid file": told(make_setuid),
    "load a kernel module": told(lambda: call("init_module", None, 0, b"")),
    "trace a process": told(lambda: call("ptrace", 16, os.getppid(), None, None)),
    "set the clock": told(lambda: time.clock_settime(time.CLOCK_REALTIME, time.time())),
    "signal systemd": told(lambda: os.kill(1, 0)),
    "see systemd's process": told(lambda: os.listdir("/proc/1") and "done"),
    "map memory to write and run": told(lambda: mmap.mmap(-1, 4096, prot=7).close()),
    "open the memory device": told(lambda: open(HOST + "/dev/mem").close()),
}))
"""


def probe(host: str, socket: str) -> str:
    """A program that tries what the daemon must be able to do, and what it must not.

    It tells the errno of each in JSON. `host` is where it sees the host's `/`, and `socket` is the
    engine's, as the host knows it.
    """
    return f"HOST, SOCKET = {host!r}, {socket!r}\n{_PROGRAM}"
