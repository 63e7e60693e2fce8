# SPDX-License-Identifier: Apache-2.0
"""Artifacts: files by content from one task to another, whichever worker and directory each is in."""

import hashlib
import os
import shutil
import signal
import stat

from fleet import lines, wait_for
from proxy import Proxy

# The worker with the tag `makes` has what `takes` wants, in another directory.
MADE = """
name: made
modules:
  build:
    requires: {tags: [makes]}
    run: |
      mkdir -p out/empty out/deep
      printf '#!/bin/sh\\necho it runs\\n' > out/app
      chmod +x out/app
      ln -s app out/latest
      echo notes > out/deep/notes.txt
      : > out/nothing
      echo unnamed > out.log
    produces: {app: [out/app, out/latest], rest: [out/deep, out/empty, out/nothing]}
  use:
    needs: [build]
    requires: {tags: [takes]}
    consumes: [build]
    run: |
      out/latest > said
      find . -mindepth 1 | sort > found
  some:
    needs: [use, build]
    requires: {tags: [takes]}
    consumes: [{from: build, artifact: app, into: in/here}]
    run: in/here/out/app >> said
"""


def two_workers(fleet, *args, urls=(None, None), env=(None, None)):
    """Each with a directory and a store of its own, as on two machines."""
    for tag, url, extra in zip(("makes", "takes"), urls, env, strict=True):
        (fleet.dir / tag).mkdir(exist_ok=True)
        fleet.start(f"w-{tag}", "millrace-worker", "--worker-id", f"w-{tag}", "--slots", "2", "--tag", tag,
                    "--work-dir", str(fleet.dir / tag), "--store", str(fleet.dir / f"store-{tag}"), *args,
                    *(("--orchestrator", url) if url else ()), env=extra)


def assert_as_made(folder):
    assert (folder / "out/app").stat().st_mode & stat.S_IXUSR, "the exec bit"
    assert os.readlink(folder / "out/latest") == "app"
    assert (folder / "out/empty").is_dir() and not list((folder / "out/empty").iterdir())
    assert not (folder / "out/deep/notes.txt").stat().st_mode & stat.S_IXUSR
    assert (folder / "out/deep/notes.txt").read_text() == "notes\n" and (folder / "out/nothing").read_bytes() == b""


def A36_files_links_and_bits_come_to_another_worker(fleet):
    fleet.start_broker()
    two_workers(fleet)
    run = fleet.submit(MADE)
    assert fleet.wait_run(run)["state"] == "succeeded", fleet.ctl("tasks", run).stdout
    takes = fleet.dir / "takes"
    assert_as_made(takes)
    assert lines(takes / "said") == ["it runs", "it runs"]
    assert "./out.log" not in lines(takes / "found"), "what was not named does not come"
    assert not (takes / "in/here/out/deep").exists(), "one artifact of two"
    row = next(row for row in fleet.json("tasks", run) if row["name"] == "build")
    assert row["artifacts"]["files"] == 3 and len(row["artifacts"]["digest"]) == 64, row
    (made,) = fleet.json("artifacts", run)
    assert made["digest"] == row["artifacts"]["digest"] and made["task"] == "build", made
    paths = {entry["path"]: entry for entry in made["entries"]}
    assert paths["app/out/latest"] == {"path": "app/out/latest", "kind": "link", "target": "app"}, paths
    notes = paths["rest/out/deep/notes.txt"]
    assert notes["digest"] == hashlib.sha256(b"notes\n").hexdigest() and notes["bytes"] == 6, notes
    fleet.ctl("artifacts", run, "build", "--get", str(fleet.dir / "got"))
    assert_as_made(fleet.dir / "got")
    fleet.ctl("artifacts", run, "build", "--artifact", "app", "--get", str(fleet.dir / "one"))
    assert not (fleet.dir / "one/out/deep").exists() and (fleet.dir / "one/out/app").exists()
    refused = fleet.ctl("artifacts", run, "biuld", code=None)
    assert refused.returncode != 0 and "did you mean 'build'?" in refused.stderr, refused
    assert "3 files" in fleet.ctl("why", "build", "--run", run).stdout


LARGE = 3_000_000
EQUAL = """
name: equal
modules:
  one: {requires: {tags: [makes]}, run: 'head -c %d /dev/zero | tr "\\\\0" "%s" > a; cp a b', produces: {both: [a, b]}}
  two: {needs: [one], requires: {tags: [makes]}, run: cp a c, produces: {again: c}}
"""


def A36_equal_content_is_sent_once(fleet):
    port = fleet.free_port()
    fleet.start_broker(port=port)
    planes = [port + plane for plane in (0, 1, 2, 3)]
    wires = Proxy(planes)
    try:
        two_workers(fleet, urls=(wires.url(), None))
        for count, letter in enumerate("xy", 1):
            run = fleet.submit(EQUAL % (LARGE, letter))
            assert fleet.wait_run(run)["state"] == "succeeded", fleet.ctl("tasks", run).stdout
            sent = wires.bytes[port + 3]
            assert count * LARGE <= sent < count * LARGE + LARGE // 2, (count, sent)
        fleet.wait_run(fleet.submit(EQUAL % (LARGE, "x")))
        assert wires.bytes[port + 3] < sent + LARGE // 2, "another run sends it again"
    finally:
        wires.close()


