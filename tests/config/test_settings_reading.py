import pytest

from gateway.config import (
    ApnsSettings,
    Config,
    ConfigError,
    FcmSettings,
    JournalSettings,
    ListenSettings,
    SectionError,
    TcpAddress,
    UnixAddress,
    WebPushAppSettings,
    load_config,
)
from protocol.providers.webpush import Service

SHOP = """
[apps.shop.apns]
team_id = "DEF123GHIJ"
key_id = "ABC123DEFG"
key_file = "keys/AuthKey.p8"
"""


@pytest.fixture
def load(tmp_path):
    def load_text(text, environ=None):
        path = tmp_path / "gateway.toml"
        path.write_text(text)
        return load_config(path, environ or {})

    return load_text


@pytest.fixture
def find_faults(load):
    def find(text, environ=None):
        with pytest.raises(ConfigError) as raised:
            load(text, environ)
        return [str(fault) for fault in raised.value.faults]

    return find


def test_what_is_not_set_has_its_default(load):
    config = load(SHOP)
    assert config == Config(apps=config.apps)
    assert config.limits.batch_notifications == 10_000


def test_the_environment_overrides_the_file(load):
    text = SHOP + "[limits]\nconnections = 5\nbatch_bytes = 2048\n"
    config = load(text, {"PUSHMILL_LIMITS__CONNECTIONS": "7", "PUSHMILL_LOG__LEVEL": "debug"})
    assert (config.limits.connections, config.limits.batch_bytes, config.log.level) == (7, 2048, "debug")


def test_the_environment_alone_is_enough():
    environ = {
        "PUSHMILL_APPS__SHOP__APNS__CERTIFICATE_FILE": "shop.pem",
        "PUSHMILL_LISTEN__SOCKET": "unix:/a, tcp:[::1]:7443",
        "PUSHMILL_DELIVERY__SETTLE_DELAY_SECONDS": "0.01",
        "PUSHMILL_CONFIG": "none of the settings",
        "HOME": "/root",
    }
    config = load_config(None, environ)
    assert config.listen.addresses == (UnixAddress("/a"), TcpAddress("::1", 7443))
    assert config.delivery.settle_delay_seconds == 0.01
    assert config.apps["shop"].apns.certificate_file == "shop.pem"


def test_a_variable_finds_its_app_however_the_file_spells_it(load):
    text = SHOP.replace("apps.shop.", 'apps."My-Shop.2".')
    config = load(text, {"PUSHMILL_APPS__MY_SHOP_2__APNS__TOPIC": "com.example.shop"})
    assert config.apps["My-Shop.2"].apns.topic == "com.example.shop"


def test_paths_in_the_file_start_from_its_directory_and_absolute_ones_stay(load, tmp_path):
    assert load(SHOP).apps["shop"].apns.key_file == f"{tmp_path}/keys/AuthKey.p8"
    config = load(SHOP.replace("keys/", "/etc/keys/"), {"PUSHMILL_APNS__CA_FILE": "ca.pem"})
    assert config.apps["shop"].apns.key_file == "/etc/keys/AuthKey.p8"
    assert config.apns.ca_file == "ca.pem"


def test_one_address_needs_no_list(load):
    assert load('[listen]\nsocket = "unix:/a"\n' + SHOP).listen.addresses == (UnixAddress("/a"),)


