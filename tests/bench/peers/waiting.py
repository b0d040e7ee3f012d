"""The job that stock RQ workers run: one request to n8n, waited for."""

import httpx2

TIMEOUT_S = 60.0


def wait_in_n8n(url: str, seconds: float) -> None:
    """Run the slow workflow and wait for its answer."""
    httpx2.post(url, json={"seconds": seconds}, timeout=TIMEOUT_S).raise_for_status()
