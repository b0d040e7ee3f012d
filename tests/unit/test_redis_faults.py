"""Why Redis takes nothing is told in words that say what to do, whatever it was."""

import socket
import ssl

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import DataError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from bridge.redis_faults import SILENT, fault_of, sentence_of


def caused_by(cause: BaseException) -> RedisConnectionError:
    """Return the error of redis-py for what the system said."""
    error = RedisConnectionError("it failed")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (caused_by(socket.gaierror(-2, "no such name")), "nothing knows the host"),
        (caused_by(ConnectionRefusedError()), "nothing listens at the address"),
        (FileNotFoundError("/run/valkey.sock"), "nothing listens at the address"),
        (RedisConnectionError("max number of clients reached"), "as many clients as its maxclien"),
        (RedisConnectionError("Connection closed by server."), "Redis closes the connection"),
        (RedisConnectionError("something else"), "something else"),
    ],
)
def test_a_store_that_cannot_be_reached_is_waited_for(error: Exception, said: str) -> None:
    fault = fault_of(error)
    assert fault
    assert said in fault.sentence
    assert not fault.lasts


def test_a_store_that_says_nothing_is_told_as_that() -> None:
    assert fault_of(RedisTimeoutError("timeout")) == SILENT


def test_a_refusal_of_tls_lasts_and_says_which_setting_mends_it() -> None:
    came, gone = ssl.MemoryBIO(), ssl.MemoryBIO()
    came.write(b"-ERR this is no TLS\r\n")
    with pytest.raises(ssl.SSLError) as refused:
        ssl.create_default_context().wrap_bio(came, gone, server_hostname="redis").do_handshake()

    fault = fault_of(caused_by(refused.value))

    assert fault
    assert fault.lasts
    assert "TLS fails" in fault.sentence
    assert "ssl_ca_certs" in fault.sentence


@pytest.mark.parametrize("command", ["EVALSHA", "EVAL", "TIME"])
def test_a_sentinel_in_place_of_a_server_is_told_with_how_it_is_named(command: str) -> None:
    fault = fault_of(ResponseError(f"unknown command '{command}', with args beginning with: "))

    assert fault
    assert fault.lasts
    assert "redis+sentinel://HOST:PORT" in fault.sentence


def test_what_is_no_fault_of_the_store_keeps_its_words() -> None:
    assert fault_of(DataError("no")) is None
    assert sentence_of(DataError("no")) == "no"
