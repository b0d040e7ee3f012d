"""Ports that are listened on."""

import socket

from bridge.local.ports import RARELY_TAKEN, free_port, listen


def test_no_answer_waits_for_its_head_to_be_acknowledged() -> None:
    with (
        listen("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
    ):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_free_port_is_the_preferred_one_until_somebody_listens_there() -> None:
    preferred = free_port()
    assert free_port(preferred) == preferred
    with listen("127.0.0.1", preferred):
        assert free_port(preferred) != preferred


def test_a_free_port_is_none_that_an_outgoing_connection_is_given() -> None:
    """Else one of any program takes it, now and then, before it is listened on."""
    assert {free_port() in RARELY_TAKEN for _ in range(50)} == {True}
