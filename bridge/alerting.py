"""The watch of one process over what alerts are about; nothing of it is loaded without alerts."""

from bridge.configuration.current import CurrentAlerts
from bridge.runtime import Runtime
from bridge.store.alerts import AlertStore


async def watch_alerts(runtime: Runtime, alerts: CurrentAlerts) -> None:
    """Watch until cancelled, in a web process or a worker; without a file of alerts, return."""
    settings, stores, steps = runtime.web.settings, runtime.stores, runtime.steps
    if settings.alerts is None:
        return
    from bridge.verbs.alert_watch import AlertStores, AlertWatch

    kept = AlertStore(steps, runtime.process)
    read = AlertStores(kept, stores.counters, stores.minutes, steps)
    await AlertWatch(runtime.process, settings, runtime.web.servers, alerts, read).run()
