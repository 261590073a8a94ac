from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gateway.config import ApnsAppSettings, AppSettings, Config, FcmAppSettings, FcmSettings, WebPushAppSettings
from gateway.delivery.credentials import CredentialError, find_expiring, load_credentials
from tests.support.clocks import HandClock
from tests.support.service_accounts import account_pem, write_service_account

NOW = 1_780_000_000.0
CLOCK = HandClock(NOW)
TODAY = datetime.fromtimestamp(NOW, UTC)
# SEQUENCE { "com.example.shop", SEQUENCE { "app" }, "com.example.shop.voip", SEQUENCE { "voip" } }
TOPICS = (
    bytes.fromhex("3038")
    + b"\x0c\x10com.example.shop\x30\x05\x0c\x03app\x0c\x15com.example.shop.voip\x30\x06\x0c\x04voip"
)


def write_key(path, key=None, passphrase=None):
    encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    key = key or ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    return key


VOIP_TOPIC = "com.example.shop.voip"


def make_certificate(
    key,
    *,
    days=30,
    begins=TODAY - timedelta(days=365),
    topics=None,
    name="Apple Push Services: com.example.shop",
    uid=None,
):
    names = [x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]
    if uid is not None:
        names.insert(0, x509.NameAttribute(x509.NameOID.USER_ID, uid))
    name = x509.Name(names)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(TODAY + timedelta(days=days))
    )
    if topics is not None:
        extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.840.113635.100.6.3.6"), topics)
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def token_app(path, key_id="KEY1234567"):
    return AppSettings(apns=ApnsAppSettings(team_id="TEAM123456", key_id=key_id, key_file=str(path)))


def certificate_app(path, key_path=None, topic=None):
    key_file = str(key_path) if key_path else None
    return AppSettings(apns=ApnsAppSettings(certificate_file=str(path), certificate_key_file=key_file, topic=topic))


def fcm_app(path):
    return AppSettings(fcm=FcmAppSettings(service_account_file=str(path)))


def webpush_app(**settings):
    return AppSettings(webpush=WebPushAppSettings(subject="mailto:push@example.org", **settings))


def find_faults(**apps):
    with pytest.raises(CredentialError) as raised:
        load_credentials(Config(apps=apps), CLOCK)
    return [str(fault) for fault in raised.value.faults]


def test_a_signing_key_gives_a_bearer_token_and_shows_nothing(tmp_path):
    write_key(tmp_path / "a.p8")
    credential = load_credentials(Config(apps={"shop": token_app(tmp_path / "a.p8")}), CLOCK).apns["shop"]
    authorization = credential.authorization(NOW)
    assert authorization.startswith(b"bearer ")
    assert credential.certificate_chain is None
    assert repr(credential) == ("<ApnsCredential <ProviderTokenSource team TEAM123456, key KEY1234567, generation 1>>")


def test_apps_with_one_team_and_key_share_their_token(tmp_path):
    key = write_key(tmp_path / "a.p8")
    write_key(tmp_path / "copy.p8", key)
    write_key(tmp_path / "other.p8")
    apps = {
        "shop": token_app(tmp_path / "a.p8"),
        "news": token_app(tmp_path / "copy.p8"),
        "mail": token_app(tmp_path / "other.p8", key_id="KEY7654321"),
    }
    credentials = load_credentials(Config(apps=apps), CLOCK).apns
    assert credentials["shop"].authorization(NOW) is credentials["news"].authorization(NOW)
    assert credentials["shop"].authorization(NOW) != credentials["mail"].authorization(NOW)


def test_every_bad_file_is_named_with_its_app_at_once(tmp_path):
    (tmp_path / "text.p8").write_text("hello")
    (tmp_path / "empty.p8").write_text("")
    (tmp_path / "big.p8").write_bytes(b"A" * 300_000)
    write_key(tmp_path / "rsa.p8", rsa.generate_private_key(65537, 2048))
    write_key(tmp_path / "p384.p8", ec.generate_private_key(ec.SECP384R1()))
    write_key(tmp_path / "locked.p8", passphrase=b"secret")
    write_key(tmp_path / "good.p8")
    names = ("absent", "text", "empty", "big", "rsa", "p384", "locked", "good")
    faults = find_faults(**{name: token_app(tmp_path / f"{name}.p8", f"KEY{at:07}") for at, name in enumerate(names)})
    assert faults == [
        f"apps.absent.apns.key_file: {tmp_path}/absent.p8: No such file or directory",
        f"apps.text.apns.key_file: {tmp_path}/text.p8: holds no private key in PEM form",
        f"apps.empty.apns.key_file: {tmp_path}/empty.p8: is empty",
        f"apps.big.apns.key_file: {tmp_path}/big.p8: has more than 262144 bytes, which no credential has",
        f"apps.rsa.apns.key_file: {tmp_path}/rsa.p8: holds an RSA key, not one of EC P-256",
        f"apps.p384.apns.key_file: {tmp_path}/p384.p8: holds an EC key on the curve secp384r1, not P-256",
        (
            f"apps.locked.apns.key_file: {tmp_path}/locked.p8: the private key is encrypted;"
            " store it without a passphrase"
        ),
    ]


