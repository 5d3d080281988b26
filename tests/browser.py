"""A headless Chromium for tests of pages; tests that need it are skipped where there is none."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--window-size=1240,900",
)  # fmt: skip

SCREENSHOTS = "NAS_SCREENSHOTS"
"""The environment variable that names the folder in which screenshots are kept."""


@contextmanager
def chromium(profile: Path) -> Iterator[Any]:
    """A driver of a browser of our own, with an empty profile.

    Skips the test where Chromium or its driver are not installed (Debian: chromium, chromium-driver).
    """
    webdriver = pytest.importorskip("selenium.webdriver", reason="the package selenium is not installed")
    binary = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("no Chromium here: install chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield browser
    finally:
        browser.quit()


class Page:
    """A report in a browser.

    Args:
        browser: see `chromium`.
        path: of the report.
    """

    def __init__(self, browser: Any, path: Path) -> None:
        self.browser = browser
        browser.switch_to.new_window("tab")  # a tab remembers what was chosen in it
        browser.get(path.as_uri())
        self.wait_for("return document.documentElement.dataset.ready")

    def script(self, text: str, *arguments: Any) -> Any:
        """What a script in the page gives."""
        return self.browser.execute_script(text, *arguments)

    def wait_for(self, text: str, seconds: float = 30.0) -> Any:
        """What a script gives, once that is true."""
        end = time.monotonic() + seconds
        while not (found := self.script(text)):
            assert time.monotonic() < end, f"never true: {text}"
            time.sleep(0.05)
        return found

    def find(self, selector: str) -> Any:
        """The first element that a CSS selector fits."""
        return self.browser.find_element("css selector", selector)

    def column(self, name: str) -> list[str]:
        """What stands in a column of the leaderboard, on the page that is shown."""
        return list(
            self.script(
                """const heads = [...document.querySelectorAll("#leaderboard th button")];
                const place = heads.findIndex((head) => head.firstChild.textContent === arguments[0]);
                const rows = [...document.querySelectorAll("#leaderboard tbody tr:not(.more)")];
                return rows.map((row) => row.children[place].textContent);""",
                name,
            )
        )

    def write(self, selector: str, text: str, seconds: float = 30.0) -> None:
        """Write into the field that fits, in a page that may load itself again any moment before."""
        from selenium.common.exceptions import StaleElementReferenceException

        end = time.monotonic() + seconds
        while True:
            try:
                field = self.find(selector)
                field.clear()
                field.send_keys(text)
                return
            except StaleElementReferenceException:
                assert time.monotonic() < end, f"never there for long enough: {selector}"

    def press(self, selector: str, text: str) -> None:
        """Press the button with this text among those that fit."""
        buttons = self.browser.find_elements("css selector", selector)
        next(button for button in buttons if button.text.rstrip("↑↓") == text).click()

    def errors(self) -> list[str]:
        """What the page complained about since it was asked last."""
        return [entry["message"] for entry in self.browser.get_log("browser")]

    def keep_screenshot(self, name: str, elsewhere: Path) -> Path:
        """A picture of the whole page, in the folder of the environment variable if it is set."""
        folder = Path(os.environ.get(SCREENSHOTS) or elsewhere)
        folder.mkdir(parents=True, exist_ok=True)
        height = self.script("return document.documentElement.scrollHeight")
        self.browser.set_window_size(1240, min(height + 100, 9000))
        time.sleep(0.5)  # figures are drawn again for the new size
        self.browser.save_screenshot(str(folder / name))
        self.browser.set_window_size(1240, 900)
        return folder / name