def test_all_faults_are_told_at_once_each_with_its_place(find_faults):
    text = """
    [limits]
    batch_byte = 4
    connections = "many"
    queued_bytes = 0
    [apns]
    least_sessions = 9
    production_address = "api.push.apple.com"
    [log]
    level = "loud"
    [apps.shop.apns]
    team_id = "short"
    key_id = "ABC123DEFG"
    [apps.empty]
    [timeouts]
    read = 1
    """
    assert find_faults(text, {"PUSHMILL_LIMITS__CONECTIONS": "5", "PUSHMILL_DELIVERY__ACTIVE_ROWS": "x"}) == [
        (
            "timeouts: unknown section; known here: listen, access, limits, delivery, egress, apns, fcm, webpush,"
            " journal, log, apps"
        ),
        "limits.batch_byte: unknown setting; did you mean batch_bytes?",
        "PUSHMILL_LIMITS__CONECTIONS: unknown setting; did you mean connections?",
        "limits.queued_bytes: expected a number of bytes from 1024 to 1099511627776",
        "limits.connections: expected a whole number from 1 to 1000000000, got a string",
        "PUSHMILL_DELIVERY__ACTIVE_ROWS: expected a whole number from 1 to 1000000000",
        "apns.most_sessions: must be at least least_sessions",
        "apns.production_address: expected host:port, as in api.push.apple.com:443",
        "log.level: expected 'debug' or 'info' or 'warning' or 'error'",
        "apps.shop.apns.team_id: expected 10 capital letters or digits, as Apple's developer pages show it",
        "apps.empty.apns: missing; an app needs credentials for at least one provider: apns, fcm or webpush",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("limits = 5", "limits: is a section, not a setting"),
        (
            "[limits.connections]\nmost = 5",
            "limits.connections: expected a whole number from 1 to 1000000000, got a table",
        ),
        ("[apps]\nnews = 1", "apps.news: is a section, not a setting"),
        ('[apps."a/b".apns]', "apps.a/b: a name is 1 to 64 letters, digits, '_', '.' or '-'"),
        (
            "[limits]\nconnections = true",
            "limits.connections: expected a whole number from 1 to 1000000000, got true or false",
        ),
        ("[listen]\nsocket = 5", "listen.socket: expected a list of strings, got a number"),
        ("[listen]\nsocket = []", "listen.socket: name at least one address, as in unix:/run/pushmill/gateway.sock"),
        ('[listen]\nsocket = "unix:relative"', "listen.socket: unix:relative: expected unix:/path or tcp:host:port"),
        (
            '[listen]\nsocket = "tcp:0.0.0.0:7443"',
            (
                "listen.socket: tcp:0.0.0.0:7443: set tls_certificate_file and tls_key_file;"
                " without TLS only loopback is allowed"
            ),
        ),
        ('[listen]\ntls_key_file = "a"', "listen.tls_certificate_file: set both or neither"),
        (
            "[limits]\nconnection_credit_bytes = 2048",
            "limits.connection_credit_bytes: must be at least limits.batch_bytes, or the largest batch never fits",
        ),
        (
            "[apns]\nreconnect_delay_seconds = 61",
            "apns.reconnect_ceiling_seconds: must be at least reconnect_delay_seconds",
        ),
        ("[apps.b.apns]", "apps.b.apns.key_file: missing; set team_id, key_id and key_file, or certificate_file"),
        (
            '[apps.b.apns]\nteam_id = "DEF123GHIJ"\nkey_file = "a"',
            "apps.b.apns.key_id: missing; a signing key needs team_id, key_id, key_file",
        ),
        (
            '[apps.b.apns]\ncertificate_file = "c"\nkey_file = "a"',
            "apps.b.apns.certificate_file: set either this or team_id, key_id, key_file, not both",
        ),
    ],
)
def test_a_fault_says_what_to_do(find_faults, text, fault):
    assert find_faults(text + "\n" + SHOP) == [fault]


