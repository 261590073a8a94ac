"""Keys and service accounts in the forms that people have: each is read, or told for what it is and never shown."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from gateway.delivery.credentials import (
    InvalidCredentialFileError,
    load_authorities,
    load_service_account_key,
    load_signing_key,
    load_vapid_key,
)
from gateway.delivery.credentials.client_certificate import load_client_certificate
from tests.support.service_accounts import account_pem, write_service_account

RAW = json.loads((Path(__file__).parent.parent / "protocol" / "data" / "vapid_raw.json").read_text())
KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
DER = KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
SEC1 = KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
TEXT = PEM.decode()
BASE64 = "".join(TEXT.splitlines()[1:-1])
PARAMETERS = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
ONE_LINE = TEXT.strip().replace("\n", "\\n")

READABLE = {
    "as it is": PEM,
    "byte order mark": b"\xef\xbb\xbf" + PEM,
    "utf-16": TEXT.encode("utf-16"),
    "utf-16 big-endian": b"\xfe\xff" + TEXT.encode("utf-16-be"),
    "utf-16 without a mark": TEXT.encode("utf-16-le"),
    "utf-16 big-endian without a mark": TEXT.encode("utf-16-be"),
    "crlf": TEXT.replace("\n", "\r\n").encode(),
    "cr": TEXT.replace("\n", "\r").encode(),
    "blank lines": ("\n\n" + TEXT.replace("\n", "\n\n") + "\n").encode(),
    "indented": "".join(f"    {line}\n" for line in TEXT.splitlines()).encode(),
    "one line with blanks": TEXT.strip().replace("\n", " ").encode(),
    "written breaks": ONE_LINE.encode(),
    "doubled breaks": ONE_LINE.replace("\\n", "\\\\n").encode(),
    "written crlf": ONE_LINE.replace("\\n", "\\r\\n").encode(),
    "quotes": f'"{ONE_LINE}"\n'.encode(),
    "single quotes": f"'{TEXT}'".encode(),
    "a variable": f'APNS_KEY="{ONE_LINE}"\n'.encode(),
    "no header lines": BASE64.encode(),
    "no header lines, wrapped": "\r\n".join(TEXT.splitlines()[1:-1]).encode(),
    "der": DER,
    "sec 1": SEC1,
    "openssl ecparam": PARAMETERS + SEC1,
}


@pytest.mark.parametrize("load", [lambda path: load_signing_key("KEY1234567", path).public_bytes, load_vapid_key])
@pytest.mark.parametrize("form", READABLE)
def test_a_key_is_read_whatever_an_editor_or_a_shell_made_of_it(tmp_path, form, load):
    path = tmp_path / "key"
    path.write_bytes(READABLE[form])
    found = load(path)
    point = KEY.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    assert found == PUBLIC or base64.urlsafe_b64decode(found.public_key + "=") == point


def pem_of(key, encryption=None, form=PrivateFormat.PKCS8):
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption())


def public_pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


LOCK = BestAvailableEncryption(b"secret")
TOLD = {
    "nothing": (b"", "is empty"),
    "blanks": (b" \r\n", "is empty"),
    "p-384": (pem_of(ec.generate_private_key(ec.SECP384R1())), "an EC key on the curve secp384r1, not P-256"),
    "rsa": (pem_of(rsa.generate_private_key(65537, 2048)), "an RSA key, not one of EC P-256"),
    "ed25519": (pem_of(ed25519.Ed25519PrivateKey.generate()), "another kind than EC P-256"),
    "public": (public_pem(KEY), "holds a public key; the private one is needed"),
    "certificate": (b"-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n", "a certificate and no private"),
    "request": (
        b"-----BEGIN CERTIFICATE REQUEST-----\nQUJD\n-----END CERTIFICATE REQUEST-----\n",
        "holds a request for a certificate",
    ),
    "encrypted": (pem_of(KEY, LOCK), "is encrypted; store it without a passphrase"),
    "encrypted, traditional": (pem_of(KEY, LOCK, PrivateFormat.TraditionalOpenSSL), "is encrypted; store it"),
    "openssh": (pem_of(KEY, form=PrivateFormat.OpenSSH), "holds an OpenSSH key"),
    "cut off": (PEM[:-30], "has a BEGIN line of a PRIVATE KEY and no END line"),
    "damaged": (TEXT.replace(BASE64[:20], "c4n4ry" * 4).encode(), "is damaged, or a part is missing"),
    "json": (b'{"type": "service_account"}', "holds JSON, not a private key"),
    "words": (b"hello", "holds no private key in PEM form"),
    "binary": (b"\x00\xff\xfe" * 10 + b"\xff", "is not text"),
    "pkcs#12": (b"\x30\x82\x05\x00\x02\x01\x03\x30\x82", "is a PKCS#12 file"),
}


@pytest.mark.parametrize("load", [lambda path: load_signing_key("KEY1234567", path), load_vapid_key])
@pytest.mark.parametrize("form", TOLD)
def test_what_is_no_key_for_this_is_told_for_what_it_is(tmp_path, form, load):
    path = tmp_path / "key"
    contents, detail = TOLD[form]
    path.write_bytes(contents)
    with pytest.raises(InvalidCredentialFileError) as raised:
        load(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert detail in str(raised.value)
    assert "c4n4ry" not in str(raised.value)


def describe_raw(public: str, private: str) -> dict[str, str]:
    point = base64.urlsafe_b64decode(public + "=")
    x, y = (base64.urlsafe_b64encode(half).decode().rstrip("=") for half in (point[1:33], point[33:]))
    line = "=" * 39
    return {
        "json of web-push": json.dumps({"publicKey": public, "privateKey": private}),
        "text of web-push": f"\n{line}\n\nPublic Key:\n{public}\n\nPrivate Key:\n{private}\n\n{line}\n\n",
        "windows": f"\ufeffPublic Key:\r\n{public}\r\n\r\nPrivate Key:\r\n{private}\r\n",
        "variables": f"VAPID_PUBLIC_KEY={public}\nexport VAPID_PRIVATE_KEY='{private}'\n",
        "settings": f'vapid:\n  subject: mailto:push@example.org\n  public_key: "{public}"\n  private_key: {private}\n',
        "private alone": private,
        "padded, in quotes": f'"{private}="\n',
        "standard alphabet": f"{public} {private}=".replace("-", "+").replace("_", "/"),
        "jwk": json.dumps({"kty": "EC", "crv": "P-256", "x": x, "y": y, "d": private, "ext": True}),
    }


FORMS = describe_raw(RAW["publicKey"], RAW["privateKey"])


@pytest.mark.parametrize("form", FORMS)
def test_a_vapid_pair_is_read_as_web_push_tools_print_it(tmp_path, form):
    path = tmp_path / "pair"
    path.write_text(FORMS[form])
    assert load_vapid_key(path).public_key == RAW["publicKey"]


def test_a_pair_whose_halves_do_not_belong_together_is_refused_in_every_form(tmp_path):
    stranger = load_vapid_key(_write(tmp_path / "other", PEM)).public_key
    forms = describe_raw(stranger, RAW["privateKey"])
    for form in forms.keys() - {"private alone", "padded, in quotes"}:
        with pytest.raises(
            InvalidCredentialFileError, match="a public key that doesn't belong to the private one"
        ) as told:
            load_vapid_key(_write(tmp_path / "pair", forms[form].encode()))
        assert RAW["privateKey"] not in str(told.value)


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        (RAW["publicKey"], "holds a public key; the private one is needed"),
        (f"{RAW['privateKey']} {'A' * 42}E", "holds several keys"),
        ("A" * 43, "holds 32 bytes that are no private key of P-256"),
        ("_" * 42 + "8", "holds 32 bytes that are no private key of P-256"),
        (json.dumps({"publicKey": RAW["publicKey"]}), "holds a public key"),
    ],
)
def test_a_pair_that_cannot_be_used_is_told_and_not_shown(tmp_path, text, detail):
    with pytest.raises(InvalidCredentialFileError, match=detail) as told:
        load_vapid_key(_write(tmp_path / "pair", text.encode()))
    assert text not in str(told.value)


def _write(path, contents):
    path.write_bytes(contents)
    return path


def account_forms(text: str) -> dict[str, bytes]:
    account = json.loads(text)
    doubled = account | {"private_key": account["private_key"].replace("\n", "\\n")}
    return {
        "as it is": text.encode(),
        "byte order mark": b"\xef\xbb\xbf" + text.encode(),
        "utf-16": text.encode("utf-16"),
        "crlf": text.replace("\n", "\r\n").encode(),
        "doubled breaks": json.dumps(doubled).encode(),
        "real breaks in strings": text.replace("\\n", "\n").encode(),
        "single quotes": f"'{text}'".encode(),
        "a string of JSON": json.dumps(text).encode(),
        "escaped, its quotes lost": json.dumps(text)[1:-1].encode(),
    }


@pytest.fixture(scope="module")
def account_text(tmp_path_factory):
    path = tmp_path_factory.mktemp("account") / "account.json"
    write_service_account(path)
    return path.read_text()


@pytest.mark.parametrize("form", account_forms('{"private_key": ""}'))
def test_a_service_account_is_read_whatever_an_editor_or_a_shell_made_of_it(tmp_path, account_text, form):
    path = _write(tmp_path / "account.json", account_forms(account_text)[form])
    assert (
        load_service_account_key(path).identity
        == load_service_account_key(_write(tmp_path / "good.json", account_text.encode())).identity
    )


def test_another_file_than_a_service_account_is_told_for_what_it_is(tmp_path, account_text):
    files = {
        "holds a key or certificate in PEM form, not JSON": account_pem(rsa.generate_private_key(65537, 2048)).encode(),
        "is base64 of JSON": base64.b64encode(account_text.encode()),
        "this is google-services.json": b'{"project_info": {"project_id": "shop-1"}, "client": []}',
        "this is an OAuth client": b'{"installed": {"client_id": "x"}}',
        "the service-account file is not JSON": account_text[:-20].encode(),
        "is empty": b"",
    }
    for detail, contents in files.items():
        path = _write(tmp_path / "account.json", contents)
        with pytest.raises(InvalidCredentialFileError, match=detail) as told:
            load_service_account_key(path)
        assert "BEGIN PRIVATE" not in str(told.value)


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        (lambda pem: b"\xef\xbb\xbf" + pem, "begins with a byte order mark, .* save it as UTF-8 without BOM"),
        (lambda pem: pem.decode().encode("utf-16"), "is UTF-16, .* save it as UTF-8 without BOM"),
        (lambda pem: pem.replace(b"\n", b"\\n"), r"has \\n in place of its line breaks"),
        (lambda _: b"\x30\x82\x05\x00\x02\x01\x03", r"is a PKCS#12 file .*openssl pkcs12"),
        (lambda _: DER, r"is in DER form .*openssl x509"),
    ],
)
def test_a_certificate_that_the_tls_library_would_not_find_is_told_with_the_cure(tmp_path, change, detail):
    path = _write(tmp_path / "cert.pem", change(PEM))
    with pytest.raises(InvalidCredentialFileError, match=detail):
        load_client_certificate(path, None, datetime.fromtimestamp(0, UTC))
    with pytest.raises(InvalidCredentialFileError, match=detail):
        load_authorities(path)