def test_two_keys_under_one_key_id_are_a_fault(tmp_path):
    write_key(tmp_path / "a.p8")
    write_key(tmp_path / "b.p8")
    assert find_faults(shop=token_app(tmp_path / "a.p8"), news=token_app(tmp_path / "b.p8")) == [
        "apps.news.apns.key_file: another key than apps.shop.apns.key_file under the same key_id"
    ]


def test_what_is_in_a_file_never_shows_in_an_error(tmp_path):
    canary = "c4n4ry-of-a-private-key"
    path = tmp_path / "a.p8"
    path.write_text(f"-----BEGIN PRIVATE KEY-----\n{canary}\n-----END PRIVATE KEY-----\n")
    with pytest.raises(CredentialError) as raised:
        load_credentials(Config(apps={"shop": token_app(path), "news": certificate_app(path)}), CLOCK)
    assert canary not in str(raised.value)
    assert len(raised.value.faults) == 2


def test_a_certificate_is_loaded_from_two_files_or_one(tmp_path):
    key = write_key(tmp_path / "key.pem")
    certificate = make_certificate(key)
    (tmp_path / "cert.pem").write_bytes(certificate)
    (tmp_path / "both.pem").write_bytes(certificate + (tmp_path / "key.pem").read_bytes())
    apps = {
        "shop": certificate_app(tmp_path / "cert.pem", tmp_path / "key.pem"),
        "news": certificate_app(tmp_path / "both.pem"),
    }
    credentials = load_credentials(Config(apps=apps), CLOCK).apns
    assert credentials["shop"].certificate_chain == (tmp_path / "cert.pem", tmp_path / "key.pem")
    assert credentials["news"].certificate_chain == (tmp_path / "both.pem", tmp_path / "both.pem")
    assert credentials["news"].authorization(NOW) is None
    assert credentials["news"].expires_at == TODAY + timedelta(days=30)
    assert not credentials["news"].renew(NOW)


def test_a_certificate_tells_its_topics(tmp_path):
    key = write_key(tmp_path / "key.pem")
    (tmp_path / "cert.pem").write_bytes(make_certificate(key, topics=TOPICS))
    shop = certificate_app(tmp_path / "cert.pem", tmp_path / "key.pem", topic="com.example.shop")
    credential = load_credentials(Config(apps={"shop": shop}), CLOCK).apns["shop"]
    assert credential.topics == {"com.example.shop", "com.example.shop.voip"}
    other = certificate_app(tmp_path / "cert.pem", tmp_path / "key.pem", topic="com.example.other")
    assert find_faults(shop=other) == [
        f"apps.shop.apns.topic: not covered by {tmp_path}/cert.pem, which has com.example.shop, com.example.shop.voip"
    ]


APPLES_VOIP = "VoIP Services: com.example.shop"
# SEQUENCE { "com.example.shop", SEQUENCE { "voip" } }
KIND_OF_TOPIC = bytes.fromhex("301a") + b"\x0c\x10com.example.shop\x30\x06\x0c\x04voip"


@pytest.mark.parametrize(
    ("subject", "topics", "found"),
    [
        ({"name": APPLES_VOIP, "uid": "com.example.shop.voip"}, None, {"com.example.shop.voip"}),
        ({"name": APPLES_VOIP, "uid": "com.example.shop"}, None, {"com.example.shop.voip"}),
        ({"name": APPLES_VOIP}, None, {"com.example.shop.voip"}),
        ({"name": APPLES_VOIP, "uid": "com.example.shop"}, b"\x05\x00", {"com.example.shop.voip"}),
        ({"name": APPLES_VOIP}, KIND_OF_TOPIC, {"com.example.shop.voip"}),
        ({"name": "WatchKit Services: com.example.shop"}, None, {"com.example.shop.complication"}),
        ({"name": "Apple Push Services: x", "uid": "com.example.shop"}, None, {"com.example.shop"}),
        ({"name": "APSP:1", "uid": "com.apple.mgmt.External.1"}, None, {"com.apple.mgmt.External.1"}),
        ({"name": "Apple Push Services: x", "uid": "com.example.shop"}, TOPICS, {"com.example.shop", VOIP_TOPIC}),
        ({"name": "somebody"}, None, set()),
    ],
)
def test_a_certificate_of_one_service_has_the_topic_of_its_subject(tmp_path, subject, topics, found):
    key = write_key(tmp_path / "key.pem")
    (tmp_path / "cert.pem").write_bytes(make_certificate(key, topics=topics, **subject))
    shop = certificate_app(tmp_path / "cert.pem", tmp_path / "key.pem", topic="com.example.shop" if found else None)
    if "com.apple.mgmt.External.1" in found:
        shop = certificate_app(tmp_path / "cert.pem", tmp_path / "key.pem")
    assert load_credentials(Config(apps={"shop": shop}), CLOCK).apns["shop"].topics == found


