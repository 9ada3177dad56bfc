"""A person with a browser, in front of the whole of compose.yaml: one password dialog, and then the engine's pages."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.compose_stack import LOGIN, WHISPER, WHISPERX
from tests.e2e.shipped import Shipped
from tests.fixtures.patience import LONG_PATIENCE

pytestmark = [pytest.mark.docker, pytest.mark.browser]

DISTURBED = "ERR_NETWORK_CHANGED"
ASK_WITH_A_WRONG_KEY = """async () => {
    const answer = await fetch('/v1/models', {headers: {Authorization: 'Bearer wg_wrong'}});
    return [answer.status, (await answer.json()).error.code];
}"""
ASK_ELSEWHERE = """async ([address, key]) => {
    const answer = await fetch(address, {headers: {Authorization: `Bearer ${key}`}});
    return [answer.status, await answer.json()];
}"""
ASK_FOR_MODELS = "async () => (await (await fetch('/v1/models')).json()).data.map(model => model.id)"
TRANSCRIBE_SILENCE = """async () => {
    const silence = new Uint8Array(44 + 32000);
    const view = new DataView(silence.buffer);
    const words = (at, text) => [...text].forEach((letter, n) => view.setUint8(at + n, letter.charCodeAt(0)));
    words(0, 'RIFF'); view.setUint32(4, 36 + 32000, true); words(8, 'WAVEfmt '); view.setUint32(16, 16, true);
    view.setUint16(20, 1, true); view.setUint16(22, 1, true); view.setUint32(24, 16000, true);
    view.setUint32(28, 32000, true); view.setUint16(32, 2, true); view.setUint16(34, 16, true);
    words(36, 'data'); view.setUint32(40, 32000, true);
    const form = new FormData();
    form.append('file', new Blob([silence]), 'silence.wav');
    form.append('model', 'whisper-1');
    const answer = await fetch('/v1/audio/transcriptions', {method: 'POST', body: form});
    return [answer.status, typeof (await answer.json()).text];
}"""


class Visitor:
    """One browser window of somebody. dialogs: the password dialogs that have come up, by the address asked about.

    The first is answered with these words, the next is closed without. problems: what the page could not do. refused:
    answers from 400 on that the page got to see.
    """

    def __init__(self, browser: Any, name: str = LOGIN[0], password: str = LOGIN[1]) -> None:
        self.dialogs: list[str] = []
        self.problems: list[str] = []
        self.refused: list[tuple[int, str]] = []
        self._browser = browser
        self._disturbances = 0
        self._repeated = False
        self._words = {"response": "ProvideCredentials", "username": name, "password": password}
        self._open()

    def _open(self) -> None:
        """A window that remembers nothing."""
        self._context = self._browser.new_context()
        self.page = self._context.new_page()
        self.page.set_default_timeout(LONG_PATIENCE * 1000)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("requestfailed", self._note_failure)
        self.page.on("response", self._look)
        self._devtools = self._context.new_cdp_session(self.page)
        self._devtools.on("Fetch.authRequired", self._answer_dialog)
        self._devtools.on("Fetch.requestPaused", self._let_pass)
        self._devtools.send("Fetch.enable", {"handleAuthRequests": True})

    def close(self) -> None:
        self._context.close()

    def visit(self, address: str) -> Any:
        """Open the page and all that belongs to it; the answer. If that is broken off, all begins anew."""

        def begin_anew() -> None:
            self.close()
            self.dialogs.clear()
            self.refused.clear()
            self._open()

        return self._undisturbed(lambda: self.page.goto(address), begin_anew)

    def reload(self) -> None:
        self._undisturbed(self.page.reload)

    def run(self, script: str, *words: Any) -> Any:
        """Run a program in the page; what it returns."""
        return self._undisturbed(lambda: self.page.evaluate(script, *words))

    def _undisturbed(self, action: Callable[[], Any], before_the_next: Callable[[], None] = lambda: None) -> Any:
        """Once more, if Chromium broke off: it does when an address appears on this machine, as with each container."""
        from playwright.sync_api import Error

        for _ in range(20):
            before = self._disturbances
            try:
                result = action()
                self.page.wait_for_load_state("networkidle")
            except Error as error:
                if self._disturbances == before and not re.search(
                    f"{DISTURBED}|interrupted by another navigation", str(error)
                ):
                    raise
            else:
                if self._disturbances == before:
                    return result
            self.problems.clear()
            self._repeated = True
            before_the_next()
        raise AssertionError("the network changes all the time")

    def _note_failure(self, request: Any) -> None:
        failure = str(request.failure)
        if DISTURBED in failure:
            self._disturbances += 1
        elif "ERR_ABORTED" not in failure or not self._repeated:  # else broken off because the visit began anew
            self.problems.append(request.url)

    def _answer_dialog(self, event: dict[str, Any]) -> None:
        self.dialogs.append(event["request"]["url"])
        words = self._words if len(self.dialogs) == 1 else {"response": "CancelAuth"}
        self._devtools.send("Fetch.continueWithAuth", {"requestId": event["requestId"], "authChallengeResponse": words})

    def _let_pass(self, event: dict[str, Any]) -> None:
        self._devtools.send("Fetch.continueRequest", {"requestId": event["requestId"]})

    def _look(self, response: Any) -> None:
        if response.status >= 400:
            self.refused.append((response.status, response.url))


@pytest.fixture(scope="module")
def browser(shipped: Shipped) -> Iterator[Any]:
    """Chromium, to which every hostname is this machine, and which believes in the stack's certificate."""
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    flags += [f"--host-resolver-rules=MAP *.test 127.0.0.1:{shipped.https}"]
    flags += [f"--ignore-certificate-errors-spki-list={fingerprint(shipped)}"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
        yield chromium
        chromium.close()


@pytest.fixture
def visitor(browser: Any) -> Iterator[Visitor]:
    made = Visitor(browser)
    yield made
    made.close()


def test_one_dialog_opens_the_docs_of_an_engine_that_slept(shipped: Shipped, visitor: Visitor) -> None:
    """The page, its style and script, and the API's description: asked for the password once, and woken by it alone."""
    shipped.sleep("whisper")
    answer = visitor.visit(f"https://{WHISPER}/docs")
    assert answer.status == 200
    visitor.page.get_by_text("/v1/audio/transcriptions").first.wait_for()
    assert visitor.dialogs == [f"https://{WHISPER}/docs"]
    assert visitor.problems == []
    assert visitor.refused == []
    assert shipped.engine("whisper")["phase"] == "ready"


def test_the_docs_page_can_use_the_engine_without_another_dialog(visitor: Visitor) -> None:
    visitor.visit(f"https://{WHISPER}/docs")
    assert visitor.run(ASK_FOR_MODELS) == ["micro-whisper"]
    assert visitor.run(TRANSCRIBE_SILENCE) == [200, "string"]
    visitor.reload()
    assert len(visitor.dialogs) == 1


def test_a_wrong_key_of_a_pages_program_is_an_error_and_no_dialog(visitor: Visitor) -> None:
    visitor.visit(f"https://{WHISPER}/docs")
    assert visitor.run(ASK_WITH_A_WRONG_KEY) == [401, "invalid_api_key"]
    assert len(visitor.dialogs) == 1, "that of the page itself"


def test_a_page_of_an_allowed_origin_uses_an_engine_with_a_key(shipped: Shipped, visitor: Visitor) -> None:
    """Chromium first asks whether it may (a preflight), which wakes nothing; nor does a wrong key."""
    models = f"https://{WHISPER}/v1/models"
    visitor.visit(f"https://{WHISPERX}/hello")
    shipped.sleep("whisper")
    status, refusal = visitor.run(ASK_ELSEWHERE, [models, "wg_wrong"])
    assert (status, refusal["error"]["code"]) == (401, "invalid_api_key"), "which the page may read"
    assert shipped.engine("whisper")["phase"] == "asleep"
    with shipped.key("page", "--hosts", WHISPER) as key:
        status, listed = visitor.run(ASK_ELSEWHERE, [models, key])
    assert (status, [model["id"] for model in listed["data"]]) == (200, ["micro-whisper"])
    assert len(visitor.dialogs) == 1, "that of the page itself"


def test_a_page_of_another_origin_does_not(shipped: Shipped, visitor: Visitor) -> None:
    """Even with a key that is right."""
    from playwright.sync_api import Error

    visitor.visit(f"https://{WHISPER}/docs")
    shipped.sleep("whisperx")
    with shipped.key("page") as key, pytest.raises(Error, match="Failed to fetch"):
        visitor.page.evaluate(ASK_ELSEWHERE, [f"https://{WHISPERX}/headers", key])
    assert shipped.engine("whisperx")["phase"] == "asleep"
    assert len(visitor.dialogs) == 1


def test_a_wrong_password_is_asked_for_again_and_who_gives_up_reads_why(shipped: Shipped, browser: Any) -> None:
    shipped.sleep("whisper")
    visitor = Visitor(browser, password="wrong horse")
    try:
        answer = visitor.visit(f"https://{WHISPER}/docs")
        assert answer.status == 401
        assert len(visitor.dialogs) == 2
        assert "password" in visitor.page.inner_text("h1")
    finally:
        visitor.close()
    assert shipped.engine("whisper")["phase"] == "asleep"


def test_an_address_without_https_leads_to_the_same_page(shipped: Shipped) -> None:
    """The redirect names the port that the stack is published at."""
    command = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", f"http://{WHISPER}/docs"]
    command += ["--connect-to", f"::127.0.0.1:{shipped.http}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"301 https://{WHISPER}:{shipped.https}/docs"


def fingerprint(shipped: Shipped) -> str:
    """Of the public key that nginx shows, as Chromium wants it."""
    with shipped.raw(WHISPER) as client:
        shown = client.certificate()
    for words in ("x509 -inform der -pubkey -noout", "pkey -pubin -outform der"):
        shown = subprocess.run(["openssl", *words.split()], input=shown, capture_output=True, check=True).stdout
    return base64.b64encode(hashlib.sha256(shown).digest()).decode()
