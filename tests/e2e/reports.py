# SPDX-License-Identifier: Apache-2.0
"""Reports of a real run, read by others: JSON, XML, the schema, the page's script in node and in a browser."""

import json
import pathlib
import re
import shutil
import subprocess
import xml.etree.ElementTree

from browser import Browser, colours
from fleet import Skipped, wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
# A step that comes from the cache (once it was filled), one that is tried again, shards of which one is slow, one that
# fails with markup in its words, and one that it spares.
STORY = """
name: "story </script><b>&"
modules:
  kept: {cached: true, run: 'true'}
  flaky: {needs: [kept], retries: 1, backoff: 10ms, run: 'test -e tried || { touch tried; exit 3; }'}
  shard:
    needs: [flaky]
    matrix: {n: [1, 2, 3, "four <i>"]}
    run: 'case $n in four*) sleep 0.3;; esac'
  bad: {needs: [shard], run: 'echo "all </script><img src=x onerror=alert(1)> is lost" >&2; exit 7'}
  after: {needs: [bad], run: 'true'}
"""
FIRST = "name: first\nmodules:\n  kept: {cached: true, run: 'true'}\n"


def tell(fleet):
    """Runs STORY to its end, and gives its id once the history has it."""
    fleet.start_broker()
    fleet.start_workers("w1")
    fleet.wait_run(fleet.submit(FIRST))
    run = fleet.submit(STORY)
    assert fleet.wait_run(run)["state"] == "failed"
    wait_for("the run in the history", lambda: fleet.ctl("report", run, *where(fleet), code=None).returncode == 0)
    return run


def where(fleet):
    return ("--data-dir", str(fleet.dir / "data"))


def report(fleet, *args):
    return fleet.ctl("report", *args, *where(fleet)).stdout


KINDS = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "number": (int, float),
         "integer": int}


def problems(value, schema, root, place="$"):
    """What is wrong with a value by as much of JSON Schema as the report's uses. An unknown word in it is wrong."""
    known = {"$schema", "$id", "title", "description", "definitions", "type", "required", "properties", "items", "enum",
             "const", "minimum", "pattern", "$ref"}
    if not set(schema) <= known:
        yield f"{place}: the schema says {set(schema) - known}, which this test cannot judge"
    if "$ref" in schema:
        yield from problems(value, root["definitions"][schema["$ref"].removeprefix("#/definitions/")], root, place)
    if "type" in schema:
        names = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        fits = [n for n in names if isinstance(value, KINDS[n]) and (n == "boolean") == isinstance(value, bool)]
        if not fits:
            yield f"{place}: {value!r} is not of type {names}"
            return
    if "enum" in schema and value not in schema["enum"] or "const" in schema and value != schema["const"]:
        yield f"{place}: {value!r} is not allowed"
    if isinstance(value, (int, float)) and value < schema.get("minimum", value):
        yield f"{place}: {value} is too small"
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield f"{place}: {value!r} does not match"
    if isinstance(value, dict):
        yield from (f"{place}: has no {key}" for key in schema.get("required", ()) if key not in value)
        for key, item in value.items():
            if "properties" in schema and key not in schema["properties"]:
                yield f"{place}.{key}: is not in the schema"
            yield from problems(item, schema.get("properties", {}).get(key, {}), root, f"{place}.{key}")
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from problems(item, schema.get("items", {}), root, f"{place}[{index}]")


def check_json(text, run):
    schema = json.loads((ROOT / "docs/schema/report.schema.json").read_text())
    told = json.loads(text)
    assert list(problems(told, schema, schema)) == []
    del told["run"]["name"]
    assert len(list(problems(told, schema, schema))) == 1, "the judge of the schema is asleep"
    tasks = {task["name"]: task for task in told["tasks"]}
    assert told["run"]["run"] == run and told["run"]["state"] == "failed" and len(tasks) == 8, told
    assert tasks["kept"]["cache"] == "hit" and tasks["kept"]["outcome"] == "cached", tasks["kept"]
    assert [one["outcome"] for one in tasks["flaky"]["attempts"]] == ["failed", "succeeded"], tasks["flaky"]
    assert tasks["bad"]["failure"]["exit_code"] == 7 and tasks["after"]["outcome"] == "dependency_failed"
    for task in told["tasks"]:
        assert abs(sum(task["split"].values()) - task["ended_s"]) < 0.001, task
        assert task["needs_known"]
    assert tasks["flaky"]["split"]["earlier_tries_s"] > 0, tasks["flaky"]
    shards = [task for task in told["tasks"] if task["template"] == "shard"]
    last = max(shards, key=lambda task: task["ended_s"])["name"]
    path = told["why"]["critical_path"]
    assert [step["name"] for step in path] == ["kept", "flaky", last, "bad"], path
    assert all(one["to_s"] == other["from_s"] for one, other in zip(path, path[1:])), path
    times = {task["name"]: task["split"]["execution_s"] for task in shards}
    median = sorted(times.values())[1]
    slow = {name for name, time in times.items() if time >= max(2 * median, median + 0.1)}
    assert {one["name"] for one in told["why"]["stragglers"]} == slow, (told["why"], times)
    assert [told["tasks"][need["task"]]["name"] for need in tasks["flaky"]["needs"]] == ["kept"]


