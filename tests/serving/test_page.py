"""The page in a real browser."""

import shutil

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from nlptl import TextClassifier, TfidfEncoder

DRIVER, BROWSER = shutil.which("chromedriver"), shutil.which("chromium")
SCRIPT = "<img src=x onerror=\"document.title='broken in'\">"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (DRIVER and BROWSER), reason="chromium and chromedriver are not there"),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    profile = tmp_path_factory.mktemp("profile")
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={profile}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def ask(browser, *texts):
    """Type texts into the form, send it, and give what the page then says."""
    for place, text in zip(("first", "second"), texts, strict=False):
        field = browser.find_element(By.ID, place)
        field.clear()
        field.send_keys(text)
    browser.execute_script("document.getElementById('answer').replaceChildren()")
    browser.find_element(By.TAG_NAME, "button").click()
    return WebDriverWait(browser, 300).until(lambda b: b.find_element(By.ID, "answer").text)


def opened(browser, service):
    browser.get(service.url)
    WebDriverWait(browser, 300).until(lambda b: b.title == "tried")


def test_a_text_is_typed_and_its_label_read(browser, serve, classifier):
    with serve(classifier, max_characters=60) as service:
        opened(browser, service)
        said = ask(browser, "I was charged twice.")
        assert said.startswith("billing")
        bars = browser.find_elements(By.TAG_NAME, "progress")
        assert len(bars) == len(classifier.classes_)
        shares = [float(bar.get_attribute("value")) for bar in bars]
        assert shares == sorted(shares, reverse=True) and sum(shares) == pytest.approx(1, abs=1e-4)
        assert not browser.find_element(By.ID, "second").is_displayed()
        assert "at most 60 characters, got 61" in ask(browser, "x" * 61)
        assert browser.find_element(By.ID, "first").accessible_name == "Text"
        assert [one for one in browser.get_log("browser") if "Security" in one["message"]] == []


def test_a_label_is_text_and_never_runs(browser, serve):
    texts, labels = ["good", "great", "bad", "broken"] * 3, [SCRIPT, SCRIPT, "no", "no"] * 3
    with serve(TextClassifier(TfidfEncoder()).fit(texts, labels)) as service:
        opened(browser, service)
        assert ask(browser, "good").startswith(SCRIPT)
        assert browser.title == "tried"
        assert browser.find_elements(By.TAG_NAME, "img") == []


def test_pairs_have_two_fields(browser, serve):
    pairs = [("good", "tea"), ("great", "day"), ("bad", "tea"), ("broken", "day")] * 3
    model = TextClassifier(TfidfEncoder()).fit(pairs, ["yes", "yes", "no", "no"] * 3)
    with serve(model) as service:
        opened(browser, service)
        WebDriverWait(browser, 300).until(lambda b: b.find_element(By.ID, "second").is_displayed())
        assert ask(browser, "great", "tea").startswith("yes")