NEWS = """
[apps.news.webpush]
subject = "mailto:push@example.org"
vapid_key_file = "vapid.pem"
"""


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[fcm]\naddress = "fcm.googleapis.com"', "fcm.address: expected host:port, as in api.push.apple.com:443"),
        ("[fcm]\nstream_timeout_seconds = 5", "fcm.stream_timeout_seconds: expected seconds from 10 to 86400"),
        (
            "[fcm]\nleast_sessions = 3\nmost_sessions = 2",
            "fcm.most_sessions: must be at least least_sessions",
        ),
        (
            '[webpush]\nallowed_hosts = { "push.*" = "other" }',
            "webpush.allowed_hosts: 'push.*' is no host pattern: write push.example.org, *.example.org or host:port",
        ),
        (
            '[webpush]\nallowed_hosts = { "push.example.org" = "opera" }',
            ("webpush.allowed_hosts.push.example.org: expected 'mozilla' or 'fcm' or 'apple' or 'wns' or 'other'"),
        ),
        (
            '[webpush]\nallowed_hosts = { push.example.org = "other" }',
            ('webpush.allowed_hosts.push: is a table; a name with dots stands in quotes, as in "push.example.org"'),
        ),
        (
            '[webpush]\nallowed_hosts = "push.example.org"',
            "webpush.allowed_hosts: expected a table, as in { name = value }",
        ),
        (
            '[webpush]\nallowed_networks = "10.0.0.1/8"',
            "webpush.allowed_networks: 10.0.0.1/8 has host bits set; write 10.1.0.0/16 or fd00::/8",
        ),
        ("[webpush]\nready_keys = -1", "webpush.ready_keys: expected a whole number from 0 to 1000000"),
        (
            "[apps.b.fcm]",
            "apps.b.fcm.service_account_file: missing; name the JSON file of a service account of the Firebase project",
        ),
        (
            '[apps.b.webpush]\nvapid_key_file = "a"',
            "apps.b.webpush.subject: missing; write mailto:someone@your.domain or https://your.domain/contact",
        ),
        (
            '[apps.b.webpush]\nvapid_key_file = "a"\nsubject = "mailto:push@localhost"',
            (
                "apps.b.webpush.subject: 'mailto:push@localhost' is no subject:"
                " write mailto:someone@your.domain or https://your.domain/contact"
            ),
        ),
        (
            '[apps.b.webpush]\nsubject = "mailto:push@example.org"',
            (
                "apps.b.webpush.vapid_key_file: missing;"
                " `pushmill vapid-keys --out FILE` makes one (or set vapid_key_files)"
            ),
        ),
        (
            NEWS + 'vapid_key_files = { "2026" = "a" }',
            "apps.news.webpush.vapid_key_file: set either this or vapid_key_files, not both",
        ),
        (
            NEWS + 'default_vapid_key = "2026"',
            "apps.news.webpush.default_vapid_key: none of the app's keys has this id; there is default",
        ),
        (
            NEWS.replace("vapid_key_file =", 'vapid_key_files = { "a/b" = "c" } #'),
            "apps.news.webpush.vapid_key_files.a/b: 'a/b': expected an id of 1 to 64 letters, digits, '_', '.' or '-'",
        ),
    ],
)
def test_a_fault_of_fcm_or_web_push_says_what_to_do(find_faults, text, fault):
    assert find_faults(text + "\n" + SHOP) == [fault]


@pytest.mark.parametrize(
    ("uri", "is_taken"),
    [
        ("https://oauth2.example/token", True),
        ("http://127.0.0.1:8080/token", True),
        ("http://localhost/token", True),
        ("https://localhost:4711/token", True),
        ("http://oauth2.example/token", False),
        ("https://user@oauth2.example/token", False),
        ("https:///token", False),
        ("https://oauth2.example:99999/token", False),
        ("https://oauth2.example/to\x00ken", False),
        ("https://[oauth2/token", False),
        ("ftp://127.0.0.1/token", False),
    ],
)
def test_assertions_are_exchanged_over_https_or_on_this_machine(uri, is_taken):
    if is_taken:
        assert FcmSettings(token_uri=uri).token_uri == uri
    else:
        with pytest.raises(SectionError, match="token_uri: expected an https URL"):
            FcmSettings(token_uri=uri)