MISSING = """
name: missing
fail_mode: keep-going
modules:
  missing: {run: 'mkdir -p dist; touch dist/app.whl', produces: {wheel: dist/apps.whl}}
  empty: {run: 'mkdir -p void; : > void/nothing', produces: {void: void}}
  allowed: {run: 'true', produces: {maybe: {paths: [none/*.txt], may_be_empty: true}}}
  after: {needs: [missing], consumes: [missing], run: 'touch after'}
  fine: {needs: [allowed], consumes: [allowed], run: 'touch fine'}
"""


def A36_a_missing_or_empty_artifact_fails_its_producer(fleet):
    fleet.start_broker()
    fleet.start_workers("w1")
    run = fleet.submit(MISSING)
    assert fleet.wait_run(run)["state"] == "failed"
    rows = {row["name"]: row for row in fleet.json("tasks", run)}
    assert {name: row["outcome"] for name, row in rows.items()} == {
        "missing": "failed", "empty": "failed", "allowed": "succeeded", "after": "dependency_failed",
        "fine": "succeeded"}, rows
    assert rows["missing"]["try"] == 1 and rows["empty"]["try"] == 1, "no try is worth another"
    said = rows["missing"]["failure"]["message"]
    assert "artifact 'wheel'" in said and "app.whl" in said and "did you mean" in said, said
    assert "artifact 'void'" in rows["empty"]["failure"]["message"], rows["empty"]
    assert not (fleet.work / "after").exists() and (fleet.work / "fine").exists()


SLOW = """
name: slow
modules:
  make: {run: 'echo made > out', produces: {out: out}}
  take: {needs: [make], requires: {tags: [takes]}, consumes: [make], run: 'cat out > got'}
"""


WHILE_IT_HANDS_OVER = ("artifacts.collected", "artifacts.handed-over")  # workers die there


def A36_a_worker_killed_between_collecting_and_reporting(fleet):
    """What it had collected, or handed over, is nobody's: another makes it anew."""
    fleet.start_broker()
    for number, point in enumerate(WHILE_IT_HANDS_OVER):
        key = f"w-dies{number}"
        (fleet.dir / key).mkdir()
        dying = fleet.start(key, "millrace-worker", "--worker-id", key, "--work-dir", str(fleet.dir / key), "--store",
                            str(fleet.dir / "store-dying"), env={"MILLRACE_FAIL_POINT": point})
        run = fleet.submit(SLOW)
        wait_for(f"the death at {point}", lambda process=dying: process.poll() is not None)
        assert dying.returncode == -signal.SIGKILL, fleet.log(key)
        assert lines(fleet.dir / key / "out") == ["made"]
        assert fleet.json("artifacts", run) == [], "nothing is published that was not reported"
        two_workers(fleet)
        assert fleet.wait_run(run)["state"] == "succeeded", fleet.ctl("tasks", run).stdout
        assert lines(fleet.dir / "takes/got") == ["made"]
        for tag in ("makes", "takes"):
            fleet.kill(f"w-{tag}")
            shutil.rmtree(fleet.dir / tag)


def A09_artifacts_outlive_a_broker(fleet):
    port = fleet.free_port()
    fleet.start_broker(port=port)
    two_workers(fleet)
    held = MADE.replace("      out/latest > said", "      while [ ! -e go ]; do sleep 0.02; done; out/latest > said")
    run = fleet.submit(held)
    wait_for("the first dependant", lambda: any(
        row["name"] == "use" and row["state"] == "running" for row in fleet.json("tasks", run)))
    before = fleet.json("artifacts", run)
    fleet.kill("broker")
    fleet.start_broker(port=port)
    wait_for("the workers", lambda: len(fleet.json("workers")) == 2)
    assert fleet.json("artifacts", run) == before
    (fleet.dir / "takes/go").touch()
    assert fleet.wait_run(run)["state"] == "succeeded", fleet.ctl("tasks", run).stdout
    assert lines(fleet.dir / "takes/said") == ["it runs", "it runs"]


DAMAGED = """
name: damaged
modules:
  make: {requires: {tags: [makes]}, run: 'echo precious > out', produces: {out: out}}
  hold: {needs: [make], requires: {tags: [makes]}, run: 'while [ ! -e go ]; do sleep 0.02; done'}
  take: {needs: [make, hold], requires: {tags: [takes]}, retries: 0, consumes: [make], run: 'cat out > got'}
"""


