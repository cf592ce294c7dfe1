"""TLS 1.3 between a hub and its satellites: the hub's own certificate, known by its fingerprint.

No authority vouches for the certificate. A satellite keeps the fingerprint (the *pin*) that it got
when it was paired, and says nothing to a peer that has another.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import hmac
import socket
import ssl
from pathlib import Path

from protocol.connection import ProtocolError

HANDSHAKE_TIMEOUT = 5.0  # seconds from the accepted connection to the end of the handshake
SHUTDOWN_TIMEOUT = 2.0  # seconds for the peer to say goodbye; asyncio's own default is 30
PIN_BYTES = hashlib.sha256().digest_size

_HANDSHAKE_RECORD = b"\x16"  # how every TLS connection begins, and no Wyoming frame


class WrongCertificate(ProtocolError):
    """The peer's certificate is not the pinned one: another hub, or somebody in between."""


class HandshakeFailed(ConnectionError):
    """No encrypted connection came about; the message says why, for people."""


class PlainText(HandshakeFailed):
    """The peer speaks plain text."""


class NothingSaid(HandshakeFailed):
    """The peer hung up before it said anything, as who only looks whether a port is open."""


def server_context(certificate: Path) -> ssl.SSLContext:
    """Return what a server speaks TLS with. Reads a file, so not on the event loop.

    Args:
        certificate: A PEM file with the private key and the certificate.

    Raises:
        OSError: The file cannot be read or (ssl.SSLError) holds no such pair.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0  # nobody resumes: each connection shows the certificate
    context.load_cert_chain(certificate)
    return context


@functools.cache
def client_context() -> ssl.SSLContext:
    """Return what a client speaks TLS with; `check_pin` must follow the handshake.

    OpenSSL always makes the server prove that it has the key of the certificate that it shows.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # no authority: the pin says which certificate is right
    return context


def pin_of(certificate: bytes) -> bytes:
    """Return the pin of a certificate: the SHA-256 of its DER form."""
    return hashlib.sha256(certificate).digest()


def has_pin(writer: asyncio.StreamWriter, pin: bytes) -> bool:
    """Tell whether the peer of an encrypted connection has the certificate with this pin."""
    peer: ssl.SSLObject = writer.get_extra_info("ssl_object")
    return hmac.compare_digest(pin_of(peer.getpeercert(binary_form=True) or b""), pin)


async def expect_tls(sock: socket.socket) -> None:
    """Wait for an accepted peer's first byte and leave it there.

    So plain text is told from TLS that fails, and a silent peer costs no TLS state (256 KiB).

    Args:
        sock: Non-blocking and not yet read from.

    Raises:
        PlainText: It is no TLS.
        NothingSaid: The peer hung up.
    """
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    while True:
        readable.clear()
        loop.add_reader(sock, readable.set)
        try:
            await readable.wait()  # the caller bounds the whole handshake
        finally:
            loop.remove_reader(sock)
        try:
            first = sock.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            continue
        except OSError as error:
            raise NothingSaid(f"the peer was lost before the handshake: {error}") from error
        if not first:
            raise NothingSaid("the peer hung up before the handshake")
        if first != _HANDSHAKE_RECORD:
            raise PlainText("the peer speaks plain text, and this port only TLS")
        return


def explain(error: OSError) -> str:
    """Say in words for people why a handshake failed."""
    if isinstance(error, ssl.SSLError):
        reason = error.reason or str(error)
        if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG"):
            return "what came back is no TLS: plain text is spoken there"
        return f"the TLS handshake failed: {reason.replace('_', ' ').lower()}"
    if isinstance(error, TimeoutError):
        return "the TLS handshake took too long"
    return (
        "the connection ended during the TLS handshake; either no TLS is spoken there, or too many "
        "attempts from here have failed: then wait some minutes"
    )
