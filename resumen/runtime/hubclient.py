"""How the hub is asked: with a timeout, through proxies that are named, no faster than it allows."""

import logging
import os
import re
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.request import getproxies, proxy_bypass

import httpx2
from huggingface_hub import constants
from huggingface_hub.errors import OfflineModeIsEnabled
from huggingface_hub.utils import parse_ratelimit_headers

from resumen.runtime.errors import first_line

log = logging.getLogger("hub")

MAX_TRIES = 3  # of what may go well the next time
MAX_WAIT = 300  # seconds that the hub may have us wait: it counts its requests by five minutes
UPLOAD_TIMEOUT = 300  # seconds until what was sent is answered: a commit takes longer than a read
PROXY_KINDS = ("http", "https", "all")  # `https_proxy` and so on


class HubError(OSError):
    """What HubClient gives up with. The libraries pass it on, where they would try httpx2's errors again."""


class HubClient(httpx2.Client):
    """The client that huggingface_hub and datasets ask with: no request waits for ever, and none in silence.

    Of themselves they set a timeout on few requests, try a request up to six times, and wait for as long
    as the hub says, an hour too.
    """

    def __init__(self) -> None:
        super().__init__(follow_redirects=True, timeout=None)  # `send` sets one
        self.lock = threading.Lock()
        self.resume_at = 0.0  # no request is sent before, by time.monotonic()

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Return the response to `request`; what reads is tried up to MAX_TRIES times.

        Raises:
            HubError: there is none in time, or it says that there are too many requests.
            OfflineModeIsEnabled: nothing is asked under HF_HUB_OFFLINE.
        """
        if constants.is_offline_mode():
            raise OfflineModeIsEnabled(f"cannot reach {request.url}: HF_HUB_OFFLINE is set")
        is_read = request.method in ("GET", "HEAD") or "/paths-info/" in request.url.path
        usual = min(constants.HF_HUB_DOWNLOAD_TIMEOUT, constants.HF_HUB_ETAG_TIMEOUT)
        optional = 0 < seconds_given(request) < usual  # so libraries count uses, and go on without an answer
        if not seconds_given(request):
            seconds = constants.HF_HUB_DOWNLOAD_TIMEOUT if is_read else UPLOAD_TIMEOUT
            request.extensions["timeout"] = httpx2.Timeout(seconds).as_dict()
        for number in range(1, MAX_TRIES + 1):
            time.sleep(max(0.0, self.resume_at - time.monotonic()))
            try:
                response = super().send(request, **options)
            except httpx2.TimeoutException as error:
                if optional:
                    raise
                if not is_read or number == MAX_TRIES:
                    raise HubError(no_answer(error)) from error
                asked = f"{request.method} {origin(request.url)}{request.url.path}"
                log.warning("%s: no answer; trying again (%d of %d)", asked, number + 1, MAX_TRIES)
            else:
                if response.status_code != 429 or optional or not is_read:
                    return response
                response.close()
                self.wait(request, seconds_to_wait(response, default=2 ** (number - 1)), number)
        raise AssertionError("the last try returns or raises")

    def wait(self, request: httpx2.Request, seconds: float, number: int) -> None:
        """Let nothing be sent for the `seconds` that a 429 asks for at try `number`; a line says so once.

        Raises:
            HubError: it was the last try, or they are more than MAX_WAIT.
        """
        asked = f"{request.url.host} answered 429, too many requests"
        advice = "" if "Authorization" in request.headers else "; HF_TOKEN raises the limit"
        if number == MAX_TRIES or seconds > MAX_WAIT:
            raise HubError(f"{asked}; try again in {seconds:,.0f} s{advice}")
        with self.lock:
            if self.resume_at <= time.monotonic():  # else another thread has said it
                log.warning(
                    "%s; waiting %.0f s (try %d of %d)%s", asked, seconds, number + 1, MAX_TRIES, advice
                )
                self.resume_at = time.monotonic() + seconds


def hub_client() -> HubClient:
    """Return a client that takes the environment's proxies.

    Raises:
        HubError: one of them cannot be used.
    """
    try:
        return HubClient()
    except (ImportError, ValueError, httpx2.InvalidURL) as error:
        for kind in PROXY_KINDS:
            if (proxy := getproxies().get(kind)) and (fault := proxy_fault(proxy)):
                raise HubError(f"{proxy_variable(kind, proxy)}: {fault}, or unset it") from error
        raise


def proxy_fault(proxy: str) -> str:
    """Return why `proxy` cannot be used and what to do, or ""."""
    try:
        httpx2.HTTPTransport(proxy=proxy if "://" in proxy else f"http://{proxy}").close()
    except ImportError:
        return "a SOCKS proxy needs a package: `pip install socksio`"
    except (ValueError, httpx2.InvalidURL) as error:
        return f"no proxy's address ({without_password(first_line(error))}); write http://host:port"
    return ""


def proxy_for(url: str) -> str:
    """Return the proxy of requests to `url`, as `variable=value` without a password, or ""."""
    parts = httpx2.URL(url)
    if proxy_bypass(parts.host):
        return ""
    for kind in (parts.scheme, "all"):
        if proxy := getproxies().get(kind):
            return proxy_variable(kind, proxy)
    return ""


def proxy_variable(kind: str, proxy: str) -> str:
    """Return which variable names `proxy`, and its value without a password."""
    names = (f"{kind}_proxy", f"{kind}_proxy".upper())
    name = next((name for name in names if os.environ.get(name)), "the system's proxy")
    return f"{name}={without_password(proxy)}"


def without_password(address: str) -> str:
    """Return an address without the user and the password in it.

    >>> without_password("http://me:secret@proxy:3128"), without_password("me:sec/ret@proxy")
    ('http://proxy:3128', 'proxy')
    """
    return re.sub(r"(\w+://)?[^\s'\"]*@", r"\1", address)


def origin(url: httpx2.URL) -> str:
    """Return the scheme, host and port of `url`, without a password."""
    return f"{url.scheme}://{url.netloc.decode()}"


def no_answer(error: httpx2.TimeoutException) -> str:
    """Return that a request had no answer in time, and what to do."""
    url, proxy = error.request.url, proxy_for(str(error.request.url))
    through = f" through the proxy {proxy}" if proxy else ""
    seconds = seconds_given(error.request)
    variable = "HF_HUB_ETAG_TIMEOUT" if error.request.method == "HEAD" else "HF_HUB_DOWNLOAD_TIMEOUT"
    return (
        f"{origin(url)} does not answer within {seconds:g} s{through}; try again later, set HF_ENDPOINT to a "
        f"mirror, or {variable} to more seconds"
    )


def seconds_given(request: httpx2.Request) -> float:
    """Return how long `request` waits for an answer; 0 if it does not say."""
    return max((value or 0 for value in request.extensions.get("timeout", {}).values()), default=0)


def seconds_to_wait(response: httpx2.Response, default: float) -> float:
    """Return for how long a 429 asks to wait, by Retry-After or by the hub's own header."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    with suppress(ValueError):
        date = parsedate_to_datetime(value)
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        return max(0.0, (date - datetime.now(UTC)).total_seconds())
    limit = parse_ratelimit_headers(response.headers)
    return float(limit.reset_in_seconds) if limit and limit.remaining == 0 else default


class Once(logging.Handler):
    """Hands a line on to the root logger's handlers the first time that it is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message not in self.seen:
            self.seen.add(message)
            logging.getLogger().handle(record)


def log_once(library: str) -> None:
    """Let each line of a library be printed once; of itself it prints all, besides what the root prints."""
    logger = logging.getLogger(library)
    logger.handlers = [handler for handler in logger.handlers if isinstance(handler, Once)] or [Once()]
    logger.propagate = False
