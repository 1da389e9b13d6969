"""Certificates of our own, and curl and openssl as clients: for tests of the web side."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import bcrypt
import trustme
from needs import PATIENCE


def hashed(password: str, kind: str = "2b", cost: int = 4) -> str:
    """Hash a password as htpasswd does; low costs are for tests alone."""
    made = bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()
    return made.replace("$2b$", f"${kind}$", 1)


@dataclass(frozen=True)
class Papers:
    """A folder with a CA, a server's certificate and key, and a client's, all in PEM."""

    folder: Path
    ca: trustme.CA

    def write(self, ca: trustme.CA | None = None) -> None:
        """Write the server's certificate and key, of this CA or of our own."""
        served = (ca or self.ca).issue_cert("127.0.0.1", "::1", "localhost")
        chain = b"".join(blob.bytes() for blob in served.cert_chain_pems)
        (self.folder / "server.crt").write_bytes(chain)
        served.private_key_pem.write_to_path(self.folder / "server.key")

    def client(self, name: str, ca: trustme.CA | None = None) -> Path:
        """Write a client's certificate and key into one file."""
        path = self.folder / f"{name}.pem"
        issued = (ca or self.ca).issue_cert(f"{name}@example.org")
        issued.private_key_and_cert_chain_pem.write_to_path(path)
        return path

    def config(self, text: str) -> Path:
        """Write the web configuration file, all at once as editors and orchestrators do."""
        draft = self.folder / "draft"
        draft.write_text(text)
        return draft.rename(self.folder / "web.yml")


def papers_in(folder: Path) -> Papers:
    folder.mkdir()
    papers = Papers(folder, trustme.CA())
    papers.ca.cert_pem.write_to_path(folder / "ca.pem")
    papers.write()
    return papers


TLS = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
MUTUAL = TLS + "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"


@dataclass(frozen=True)
class Said:
    """What curl saw: 0 is the status where no answer came."""

    status: int
    http: str
    headers: dict[str, str]
    body: str


def curl(url: str, *words: str) -> Said:
    done = subprocess.run(
        [
            "curl",
            "-s",
            "-i",
            "-m",
            f"{PATIENCE}",
            "-w",
            r"\n%{http_code} %{http_version}",
            *words,
            url,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    whole, _, last = done.stdout.rpartition("\n")
    head, _, body = whole.replace("\r\n", "\n").partition("\n\n")
    headers = re.findall(r"^([\w-]+): *(.*)$", head, re.MULTILINE)
    status, http = last.split()
    return Said(int(status), http, {n.lower(): v for n, v in headers}, body)


def openssl(port: int, *words: str) -> str:
    """Shake hands by `openssl s_client` and give all that it said."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *words],
        input=b"",
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    return (done.stdout + done.stderr).decode(errors="replace")
