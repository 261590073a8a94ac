import pytest

from gateway.delivery.egress.dialer import client_tls
from gateway.errors import GatewayError


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_authorities_that_cannot_be_read_are_named(tmp_path, content):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(GatewayError, match=r"ca\.pem"):
        client_tls(path)
