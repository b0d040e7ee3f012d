"""The addresses of Sentinels: what they say, and what is wrong with those that say nothing."""

import pytest

from bridge.errors import ConfigurationError
from bridge.formats.redis_addresses import SentinelAddress, redis_address
from bridge.store.pool import RedisConnections


@pytest.mark.parametrize(
    ("text", "sentinels", "server"),
    [
        ("redis+sentinel://a/main", ["redis://a:26379?"], "redis://a/0?"),
        (
            "redis+sentinel://user:p%40ss@a:1,b.example.com,[::1]:3/main/2",
            ["redis://a:1?", "redis://b.example.com:26379?", "redis://[::1]:3?"],
            "redis://user:p%40ss@a:1/2?",
        ),
        (
            "rediss+sentinel://:s3cret@a,b/main/0?ssl_ca_certs=/ca.pem&socket_timeout=3"
            "&sentinel_username=u&sentinel_password=p%2Fw",
            [
                "rediss://u:p%2Fw@a:26379?ssl_ca_certs=%2Fca.pem",
                "rediss://u:p%2Fw@b:26379?ssl_ca_certs=%2Fca.pem",
            ],
            "rediss://:s3cret@a/0?ssl_ca_certs=%2Fca.pem&socket_timeout=3",
        ),
        (
            "redis+sentinel://:s3cret@a/main?sentinel_password=other",
            ["redis://:other@a:26379?"],
            "redis://:s3cret@a/0?",
        ),
    ],
)
def test_an_address_names_sentinels_and_how_each_server_is_spoken_to(
    text: str, sentinels: list[str], server: str
) -> None:
    address = SentinelAddress.of(redis_address(text))

    assert address is not None
    assert address.name == "main"
    assert list(address.sentinel_urls) == sentinels
    assert address.server_url == server
    assert "s3cret" not in repr(address)
    assert "other" not in repr(address)


@pytest.mark.parametrize(
    "text",
    [
        "redis+sentinel://a:26379,b:26379",
        "redis+sentinel://a:26379/",
        "redis+sentinel:///main/0",
        "redis+sentinel://a,,b/main",
        "redis+sentinel://a:0/main",
        "redis+sentinel://a:99999/main",
        "redis+sentinel://a/main/zero",
        "redis+sentinel://a/main/0/1",
        "redis+sentinel://:s3cr@t@a/main",
        "redis+sentinel://:s3cr/t@a/main",
        "unix+sentinel://a/main",
    ],
)
def test_an_address_without_sentinels_or_name_is_a_fault_that_shows_no_password(text: str) -> None:
    with pytest.raises(ValueError, match="must") as raised:
        redis_address(text)

    assert "s3cr" not in str(raised.value)


def test_an_address_of_one_server_names_no_sentinels() -> None:
    assert SentinelAddress.of("redis://:password@host:6379/0") is None


@pytest.mark.parametrize("option", ["sentinel_pasword=p", "no_such=1", "socket_timeout=soon"])
def test_an_option_that_there_is_not_stops_the_start_by_its_name(option: str) -> None:
    with pytest.raises(ConfigurationError, match=option.partition("=")[0]):
        RedisConnections(f"redis+sentinel://a/main/0?{option}")
