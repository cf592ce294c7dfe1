"""The hub's own certificate: made once, kept in the state folder, known by its pin."""

import datetime
import ipaddress
import re
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from hub.locked import locked
from protocol.private_files import read_private, write_private
from protocol.settings import ConfigError
from protocol.tls import pin_of, server_context

_FILE = "certificate.pem"
_VALID = datetime.timedelta(days=365 * 100)  # nobody looks at dates: the pin is what counts
_HOST = re.compile(r"[A-Za-z0-9-]{1,63}(\.local)?")  # as a certificate can hold it
_BEGIN = "-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Certificate:
    """The hub's certificate.

    Attributes:
        path: PEM file with private key and certificate, mode 600. One file, so that the two
            cannot come apart.
        pin: what satellites know it by.
    """

    path: Path
    pin: bytes


def load_certificate(folder: Path) -> Certificate:
    """Return the hub's certificate, and make it first where there is none. Blocks.

    Args:
        folder: the state folder.

    Raises:
        ConfigError: others can read it, it is broken, or making one takes a missing package.
        OSError: it cannot be read or written.
    """
    path = folder / _FILE
    if not path.exists():
        with locked(folder):  # `pair` and `serve` may be the first at the same time
            if not path.exists():
                write_private(path, _make())
    try:
        text = read_private(path).decode("ascii")
        certificate = ssl.PEM_cert_to_DER_cert(text[text.index(_BEGIN) :].strip())
        server_context(path)  # a key that is broken, or another's, is seen here and not in use
    except PermissionError as exc:
        raise ConfigError(str(exc)) from exc
    except (ValueError, ssl.SSLError) as exc:
        raise ConfigError(
            f"{path}: no certificate and key; bring back a copy, or delete it and pair every "
            "satellite again"
        ) from exc
    return Certificate(path, pin_of(certificate))


def _make() -> bytes:
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError as exc:
        raise ConfigError("to make a certificate, install the extra 'hub'") from exc
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Parlour hub")])
    # For programs that use the page's interfaces and trust this certificate by its file: they want
    # to see the name that they asked for. (Addresses change; who uses one goes by the pin.)
    host = socket.gethostname().partition(".")[0]
    hosts = [h for h in ("localhost", host, f"{host}.local") if _HOST.fullmatch(h)]
    names = [x509.DNSName(one) for one in dict.fromkeys(hosts)]
    here = [x509.IPAddress(ipaddress.ip_address(one)) for one in ("127.0.0.1", "::1")]
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName([*names, *here]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),  # the hub starts with nobody there to type a password
    )
    return pem + certificate.public_bytes(serialization.Encoding.PEM)