@pytest.mark.parametrize("topics", [TOPICS[:cut] for cut in range(len(TOPICS))] + [b"\x30\x84\xff\xff", b"\xff" * 9])
def test_damaged_topic_extensions_name_nothing_and_do_no_harm(tmp_path, topics):
    key = write_key(tmp_path / "key.pem")
    (tmp_path / "cert.pem").write_bytes(make_certificate(key, topics=topics))
    shop = certificate_app(tmp_path / "cert.pem", tmp_path / "key.pem", topic="com.example.other")
    assert load_credentials(Config(apps={"shop": shop}), CLOCK).apns["shop"].topics == frozenset()


def test_certificates_that_cannot_be_used_say_why(tmp_path):
    key = write_key(tmp_path / "key.pem")
    write_key(tmp_path / "stranger.pem")
    write_key(tmp_path / "locked.pem", key, passphrase=b"secret")
    (tmp_path / "cert.pem").write_bytes(make_certificate(key))
    (tmp_path / "old.pem").write_bytes(make_certificate(key, days=-1))
    (tmp_path / "early.pem").write_bytes(make_certificate(key, begins=TODAY + timedelta(days=1)))
    faults = find_faults(
        alone=certificate_app(tmp_path / "cert.pem"),
        stranger=certificate_app(tmp_path / "cert.pem", tmp_path / "stranger.pem"),
        locked=certificate_app(tmp_path / "cert.pem", tmp_path / "locked.pem"),
        no_certificate=certificate_app(tmp_path / "key.pem"),
        old=certificate_app(tmp_path / "old.pem", tmp_path / "key.pem"),
        early=certificate_app(tmp_path / "early.pem", tmp_path / "key.pem"),
    )
    assert faults == [
        f"apps.alone.apns.certificate_file: {tmp_path}/cert.pem: holds a certificate and no private key",
        (
            f"apps.stranger.apns.certificate_file: {tmp_path}/stranger.pem: not the key of the certificate in"
            f" {tmp_path}/cert.pem"
        ),
        (
            f"apps.locked.apns.certificate_file: {tmp_path}/locked.pem: the private key is encrypted;"
            " store it without a passphrase"
        ),
        f"apps.no_certificate.apns.certificate_file: {tmp_path}/key.pem: holds no certificate in PEM form",
        f"apps.old.apns.certificate_file: {tmp_path}/old.pem: expired at 2026-05-27 20:26 UTC",
        f"apps.early.apns.certificate_file: {tmp_path}/early.pem: not valid before 2026-05-29 20:26 UTC",
    ]


def test_a_certificate_is_alarmed_about_a_month_before_its_end(tmp_path):
    key = write_key(tmp_path / "key.pem")
    (tmp_path / "near.pem").write_bytes(make_certificate(key, days=29))
    (tmp_path / "far.pem").write_bytes(make_certificate(key, days=31))
    credentials = load_credentials(
        Config(
            apps={
                "near": certificate_app(tmp_path / "near.pem", tmp_path / "key.pem"),
                "far": certificate_app(tmp_path / "far.pem", tmp_path / "key.pem"),
                "token": token_app(tmp_path / "key.pem"),
            }
        ),
        CLOCK,
    ).apns
    assert set(find_expiring(credentials, TODAY)) == {"near"}


def test_an_app_has_its_project_from_its_service_account(tmp_path):
    write_service_account(tmp_path / "shop.json")
    write_service_account(tmp_path / "news.json", project_id="news-7", private_key_id="other")
    apps = {"shop": fcm_app(tmp_path / "shop.json"), "news": fcm_app(tmp_path / "news.json")}
    fcm = load_credentials(Config(apps=apps), CLOCK).fcm
    assert {app: credential.project_id for app, credential in fcm.items()} == {"shop": "shop-1", "news": "news-7"}
    assert fcm["shop"].authorization(NOW) is None
    assert repr(fcm["news"]) == ("<FcmCredential of the project news-7, <AccessTokenSource for news-7, no token>>")


