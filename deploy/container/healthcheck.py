"""The container's HEALTHCHECK: tells whether the daemon in this container still answers.

The daemon's own command line says where it listens. Without credentials a daemon that asks for
them says 401; one that speaks TLS hangs up on plain words, and is then greeted as TLS clients do:
that it greets in return is enough, since a client certificate it may want is not here. A daemon that
is stuck does neither. Run as `python3 -I -S`, it imports no more than this (about 10 MB for a few
hundredths of a second), which a check every minute should not exceed, and `ssl` for TLS alone.
"""

import os
import socket
import sys

DEFAULT = ":10650"
"""Where `serve` listens unless told otherwise (exporter/commands/common.py: DEFAULT_PORT)."""

FLAG = "--web.listen-address"

LOOPBACK = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (to connect)

SECONDS = 5.0
"""How long a daemon may take to answer."""

WELL = (b"200", b"401")

OF_TLS = b"\x15\x16"
"""What TLS begins its answer with, an alert or a handshake (RFC 8446, 5.1: ContentType)."""


def daemon_words(processes: str) -> list[str] | None:
    """Give the command line of the first exporter that serves, or None.

    It is process 1, or a child of it where the engine runs an init (`docker run --init`).
    """
    for pid in sorted(int(name) for name in os.listdir(processes) if name.isdigit()):
        try:
            with open(f"{processes}/{pid}/cmdline", "rb") as file:
                words = os.fsdecode(file.read()).split("\0")[:-1]
        except OSError:  # it ended just now
            continue
        for i, word in enumerate(words[:-1]):
            if os.path.basename(word) == "hardlink-exporter":
                return words[i + 1 :]
    return None


def address_of(words: list[str]) -> tuple[str, int]:
    """Tell where a daemon started with these words listens, the first place if there are more.

    One that listens on every address is asked on loopback.
    """
    pairs = zip(words, [*words[1:], ""], strict=True)
    told = (w[len(FLAG) + 1 :] if w.startswith(f"{FLAG}=") else v for w, v in pairs if _is_flag(w))
    host, _, port = next(told, DEFAULT).rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    return LOOPBACK.get(host, host), int(port)


def _is_flag(word: str) -> bool:
    return word == FLAG or word.startswith(f"{FLAG}=")


def complaint(host: str, port: int, seconds: float) -> str | None:
    """Tell what is wrong with the daemon that listens there, or None."""
    try:
        said = _answer(host, port, seconds, b"GET /-/healthy HTTP/1.0\r\nHost: localhost\r\n\r\n")
        if not said:
            said = _answer(host, port, seconds, _tls_greeting())
    except OSError as error:
        return f"no answer from {host} port {port}: {error.strerror or error}"
    if not said:
        return f"{host} port {port} hangs up without an answer"
    if said[0] in OF_TLS or (said.startswith(b"HTTP/") and said[9:12] in WELL):
        return None
    return f"{host} port {port} answers {os.fsdecode(said)}"


def _answer(host: str, port: int, seconds: float, words: bytes) -> bytes:
    """Give how the answer to these words begins; nothing if it is none."""
    with socket.create_connection((host, port), seconds) as client:
        try:
            client.sendall(words)
            return client.recv(12)
        except (ConnectionResetError, BrokenPipeError):
            return b""


def _tls_greeting() -> bytes:
    """Give the first words of a TLS client."""
    import ssl  # noqa: PLC0415  (a daemon without TLS needs none of it)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    greeting = ssl.MemoryBIO()
    try:  # noqa: SIM105  (contextlib would be one import more)
        context.wrap_bio(ssl.MemoryBIO(), greeting).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return greeting.read()


def main() -> int:
    """Check once: 0 when all is well, else 1. What it prints is kept for `docker inspect`."""
    words = daemon_words("/proc")
    if words is None:
        what: str | None = "no hardlink-exporter is running here"
    else:
        what = complaint(*address_of(words), SECONDS)
    print(what or "healthy")
    return 1 if what else 0


if __name__ == "__main__":
    sys.exit(main())