def A36_a_damaged_blob_is_noticed(fleet):
    fleet.start_broker()
    two_workers(fleet)
    run = fleet.submit(DAMAGED)
    digest = hashlib.sha256(b"precious\n").hexdigest()
    blob = fleet.dir / "data/blobs" / digest[:2] / digest
    wait_for("its blob", lambda: fleet.json("artifacts", run))
    blob.write_bytes(b"worthless")
    (fleet.dir / "makes/go").touch()
    assert fleet.wait_run(run)["state"] == "failed"
    row = next(row for row in fleet.json("tasks", run) if row["name"] == "take")
    assert "artifacts" in row["failure"]["message"] or "blob" in row["failure"]["message"], row
    assert not (fleet.dir / "takes/got").exists() and not (fleet.dir / "takes/out").exists()
    assert not blob.exists(), "it is not given to anybody again"
    # ... and one in a worker's own store is fetched anew.
    (fleet.dir / "makes/go").touch()
    assert fleet.wait_run(fleet.submit(DAMAGED))["state"] == "succeeded"
    kept = fleet.dir / "store-takes/objects" / digest[:2] / digest
    (fleet.dir / "takes/out").unlink()
    kept.chmod(0o600)
    kept.write_bytes(b"worthless")
    assert fleet.wait_run(fleet.submit(DAMAGED))["state"] == "succeeded"
    assert lines(fleet.dir / "takes/got") == ["precious"]


CACHED = """
name: cached
modules:
  make: {requires: {tags: [%s]}, cached: true, run: 'echo x >> %s/runs; echo made > out', produces: {out: out}}
  take: {needs: [make], requires: {tags: [takes]}, consumes: [make], run: 'cat out > got'}
"""


def A38_a_hit_brings_the_artifacts_too(fleet):
    fleet.start_broker()
    two_workers(fleet)
    text = CACHED % ("makes", fleet.dir)
    assert fleet.wait_run(fleet.submit(text))["state"] == "succeeded"
    (fleet.dir / "takes/out").unlink()
    (fleet.dir / "takes/got").unlink()
    (fleet.dir / "makes/out").unlink()
    run = fleet.submit(text)
    assert fleet.wait_run(run)["state"] == "succeeded"
    outcomes = {row["name"]: row["outcome"] for row in fleet.json("tasks", run)}
    assert outcomes == {"make": "cached", "take": "succeeded"}, outcomes
    assert lines(fleet.dir / "runs") == ["x"] and lines(fleet.dir / "takes/got") == ["made"]
    # Without one of its blobs it is no hit.
    digest = hashlib.sha256(b"made\n").hexdigest()
    (fleet.dir / "data/blobs" / digest[:2] / digest).unlink()
    assert fleet.wait_run(fleet.submit(text))["state"] == "succeeded"
    assert lines(fleet.dir / "runs") == ["x", "x"]


def A36_a_standalone_run_keeps_them_in_its_store(fleet):
    store = fleet.dir / "store"
    for count in (1, 2):
        alone = fleet.start(f"alone{count}", "example-artifacts", "run", "--store", str(store))
        assert alone.wait(timeout=60) == 0, fleet.log(f"alone{count}")
    assert os.access(fleet.work / "checked/out/app", os.X_OK)
    assert not (fleet.work / "checked/out/docs").exists(), "one artifact of two"
    # Two files and the tree, once each for both runs, and nowhere else.
    assert len([file for file in (store / "objects").rglob("*") if file.is_file()]) == 3
    blobs = fleet.dir / "state/millrace/blobs"
    assert not [file for file in blobs.rglob("*") if file.is_file()]


def A36_a_cpp_pipeline_hands_files_to_another_worker(fleet):
    fleet.start_broker()
    for name in ("c1", "c2"):
        (fleet.dir / name).mkdir()
        fleet.start(name, "example-artifacts", "worker", "--worker-id", name, "--slots", "1", "--work-dir",
                    str(fleet.dir / name), "--store", str(fleet.dir / f"store-{name}"))
    fleet.wait_workers(2)
    submitted = fleet.start("submitted", "example-artifacts", "submit")
    assert submitted.wait(timeout=60) == 0, fleet.log("submitted")
    assert "built and run" in fleet.ctl("result", "check").stdout


def A36_what_is_wrong_with_artifacts_is_said_before_anything_runs(fleet):
    fleet.start_broker()
    for text, words in (
            ("a: {run: x, produces: {'../x': y}}", "cannot name an artifact"),
            ("a: {run: x, produces: {x: ../y}}", "does not stay in the work directory"),
            ("a: {run: x, produces: {x: y}}\n  b: {run: x, needs: [a], consumes: [a/z]}", "none of that name"),
            ("a: {run: x, produces: {docs: y}}\n  b: {run: x, needs: [a], consumes: [a/dosc]}", "did you mean 'docs'?"),
            ("a: {run: x, produces: {x: y}}\n  b: {run: x, consumes: [a]}", "which it does not need"),
            ("a: {run: x}\n  b: {run: x, needs: [a], consumes: [a]}", "which produces none")):
        refused = fleet.ctl("submit", fleet.pipeline(f"modules:\n  {text}\n"), code=None)
        assert refused.returncode != 0 and words in refused.stderr, (text, refused.stderr)
    assert fleet.json("runs") == []