def test_service_accounts_that_cannot_be_used_say_why(tmp_path):
    breakable = rsa.generate_private_key(65537, 1024)  # noqa: S505 - to be refused
    files = {
        "text": (tmp_path / "text.json", None),
        "web": (tmp_path / "web.json", {"type": "authorized_user"}),
        "uri": (tmp_path / "uri.json", {"token_uri": "https://evil.example/token"}),
        "broken": (tmp_path / "broken.json", {"private_key": "-----BEGIN PRIVATE KEY-----\nc4n4ry\n"}),
        "ec": (tmp_path / "ec.json", {"private_key": account_pem(ec.generate_private_key(ec.SECP256R1()))}),
        "short": (tmp_path / "short.json", {"private_key": account_pem(breakable)}),
    }
    for path, fields in files.values():
        path.write_text("c4n4ry") if fields is None else write_service_account(path, **fields)
    apps = {name: fcm_app(path) for name, (path, _) in files.items()}
    faults = find_faults(absent=fcm_app(tmp_path / "absent.json"), **apps)
    assert [fault.partition(".json: ")[2] for fault in faults] == [
        "No such file or directory",
        "the service-account file is not JSON: download it again from the project's console",
        "type is not service_account: this is another kind of credential file",
        "token_uri is not Google's: tokens are fetched from https://oauth2.googleapis.com/token alone",
        (
            "private_key has a BEGIN line of a PRIVATE KEY and no END line: a part of it is missing;"
            " download the file again"
        ),
        "private_key is no RSA key of 2048 bits or more; download the file again",
        "private_key is no RSA key of 2048 bits or more; download the file again",
    ]
    assert faults[1].startswith(f"apps.text.fcm.service_account_file: {tmp_path}/text.json: ")
    assert not any("c4n4ry" in fault or "evil" in fault for fault in faults)


def test_two_keys_under_one_private_key_id_are_a_fault(tmp_path):
    write_service_account(tmp_path / "a.json")
    write_service_account(tmp_path / "b.json", private_key=account_pem(rsa.generate_private_key(65537, 2048)))
    assert find_faults(shop=fcm_app(tmp_path / "a.json"), news=fcm_app(tmp_path / "b.json")) == [
        (
            "apps.news.fcm.service_account_file: another key than apps.shop.fcm.service_account_file"
            " under the same private_key_id"
        )
    ]


def test_authorities_for_the_token_exchange_are_read_at_the_start_and_a_fault_is_told_once(tmp_path):
    write_service_account(tmp_path / "a.json")
    apps = {name: fcm_app(tmp_path / "a.json") for name in ("shop", "news")}
    with pytest.raises(CredentialError) as raised:
        load_credentials(Config(apps=apps, fcm=FcmSettings(ca_file="/nowhere/ca.pem")), CLOCK)
    assert str(raised.value) == "fcm.ca_file: /nowhere/ca.pem: No such file or directory"


def test_an_app_has_its_vapid_keys_by_their_ids(tmp_path):
    write_key(tmp_path / "old.pem")
    write_key(tmp_path / "new.pem")
    files = {"2025": str(tmp_path / "old.pem"), "2026": str(tmp_path / "new.pem")}
    apps = {
        "shop": webpush_app(vapid_key_file=files["2025"]),
        "news": webpush_app(vapid_key_files=files, default_vapid_key="2026"),
    }
    webpush = load_credentials(Config(apps=apps), CLOCK).webpush
    assert webpush["shop"].default_key == "default"
    assert webpush["news"].default_key == "2026"
    assert webpush["news"].public_keys["2025"] == webpush["shop"].public_keys["default"]
    assert len(set(webpush["news"].public_keys.values())) == 2


def test_vapid_keys_that_cannot_be_used_say_why(tmp_path):
    key = write_key(tmp_path / "a.pem")
    write_key(tmp_path / "copy.pem", key)
    write_key(tmp_path / "rsa.pem", rsa.generate_private_key(65537, 2048))
    files = {name: str(tmp_path / f"{name}.pem") for name in ("absent", "a", "copy", "rsa")}
    apps = {"shop": webpush_app(vapid_key_files=files), "news": webpush_app(vapid_key_file=files["rsa"])}
    place = "apps.shop.webpush.vapid_key_files"
    assert find_faults(**apps) == [
        f"{place}.absent: {tmp_path}/absent.pem: No such file or directory",
        f"{place}.copy: the same key as a: a new id needs a new key",
        f"{place}.rsa: {tmp_path}/rsa.pem: holds an RSA key, not one of EC P-256",
        f"apps.news.webpush.vapid_key_file: {tmp_path}/rsa.pem: holds an RSA key, not one of EC P-256",
    ]