def test_tables_come_from_the_file_or_from_a_variable(load, tmp_path):
    text = NEWS.replace("vapid_key_file =", 'vapid_key_files = { "2025" = "old.pem", "2026" = "/etc/new.pem" } #')
    text += 'default_vapid_key = "2026"\n[webpush]\nallowed_hosts = { "push.example.org" = "other" }\n'
    config = load(text)
    assert config.webpush.allowed_hosts == {"push.example.org": Service.OTHER}
    news = config.apps["news"].webpush
    assert news.key_files == {"2025": f"{tmp_path}/old.pem", "2026": "/etc/new.pem"}
    assert news.default_key == "2026"
    environ = {
        "PUSHMILL_WEBPUSH__ALLOWED_HOSTS": "localhost:4711=mozilla, *.example.org=apple",
        "PUSHMILL_APPS__NEWS__WEBPUSH__VAPID_KEY_FILES": "2026=new.pem",
    }
    config = load(text, environ)
    assert config.webpush.allowed_hosts == {"localhost:4711": Service.MOZILLA, "*.example.org": Service.APPLE}
    assert config.apps["news"].webpush.key_files == {"2026": "new.pem"}


def test_a_table_in_a_variable_names_the_variable_in_its_faults(find_faults):
    variable = "PUSHMILL_WEBPUSH__ALLOWED_HOSTS"
    assert find_faults(SHOP, {variable: "push.example.org"}) == [
        f"{variable}: expected name=value, several separated by commas"
    ]
    assert find_faults(SHOP, {variable: "push.example.org=opera"}) == [
        f"{variable}: expected 'mozilla' or 'fcm' or 'apple' or 'wns' or 'other'"
    ]


@pytest.mark.parametrize(
    ("settings", "default"),
    [
        ({"vapid_key_file": "a"}, "default"),
        ({"vapid_key_files": {"2026": "a"}}, "2026"),
        ({"vapid_key_files": {"2025": "a", "2026": "b"}}, None),
        ({"vapid_key_files": {"2025": "a", "2026": "b"}, "default_vapid_key": "2025"}, "2025"),
    ],
)
def test_an_only_key_is_the_default_one_of_several_is_chosen(settings, default):
    assert WebPushAppSettings(subject="mailto:push@example.org", **settings).default_key == default


def test_a_variable_for_a_section_is_a_fault(find_faults):
    assert find_faults(SHOP, {"PUSHMILL_APPS__SHOP__APNS": "x"}) == [
        "PUSHMILL_APPS__SHOP__APNS: is a section, not a setting"
    ]


def test_a_setting_with_a_fault_causes_no_second_one(find_faults):
    assert find_faults("[apns]\nleast_sessions = 20\nmost_sessions = 0\n" + SHOP) == [
        "apns.most_sessions: expected a whole number from 1 to 1000"
    ]


def test_key_material_in_place_of_a_path_is_refused_and_not_shown(find_faults):
    canary = "c4n4ry"
    text = SHOP.replace("keys/AuthKey.p8", f"-----BEGIN PRIVATE KEY-----\\n{canary}\\n")
    faults = find_faults(text)
    assert faults == ["apps.shop.apns.key_file: expected the path of a file (its name, not what is in it)"]


def test_a_configuration_without_apps_is_refused(find_faults):
    assert find_faults("") == [
        "apps: none configured; add a section [apps.<name>.apns], [apps.<name>.fcm] or [apps.<name>.webpush]"
    ]


