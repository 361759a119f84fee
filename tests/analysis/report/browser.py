"""Headless Chromium for tests: what a page logs, whether it fits the width, and a picture of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
MISSING = not (CHROMIUM.exists() and DRIVER.exists())
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
)  # fmt: skip


@contextmanager
def browser(profile: Path, *, dark: bool = False) -> Iterator[Any]:
    """A Selenium driver with an empty profile in the folder ``profile``, ended at the end."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    if dark:
        options.add_argument("--blink-settings=preferredColorScheme=0")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    try:
        yield driver
    finally:
        driver.quit()


def resize(driver: Any, width: int, height: int = 900) -> None:
    """Give the page exactly this size in CSS pixels, as a phone has it; windows have a least width."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def overflow(driver: Any) -> int:
    """By how many pixels the document is wider than the window; 0 or less where nothing overflows."""
    return int(
        driver.execute_script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
    )


def console(driver: Any) -> list[str]:
    """Warnings and errors that the page wrote to the console since the last call."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")]


def whole_page(driver: Any, width: int) -> bytes:
    """A PNG of the page from top to bottom at this width."""
    height = driver.execute_script("return document.documentElement.scrollHeight")
    resize(driver, width, min(int(height), 16000))
    return bytes(driver.get_screenshot_as_png())
