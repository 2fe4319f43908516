"""The client of the hub: how long a 429 asks to wait, which proxy is named, what is printed of a library."""

import logging
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
import pytest
from huggingface_hub import constants

from resumen.runtime import hubclient
from resumen.runtime.hubclient import HubClient, HubError, Once, origin, proxy_for, seconds_to_wait

WAITS = {
    "seconds": ({"Retry-After": "120"}, 120),
    "neither": ({"Retry-After": "soon"}, 4),
    "nothing": ({}, 4),
    "the hub's own header": ({"RateLimit": '"api";r=0;t=55'}, 55),
    "the hub's own header, of another limit": ({"RateLimit": '"api";r=12;t=55'}, 4),
}


@pytest.fixture
def silent(monkeypatch):
    """The address of a server that accepts connections and never answers."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("name", WAITS)
def test_a_429_is_waited_for_as_long_as_it_says(name):
    headers, seconds = WAITS[name]
    assert seconds_to_wait(httpx2.Response(429, headers=headers), default=4) == seconds


@pytest.mark.parametrize(("later", "seconds"), [(3_600, 3_600), (-60, 0)])
@pytest.mark.parametrize("zone", ["+0000", "-0000", "GMT"])
def test_a_429_is_waited_for_until_the_date_that_it_says(later, seconds, zone):
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=later)).replace("+0000", zone)
    response = httpx2.Response(429, headers={"Retry-After": date})
    assert seconds_to_wait(response, default=4) == pytest.approx(seconds, abs=30)


PROXIES = {
    "none": ({}, ""),
    "the scheme's own before that of all": (
        {"HTTPS_PROXY": "http://one:1", "ALL_PROXY": "http://two:2"},
        "HTTPS_PROXY=http://one:1",
    ),
    "that of all": (
        {"HTTP_PROXY": "http://one:1", "ALL_PROXY": "socks5://two:2"},
        "ALL_PROXY=socks5://two:2",
    ),
    "lower case before upper": ({"https_proxy": "one:1", "HTTPS_PROXY": "two:2"}, "https_proxy=one:1"),
    "no password": ({"HTTPS_PROXY": "http://me:se/cret@one:1"}, "HTTPS_PROXY=http://one:1"),
    "passed by": ({"HTTPS_PROXY": "http://one:1", "NO_PROXY": "huggingface.co"}, ""),
}


@pytest.mark.parametrize("name", PROXIES)
def test_the_proxy_of_a_request_is_named(monkeypatch, name):
    variables, named = PROXIES[name]
    for variable in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.upper(), raising=False)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    assert proxy_for("https://huggingface.co") == named


@pytest.mark.parametrize(("method", "tries"), [("GET", 3), ("HEAD", 3), ("POST", 1)])
def test_what_reads_is_tried_three_times_and_what_writes_once(monkeypatch, silent, caplog, method, tries):
    for name in ("HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT"):
        monkeypatch.setattr(constants, name, 0.1)
    monkeypatch.setattr(hubclient, "UPLOAD_TIMEOUT", 0.1)
    with (
        HubClient() as client,
        pytest.raises(HubError, match=r"does not answer within 0\.1 s; try again later"),
    ):
        client.request(method, silent, timeout=None)
    assert len(caplog.messages) == tries - 1


def test_a_request_that_the_libraries_do_without_is_neither_tried_again_nor_said(silent, caplog):
    with HubClient() as client, pytest.raises(httpx2.TimeoutException):
        client.head(silent, timeout=0.1)
    assert caplog.messages == []


def test_a_password_in_the_endpoint_is_not_shown():
    assert origin(httpx2.URL("https://me:secret@mirror:8443/api")) == "https://mirror:8443"


def test_a_line_of_a_library_is_printed_once_and_by_the_root_alone(caplog):
    logger = logging.getLogger("a_library")
    logger.handlers, logger.propagate = [Once()], False
    for message in ("again", "again", "other", "again"):
        logging.getLogger("a_library.part").warning(message)
    assert caplog.messages == ["again", "other"]