def test_a_file_that_cannot_be_read_is_named(load, find_faults, tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.toml: No such file or directory"):
        load_config(tmp_path / "absent.toml", {})
    (fault,) = find_faults("a = = 1")
    assert fault.startswith(f"{tmp_path}/gateway.toml: not TOML: Invalid value (at line 1")
    (tmp_path / "latin.toml").write_bytes(b"# \xe4")
    with pytest.raises(ConfigError, match=r"latin\.toml: not UTF-8 at byte 2"):
        load_config(tmp_path / "latin.toml", {})


def test_a_section_made_by_hand_is_checked_too():
    with pytest.raises(SectionError, match="must be at least least_sessions"):
        ApnsSettings(least_sessions=9, most_sessions=2)


@pytest.mark.parametrize(
    ("text", "is_loopback"),
    [
        ("tcp:localhost:1", True),
        ("tcp:127.0.0.9:1", True),
        ("tcp:[::1]:1", True),
        ("tcp:example.com:1", False),
        ("tcp:[::]:1", False),
    ],
)
def test_only_loopback_addresses_are_open_without_tls(text, is_loopback):
    if is_loopback:
        (address,) = ListenSettings(socket=(text,)).addresses
        assert str(address) == text
    else:
        with pytest.raises(SectionError):
            ListenSettings(socket=(text,))


@pytest.mark.parametrize(
    "text", ["tcp:::1:443", "tcp:host", "tcp:host:65536", "tcp::1", "tcp:host:٣", "http:host:1", ""]
)
def test_addresses_that_are_none_are_refused(text):
    with pytest.raises(SectionError):
        ListenSettings(socket=(text,))


def test_the_journal_must_have_room_for_what_may_be_queued():
    with pytest.raises(SectionError, match=r"most_bytes .* must be at least twice limits\.queued_bytes"):
        Config(journal=JournalSettings(most_bytes=64 * 1024 * 1024))
    Config(journal=JournalSettings(most_bytes=64 * 1024 * 1024, engine="memory"))


@pytest.mark.parametrize(
    "secret",
    [
        "-----BEGIN PRIVATE KEY-----\\\\nc4n4ry\\\\n-----END PRIVATE KEY-----",
        '{\\"type\\": \\"service_account\\", \\"private_key\\": \\"c4n4ry\\"}',
        "c4n4ry_Bs22zuKXD8j2cXwHaGNpjZFiaUI0u5WUl_gA",
        "c4n4ry_Bs22zuKXD8j2cXwHaGNpjZFiaUI0u5WUl_gA=",
    ],
)
@pytest.mark.parametrize("setting", ["apns.key_file", "fcm.service_account_file", "webpush.vapid_key_file"])
def test_a_secret_in_place_of_its_file_is_told_and_not_shown(find_faults, setting, secret):
    section, _, name = setting.partition(".")
    faults = find_faults(f'[apps.b.{section}]\n{name} = "{secret}"\n' + SHOP)
    assert f"apps.b.{setting}: expected the path of a file (its name, not what is in it)" in faults
    assert not any("c4n4ry" in fault for fault in faults)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_settings_are_read_as_editors_of_windows_save_them(tmp_path, encoding, line_end):
    path = tmp_path / "gateway.toml"
    path.write_bytes((SHOP + "# Größe\n").replace("\n", line_end).encode(encoding))
    assert load_config(path, {}).apps["shop"].apns.team_id


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ('users = { shop = "shop" }', "a uid in digits"),
        ('users = { 4294967295 = "shop" }', "a uid is at most 4294967294"),
        ('users = { 7 = "a b" }', "a name of 1 to 64"),
        ('users = { 7 = "shop" }\ndefault_belongs_to = "news"', "news is no principal"),
        ('default_belongs_to = "news"', "news is no principal"),
        ('users = { 7 = "shop", 8 = "default" }\ndefault_belongs_to = "shop"', "would read and cancel each other's"),
        ('users = { 7 = "shop" }\n[listen]\nsocket = ["tcp:127.0.0.1:0"]', "every caller over TCP is refused"),
    ],
)
def test_principals_that_can_not_stand_are_faults(tmp_path, lines, fault):
    path = tmp_path / "gateway.toml"
    path.write_text(f"[access]\n{lines}\n")
    with pytest.raises(ConfigError) as error:
        load_config(path, {})
    assert fault in str(error.value)
