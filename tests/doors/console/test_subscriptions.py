"""The console's list of webhook subscriptions: who is told what, how far, and no address."""

import re

import pytest

from bridge.models import LeaseToken, Principal, SubscriptionId
from bridge.store.subscriptions import NewSubscription
from tests.doors.console.operating import ALICE, Desktop, desktop

BOB = Principal("desk", "bob")


async def subscribe(desk: Desktop, name: str, principal: Principal = ALICE) -> None:
    """Have a receiver be sent the letters from the beginning on."""
    wish = NewSubscription(
        subscription_id=SubscriptionId(name),
        principal=principal,
        hook="letters",
        url=f"https://{name}.example:8443/in/path-of-{name}?key=not-to-be-shown",
        secret="whsec_not-to-be-shown",
        cursor="1",
        token="",
        ttl_s=3600,
    )
    assert await desk.door.runtime.stores.subscriptions.keep(wish, 100)


async def fail(desk: Desktop, name: str, *pauses_s: float) -> None:
    """Have a receiver not take what it is sent."""
    subscriptions = desk.door.runtime.stores.subscriptions
    telling = await subscriptions.lease(SubscriptionId(name), LeaseToken("t"))
    assert telling
    await subscriptions.fail(telling, "", "answered 500", pauses_s)


def names(page: str) -> list[str]:
    """Return the subscriptions that a list shows, in its order."""
    return re.findall(r'<span class="id">([^<]+)</span>', page)


async def test_subscriptions_tell_who_is_sent_what_and_how_far_and_no_address(
    redis_url: str,
) -> None:
    async with desktop(redis_url) as desk:
        await desk.send({"about": "plans"})
        await desk.send({"about": "prices"})
        await subscribe(desk, "one")
        await desk.log_in()
        page = await desk.show("/subscriptions")
    assert "desk/alice" in page
    assert "one.example:8443" in page
    assert 'data-label="Not sent yet">2<' in page
    assert "not-to-be-shown" not in page
    assert "path-of-one" not in page


async def test_subscriptions_are_filtered_as_other_lists_are(redis_url: str) -> None:
    async with desktop(redis_url) as desk:
        for name in ("one", "two"):
            await subscribe(desk, name)
        await subscribe(desk, "three", BOB)
        await fail(desk, "two", 60)
        await fail(desk, "three")
        await desk.log_in()
        for query, found in {
            "": ["three", "two", "one"],
            "status=active": ["one"],
            "status=failing": ["two"],
            "status=suspended": ["three"],
            "principal=bob": ["three"],
            "q=TWO.example": ["two"],
            "q=path-of": [],
            "server=desk&hook=letters&since=1h": ["three", "two", "one"],
            "until=2001-01-01T00:00": [],
        }.items():
            assert names(await desk.show(f"/subscriptions?{query}")) == found, query
        assert "there are: letters" in await desk.show("/subscriptions?hook=none", 404)


async def test_a_renewed_subscription_keeps_its_place_and_an_ended_one_leaves(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.console.listing.ROWS", 2)
    async with desktop(redis_url) as desk:
        for name in ("one", "two", "three"):
            await subscribe(desk, name)
        await desk.log_in()
        newest = await desk.show("/subscriptions")
        older = re.search(r'href="/console(/subscriptions\?[^"]+)" rel="next"', newest)
        assert older
        await subscribe(desk, "one")
        assert names(newest) == ["three", "two"]
        assert names(await desk.show(older[1].replace("&amp;", "&"))) == ["one"]
        await desk.door.runtime.stores.subscriptions.forget(SubscriptionId("two"))
        assert names(await desk.show("/subscriptions")) == ["three", "one"]
