#!/usr/bin/env python3
"""Opens the report and the live page in headless Chromium: `pages.py CONVOY [SCREENSHOTS]`.

Checks that nothing is requested from elsewhere, that the console is empty, that every chart is there,
also without scripts and at the width of a phone, and that the live page changes each second.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from browser import Browser, executable

FAULTS = "broker-restart@20s,slow-store=40ms@40s+8s"
CHARTS = 7
LOOKS = {"light": (1000, False), "dark": (1000, True), "phone": (390, False), "phone-dark": (390, True)}

# Charts with a size, and whether the page is wider than the window.
MEASURE = """({
  charts: [...document.querySelectorAll("svg")].filter(it => it.getBoundingClientRect().height > 40).length,
  overflow: document.scrollingElement.scrollWidth > innerWidth,
})"""


def check(truth, complaint):
    if not truth:
        sys.exit(f"pages.py: {complaint}")


def check_looks(browser, name, charts, screenshots):
    for look, (width, dark) in LOOKS.items():
        browser.look(width, dark=dark)
        found = browser.evaluate(MEASURE)
        check(found["charts"] >= charts, f"{name}, {look}: {found['charts']} charts, not {charts}")
        check(not found["overflow"], f"{name}, {look}: the page is wider than its window")
        if screenshots:
            browser.screenshot(screenshots / f"{name}-{look}.png")
    check(not browser.complaints, f"{name}: {browser.complaints}")


def report(convoy, place, seconds, screenshots):
    line = [convoy, "simulate", "--vehicles", "200", "--backend", "embedded", "--ui", "none"]
    scale = seconds / 60
    faults = re.sub(r"@(\d+)s", lambda at: f"@{int(at[1]) * scale:g}s", FAULTS)
    line += ["--duration", f"{seconds}s", "--faults", faults]
    subprocess.run(line, cwd=place, check=True, stdout=subprocess.DEVNULL)
    page = next(place.glob("runs/*/report.html"))
    for scripts in (True, False):
        name = "report" if scripts else "report-without-scripts"
        with Browser() as browser:
            browser.without_scripts(not scripts)
            browser.look(1000)
            browser.open(page.as_uri())
            check_looks(browser, name, CHARTS, screenshots)
            check(browser.requests == [page.as_uri()], f"{name}: requests {browser.requests}")
        print(f"{name}: {CHARTS} charts, no request, empty console")


def live(convoy, place, seconds, screenshots):
    line = [convoy, "simulate", "--vehicles", "1000", "--backend", "embedded", "--web=0"]
    line += ["--duration", f"{seconds}s"]
    run = subprocess.Popen(line, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        with Browser() as browser:
            url = address(run)
            browser.look(1000)
            browser.open(url)
            watch_updates(browser, seconds // 3)
            check_looks(browser, "live", CHARTS - 1, screenshots)
            browser.look(1000)
            click_vehicle(browser, screenshots)
            status = watch_end(browser, run)
            check(status == 0, f"live: the run ended with {status}")
            link = browser.evaluate("document.querySelector('a[download]')?.textContent")
            check(link == "Save this report", f"live: no report at the end: {link}")
            check_looks(browser, "live-end", CHARTS, screenshots)
            foreign = [it for it in browser.requests if not it.startswith((url, "data:"))]
            check(not foreign, f"live: requests {foreign}")
    finally:
        run.terminate()
        run.wait()
    print("live: changed each second, no request elsewhere, empty console, ended with the report")


def address(run):
    for line in run.stderr:
        if found := re.search(r"live page: (http://\S+)", line):
            return found[1]
    sys.exit("pages.py: the run names no live page")


def watch_updates(browser, seconds):
    """Checks that no two seconds pass without a change of the state; more if others use the cores."""
    browser.evaluate("""
      window.changes = [];
      new MutationObserver(() => changes.push(performance.now()))
        .observe(document.getElementById("state"), {childList: true});
      0""")
    browser.listen(seconds)
    changes = browser.evaluate("changes")
    gaps = [later - earlier for earlier, later in zip(changes, changes[1:])]
    busy = max(1.0, os.getloadavg()[0] / os.cpu_count())
    found = f"{len(changes)} changes in {seconds} s, at a load of {busy:.1f} per core"
    check(len(changes) >= max(2, (seconds - 2) / busy), f"live: {found}")
    check(max(gaps) < 2500 * busy, f"live: {max(gaps):.0f} ms without a change: {found}")
    print(f"live: {found}, at most {max(gaps):.0f} ms apart")


def click_vehicle(browser, screenshots):
    browser.evaluate("scrollTo(0, 0)")
    x, y = browser.evaluate("""(() => {
      const box = document.querySelector("svg[data-columns]").getBoundingClientRect();
      return [box.x + box.width / 2, box.y + box.height / 3];
    })()""")
    for kind in ("mousePressed", "mouseReleased"):
        browser.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
    browser.listen(2)
    text = browser.evaluate("document.getElementById('vehicle').textContent")
    check("_convoy" in text, f"live: no document of the vehicle: {text[:200]}")
    if screenshots:
        browser.screenshot(screenshots / "live-vehicle.png")
    print(f"live: {text.splitlines()[0]} has documents")


def watch_end(browser, run):
    end = time.monotonic() + 120
    while run.poll() is None:
        check(time.monotonic() < end, "live: the process does not end with the run")
        browser.listen(1)
    browser.listen(1)
    return run.returncode


def main():
    if not executable():
        print("SKIPPED: pages in Chromium (the Debian package `chromium` is not installed)")
        return
    convoy = pathlib.Path(sys.argv[1]).resolve()
    screenshots = pathlib.Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else None
    seconds = int(sys.argv[3]) if len(sys.argv) > 3 else 60
    if screenshots:
        screenshots.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        live(convoy, pathlib.Path(place), seconds, screenshots)
    with tempfile.TemporaryDirectory() as place:
        report(convoy, pathlib.Path(place), seconds, screenshots)


if __name__ == "__main__":
    main()