def check_junit(text):
    suite = xml.etree.ElementTree.fromstring(text).find("testsuite")
    cases = {case.get("name"): case for case in suite.findall("testcase")}
    assert len(cases) == 8 and suite.get("tests") == "8" and suite.get("failures") == "1", text
    assert "onerror" in cases["bad"].find("failure").text and "7" in cases["bad"].find("failure").get("message")
    assert cases["after"].find("skipped") is not None and cases["kept"].find("skipped") is None
    assert "try 1 on w1: failed" in cases["flaky"].find("system-out").text


def check_trace(text):
    events = json.loads(text)["traceEvents"]
    lanes = {(event["pid"], event["tid"]) for event in events if event["name"] == "thread_name"}
    tries = [event for event in events if event["ph"] == "X" and "args" in event]
    assert len(tries) == 7 and all((event["pid"], event["tid"]) in lanes for event in tries), events
    # In a lane one thing happens after the other.
    for lane in lanes:
        spans = sorted((one["ts"], one["ts"] + one["dur"]) for one in tries if (one["pid"], one["tid"]) == lane)
        assert all(one[1] <= other[0] for one, other in zip(spans, spans[1:])), spans


def A42_a_run_has_a_report_in_every_form_beside_its_broker_and_without(fleet):
    run = tell(fleet)
    names = ("--json", "--junit", "--trace", "--mermaid", "--dot", "--html")
    forms = {form: report(fleet, run, form) for form in names}
    check_json(forms["--json"], run)
    check_junit(forms["--junit"])
    check_trace(forms["--trace"])
    assert forms["--mermaid"].count("]:::") == 8 and forms["--mermaid"].count(" --> ") == 10, forms["--mermaid"]
    assert forms["--dot"].count(" -> ") == 10 and "failed" in forms["--dot"], forms["--dot"]
    assert forms["--html"].count("<script") == 2 and "<img" not in forms["--html"]
    text = report(fleet)
    assert "on host ," not in text, text
    for words in ("root cause: bad", "critical path", "handover", "exit code: 7", "is lost"):
        assert words in text, text
    file = fleet.work / "report.json"
    file.write_text("what was there")
    assert "one form" in fleet.ctl("report", "--json", "--dot", "-o", str(file), *where(fleet), code=None).stderr
    assert file.read_text() == "what was there"
    fleet.ctl("report", "--json", "-o", str(file), *where(fleet))
    assert file.read_text() == forms["--json"]
    link = fleet.dir / "link.json"
    link.symlink_to(file)
    fleet.ctl("report", "--trace", "-o", str(link), *where(fleet))
    assert link.is_symlink() and file.read_text() == forms["--trace"]
    assert report(fleet, "--dot", "-o", "/dev/stdout") == forms["--dot"], "what is no file is written as it is"
    assert sorted(fleet.work.glob("report*")) == [file], "nothing is left beside it"
    unknown = fleet.ctl("report", run + "1", *where(fleet), code=None).stderr
    assert "once it has ended" in unknown and run in unknown, unknown
    fleet.kill("broker")
    for form, told in forms.items():
        assert report(fleet, form) == told, form


def page_of(fleet):
    tell(fleet)
    file = fleet.work / "run.html"
    fleet.ctl("report", "--html", "-o", str(file), *where(fleet))
    return file


def check_page(text):
    for words in ("Why it took so long", "What failed (1)", "Graph", "Timeline", "Tasks", "w1/0",
                  "was in the cache", "exit code 7", "again: zmqctl rerun bad --run "):
        assert words in text, (words, text)


def a_page_is_drawn_by_its_script(fleet):
    node = shutil.which("node") or shutil.which("nodejs")
    if not node:
        raise Skipped("there is no node")
    done = subprocess.run([node, str(ROOT / "tests/e2e/page.js"), str(page_of(fleet))], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    check_page(done.stdout)
    assert "story </script><b>&" in done.stdout and "<img src=x onerror=alert(1)>" in done.stdout, "texts stay texts"
    assert "bad" in done.stdout.split("FILTERED", 1)[1] and "flaky" not in done.stdout.split("FILTERED", 1)[1]


def A42_a_page_is_opened_clicked_through_and_photographed_in_a_browser(fleet):
    with Browser(fleet.dir) as browser:
        browser.open(page_of(fleet).as_uri())
        check_page(browser.value("document.getElementById('page').innerText"))
        rows = "[...document.querySelectorAll('input + .scroll tbody tr')].map((row) => row.innerText)"
        assert len(browser.value(rows)) == 8, browser.value(rows)
        browser.click("input[type=search]")
        browser.type("BAD")
        left = browser.value(rows)
        assert len(left) == 1 and left[0].startswith("bad") and "exit code 7" in left[0], left
        picture = browser.photograph()
        (fleet.work / "run.png").write_bytes(picture)
        assert colours(picture) > 50, "it is blank"
        assert browser.complaints == [], browser.complaints
        # The judge is awake: what the policy forbids is complained of.
        browser.value("document.body.appendChild(document.createElement('img')).src = 'x.png'; 0")
        wait_for("a complaint", lambda: browser.value("0") == 0 and browser.complaints)
