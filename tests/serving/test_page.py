"""The page in a real browser."""

import json
import shlex
import shutil

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from nlptl import MultiTaskModel, Task, TextClassifier, TfidfEncoder, TrainingConfig

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
        assert browser.find_element(By.ID, "first").accessible_name == "Texts, one per line"
        assert [one for one in browser.get_log("browser") if "Security" in one["message"]] == []


def rows(browser):
    """Return the cells of the table of answers, by row."""
    found = browser.find_elements(By.CSS_SELECTOR, "#answer tr")
    return [[cell.text for cell in row.find_elements(By.XPATH, "./*")] for row in found]


def command(browser):
    """Return the words of the command for a shell."""
    return shlex.split(browser.find_element(By.ID, "curl").text.replace("\\\n", ""))


def test_each_line_is_a_text_with_its_label_and_probability(browser, serve, classifier):
    texts = ["I was charged twice.", "Can't you 'add' a <b>dark</b> mode?"]
    labels, shares = classifier.predict(texts), classifier.predict_proba(texts).max(axis=1)
    with serve(classifier) as service:
        opened(browser, service)
        ask(browser, "\n\n".join([texts[0], "  " + texts[1] + " "]))
        head, *found = rows(browser)
        assert head == ["text", "label", "probability"]
        expected = zip(texts, labels, shares, strict=True)
        assert found == [[text, label, f"{100 * share:.1f} %"] for text, label, share in expected]
        _, url, _, header, _, body = command(browser)
        assert url == f"{service.url}/predict" and header == "Content-Type: application/json"
        assert service.post(json.loads(body))[1][1]["label"] == labels[1]
        assert [one for one in browser.get_log("browser") if "Security" in one["message"]] == []


def test_tasks_are_columns_and_numbers_have_no_probability(browser, serve, tiny_encoder):
    texts, short = ["good", "great", "bad", "broken"] * 3, TrainingConfig(max_steps=1, quiet=True)
    tasks = {"kind": Task(), "size": Task("regression")}
    model = MultiTaskModel(tasks, encoder=tiny_encoder, gate=False, training=short)
    kinds, sizes = ["yes", "yes", "no", "no"] * 3, [float(len(text)) for text in texts]
    with serve(model.fit({"kind": (texts, kinds), "size": (texts, sizes)})) as service:
        opened(browser, service)
        facts = browser.find_element(By.ID, "facts").text
        assert "kind: 2 classes: no, yes" in facts and "size: a number" in facts
        ask(browser, "good\nbad")
        assert rows(browser)[0] == ["text", "kind", "probability", "size"]
        assert [len(row) for row in rows(browser)] == [4, 4, 4]


def test_the_page_shows_facts_of_the_model_and_an_example(browser, serve, classifier):
    with serve(classifier) as service:
        opened(browser, service)
        facts = browser.find_element(By.ID, "facts").text
        assert facts.startswith("text-classifier · 8 classes: access, billing, ")
        assert len(service.post(json.loads(command(browser)[-1]))[1]) == 2


def test_a_label_is_text_and_never_runs(browser, serve):
    texts, labels = ["good", "great", "bad", "broken"] * 3, [SCRIPT, SCRIPT, "no", "no"] * 3
    with serve(TextClassifier(TfidfEncoder()).fit(texts, labels)) as service:
        opened(browser, service)
        assert ask(browser, "good").startswith(SCRIPT)
        assert SCRIPT in ask(browser, f"good\n{SCRIPT}")
        assert SCRIPT in browser.find_element(By.ID, "facts").text
        assert browser.title == "tried"
        assert browser.find_elements(By.TAG_NAME, "img") == []


def test_pairs_have_two_fields(browser, serve):
    pairs = [("good", "tea"), ("great", "day"), ("bad", "tea"), ("broken", "day")] * 3
    model = TextClassifier(TfidfEncoder()).fit(pairs, ["yes", "yes", "no", "no"] * 3)
    with serve(model) as service:
        opened(browser, service)
        WebDriverWait(browser, 300).until(lambda b: b.find_element(By.ID, "second").is_displayed())
        assert browser.find_element(By.ID, "first").accessible_name == "First text"
        assert ask(browser, "great\nand good", "tea").startswith("yes")
        body = json.loads(command(browser)[-1])
        assert body == {"texts": [["great\nand good", "tea"]]}
