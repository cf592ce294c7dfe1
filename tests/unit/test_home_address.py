"""Where Home Assistant is, and whether it can be reached: settings, certificates, `doctor`."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pretend_home import PretendHome, settings_for

from hub.config import Settings, load_settings
from hub.home.home_assistant import check
from protocol.settings import ConfigError


@pytest.fixture
async def pretend():
    async with PretendHome() as home:
        yield home


async def test_the_doctor_says_how_much_is_exposed_or_what_to_do(pretend, tmp_path):
    good, text = await check(settings_for(pretend.url, tmp_path))
    assert good
    assert text == f"{pretend.url}, version 2026.2.3; 3 entities in 2 areas exposed"
    good, text = await check(settings_for(pretend.url, tmp_path, token="wrong"))
    assert not good
    assert "make a new" in text
    pretend.things.clear()
    good, text = await check(settings_for(pretend.url, tmp_path))
    assert not good
    assert "expose some there" in text
    await pretend.stop()
    good, text = await check(settings_for(pretend.url, tmp_path))
    assert not good
    assert "is it running" in text
    await pretend.start()
    assert await check(Settings()) == (True, "none (home_assistant.url is empty)")


@pytest.mark.parametrize("url", ["homeassistant.local", "ftp://somewhere", "http://"])
def test_an_address_that_is_none_is_named_with_what_is_expected(url):
    with pytest.raises(ConfigError, match=r"home_assistant.url: expected http://HOST:PORT"):
        load_settings(None, {"home_assistant.url": url})


async def test_a_certificate_that_is_not_there_is_said_to_be(pretend, tmp_path):
    settings = settings_for(pretend.url, tmp_path)
    table = msgspec.structs.replace(settings.home_assistant, certificate=str(tmp_path / "ca.pem"))
    good, text = await check(msgspec.structs.replace(settings, home_assistant=table))
    assert not good
    assert "home_assistant.certificate" in text


def own_certificate(folder):
    """A self-signed one for 127.0.0.1, in a PEM file with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "home")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "home.pem"
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    pem = serialization.Encoding.PEM
    file.write_bytes(key.private_bytes(pem, form, plain) + made.public_bytes(pem))
    return file


async def test_a_home_with_a_certificate_of_its_own_is_known_by_it_or_not_trusted(tmp_path):
    file = own_certificate(tmp_path)
    pretend = PretendHome()
    pretend.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    pretend.tls.load_cert_chain(file)
    async with pretend:
        settings = settings_for(pretend.url, tmp_path)
        for change, trusted in (
            ({}, False),
            ({"certificate": str(file)}, True),
            ({"verify": False}, True),
        ):
            table = msgspec.structs.replace(settings.home_assistant, **change)
            good, text = await check(msgspec.structs.replace(settings, home_assistant=table))
            assert good == trusted, text
            assert trusted or "its certificate is not trusted" in text
