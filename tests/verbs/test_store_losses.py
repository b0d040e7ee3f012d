"""A store that has lost what it held is noticed, and the bridge goes on with what there is."""

from pathlib import Path

import pytest

from bridge.configuration.settings import Settings
from bridge.runtime import open_runtime
from bridge.verbs.store_losses import REPLACED, SET_BACK, StoreLosses
from tests.verbs.desk import DESK, send, take

SERVERS = {DESK.name: DESK}
REMEMBERED = StoreLosses._remembered


@pytest.fixture
def kept(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Have a data folder in which processes leave word."""
    monkeypatch.setattr(StoreLosses, "_remembered", REMEMBERED)
    return settings.model_copy(update={"data_dir": tmp_path})


def lost(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Return what was said of losses, by level."""
    told = [record for record in caplog.records if record.message == "store.lost"]
    return [(record.levelname, str(getattr(record, "reason", ""))) for record in told]


async def test_a_store_that_stays_the_same_is_nothing_to_tell(
    kept: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        async with open_runtime(kept, SERVERS, "web", 5) as web:
            await send(web)
            await web.losses.look()
            assert web.losses.said == ""
    assert lost(caplog) == []


async def test_every_process_notices_a_store_that_was_emptied_once_and_goes_on(
    kept: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        open_runtime(kept, SERVERS, "web", 5) as web,
        open_runtime(kept, SERVERS, "worker", 5) as worker,
    ):
        await send(web)
        before = (await web.stores.counters.read([])).made_at_s
        await web.redis.flushall()
        for _ in range(2):
            await web.losses.look()
            await worker.losses.look()
        assert (await web.stores.counters.read([])).made_at_s > before > 0
        await send(web)
        assert await take(worker)
    assert lost(caplog) == [("ERROR", REPLACED)] * 2


async def test_a_process_that_starts_on_an_emptied_store_knows_from_the_data_folder(
    kept: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_runtime(kept, SERVERS, "web", 5) as web:
        await web.redis.flushall()
    for losses in (1, 1):
        async with open_runtime(kept, SERVERS, "web", 5):
            pass
        assert lost(caplog) == [("ERROR", REPLACED)] * losses


async def test_a_store_that_was_set_back_is_noticed_while_running_and_at_the_next_start(
    kept: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_runtime(kept, SERVERS, "web", 5) as web:
        await send(web)
        await web.losses.look()
        await web.redis.set("{bridge}:order", 1)
        await web.losses.look()
        await send(web)
        await web.losses.look()
        assert lost(caplog) == [("ERROR", SET_BACK)]
        await web.redis.set("{bridge}:order", 1)
    async with open_runtime(kept, SERVERS, "web", 5):
        assert lost(caplog) == [("ERROR", SET_BACK)] * 2


async def test_without_a_data_folder_a_process_starts_and_leaves_nothing(
    kept: Settings, tmp_path: Path
) -> None:
    nowhere = kept.model_copy(update={"data_dir": tmp_path / "none"})
    async with open_runtime(nowhere, SERVERS, "web", 5) as web:
        assert web.losses.said == ""
    assert not (tmp_path / "none").exists()


async def test_the_word_that_is_left_holds_no_password(kept: Settings, tmp_path: Path) -> None:
    async with open_runtime(kept, SERVERS, "web", 5):
        pass
    (file,) = tmp_path.iterdir()
    assert file.name.startswith("store-")
    name, made_at_ms, order = file.read_text().split()
    assert len(name) == 16
    assert made_at_ms.isdecimal()
    assert order.isdecimal()
