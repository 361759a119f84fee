"""The report in headless Chromium: it loads from a file, says nothing on the console, and fits desktop and phone."""

import pytest

from analysis.report.build import write_html

from .browser import MISSING, browser, console, overflow, resize

# Words of commands that stand on two lines.
_BROKEN_WORDS = """return [...document.querySelectorAll('code span')].filter(word => word.getClientRects().length > 1)
    .map(word => word.innerText)"""
pytestmark = pytest.mark.skipif(MISSING, reason="Chromium and chromedriver are not installed")


@pytest.mark.parametrize("dark", [False, True])
def test_the_report_loads_and_fits(made, tmp_path, dark):
    page = write_html(made)
    with browser(tmp_path / "profile", dark=dark) as driver:
        for width in (1280, 390):
            resize(driver, width)
            driver.get(page.as_uri())
            assert driver.title == "Study focal"
            assert overflow(driver) <= 0
            driver.execute_script("document.querySelectorAll('details').forEach(fold => fold.open = true)")
            assert overflow(driver) <= 0
            cut = "return [...document.querySelectorAll('.scroll')].every(box => box.clientWidth <= document.body.clientWidth)"
            assert driver.execute_script(cut)
            assert driver.execute_script(_BROKEN_WORDS) == []
            assert console(driver) == []
        background = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert background == ("rgb(20, 23, 26)" if dark else "rgb(255, 255, 255)")


def test_the_first_key_press_reaches_the_skip_link(made, tmp_path):
    from selenium.webdriver.common.keys import Keys

    with browser(tmp_path / "profile") as driver:
        driver.get(write_html(made).as_uri())
        driver.switch_to.active_element.send_keys(Keys.TAB)
        assert driver.switch_to.active_element.text == "Skip to the verdict"
        driver.switch_to.active_element.send_keys(Keys.ENTER)
        assert driver.execute_script("return document.activeElement.id") == "verdict"
