# SPDX-License-Identifier: Apache-2.0
"""Secrets: known to the tasks that name them, and to be found nowhere else."""

import base64
import json
import os
import pathlib
import urllib.parse

from fleet import lines, wait_for

VALUE = "correct horse/\"battery\"'$staple'"
NAMED = """
name: secretive
modules:
  %(name)s:
    isolation: %(isolation)s
    cached: true
    version: of-%(name)s
    secrets: {TOKEN: deploy-token, OTHER: in.env}
    run: |
      printf %%s "$TOKEN" > seen
      printf %%s "$OTHER" > seen-other
      env | grep -c MILLRACE_SECRETS > seen-sources || true
      touch here; while [ ! -e go ]; do sleep 0.02; done
      echo "plain: $TOKEN"
      printf %%s "$TOKEN" | base64
      printf 'user:%%s' "$TOKEN" | base64 >&2
      python3 - <<'PYTHON'
      import json, os, shlex, sys, time, urllib.parse
      token = os.environ["TOKEN"]
      for form in (token, urllib.parse.quote(token), urllib.parse.quote_plus(token), json.dumps(token),
                   shlex.quote(token), os.environ["OTHER"]):
          for at in range(0, len(form), 3):  # in pieces
              sys.stdout.write(form[at:at + 3])
              sys.stdout.flush()
          print()
      json.dump({"token": token, "list": [urllib.parse.quote(token)]}, open(os.environ["MILLRACE_OUTPUT"], "w"))
      PYTHON
      %(end)s
"""


def forms():
    """What must not be found anywhere. Of base64, what does not depend on what stands around it."""
    return [form.encode() for form in (
        VALUE, urllib.parse.quote(VALUE), urllib.parse.quote_plus(VALUE), json.dumps(VALUE)[1:-1],
        VALUE.replace("'", "'\"'\"'"), base64.b64encode(VALUE.encode()).decode()[:-4],
        base64.b64encode(b"user:" + VALUE.encode()).decode()[8:-4], "value-of-the-other")]


def found_in(data):
    return [form for form in forms() if form in data]


def assert_nowhere(fleet, *said):
    for text in said:
        assert not found_in(text.encode()), text
    for folder, _, names in os.walk(fleet.dir):
        for name in names:
            file = pathlib.Path(folder) / name
            if fleet.dir / "secrets" in file.parents or name in ("seen", "seen-other") or not file.is_file():
                continue
            assert not found_in(file.read_bytes()), file


def assert_in_no_command_line():
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            assert not found_in((process / "cmdline").read_bytes()), process
        except OSError:
            pass  # it has ended


def A41_a_secret_is_seen_by_its_task_alone(fleet):
    secrets = fleet.dir / "secrets"
    secrets.mkdir(mode=0o700)
    (secrets / "deploy-token").write_text(VALUE + "\n")
    (secrets / "deploy-token").chmod(0o600)
    broker = fleet.start_broker("--log-level", "debug")
    fleet.start("w1", "millrace-worker", "--worker-id", "w1", "--slots", "2", "--secrets-dir", str(secrets),
                "--secrets-from-env", "FLEET_", env={"FLEET_IN_ENV": "value-of-the-other"})
    fleet.wait_workers(1)
    said = []
    for number, (isolation, end) in enumerate((("process", ""), ("in-process", ""), ("process", "exit 3"))):
        for name in ("here", "go"):
            (fleet.work / name).unlink(missing_ok=True)
        run = fleet.submit(NAMED % {"name": f"leak{number}", "isolation": isolation, "end": end})
        wait_for("the start", lambda: (fleet.work / "here").exists())
        assert_in_no_command_line()
        (fleet.work / "go").touch()
        assert fleet.wait_run(run)["state"] == ("failed" if end else "succeeded")
        assert (fleet.work / "seen").read_text() == VALUE
        assert (fleet.work / "seen-other").read_text() == "value-of-the-other"
        assert lines(fleet.work / "seen-sources") == ["0"]
        logged = fleet.ctl("logs", "--run", run).stdout
        assert "plain: ***\n" in logged, logged
        said.append(logged)
        if not end:
            result = fleet.json("result", "--run", run, f"leak{number}")
            assert result == {"token": "***", "list": ["***"]}, result
        report = ("report", run, "--data-dir", str(fleet.dir / "data"))
        wait_for("the run in the history", lambda what=report: fleet.ctl(*what, code=None).returncode == 0)
        for form in ("--json", "--html", "--junit", "--trace"):
            said.append(fleet.ctl(*report, form).stdout)
        said.append(fleet.ctl("runs", "--json").stdout)
    broker.terminate()
    wait_for("the end of the broker", lambda: broker.poll() is not None)
    said.append(fleet.ctl("journal", "dump", "--data-dir", str(fleet.dir / "data")).stdout)
    assert "deploy-token" in said[-1]  # the name is no secret
    assert_nowhere(fleet, *said)


def A41_a_secret_that_cannot_be_had_is_said_and_not_tried_again(fleet):
    secrets = fleet.dir / "secrets"
    secrets.mkdir(mode=0o700)
    (secrets / "open").write_text(VALUE)
    (secrets / "open").chmod(0o644)
    fleet.start_broker()
    fleet.start_workers("w1", args=("--secrets-dir", str(secrets)))
    for name, why in (("absent", f"there is no file {secrets}/absent"), ("open", "chmod 600")):
        run = fleet.submit(f"""
name: x
modules:
  a: {{retry_on: transient, retries: 3, secrets: {{A: {name}}}, run: touch ran}}
""")
        assert fleet.wait_run(run)["state"] == "failed"
        task = fleet.json("tasks", run)[0]
        assert why in task["failure"]["message"] and task["failure"]["try"] == 1, task
        assert not (fleet.work / "ran").exists()
    refused = fleet.start("refused", "millrace-worker", "--secrets-dir", str(fleet.dir / "nowhere"))
    wait_for("the refusal", lambda: refused.poll() is not None)
    assert refused.returncode not in (0, 70) and "--secrets-dir" in fleet.log("refused"), fleet.log("refused")


def A41_one_process_knows_secrets_as_a_worker_does(fleet):
    secrets = fleet.dir / "secrets"
    secrets.mkdir(mode=0o700)
    (secrets / "deploy-token").write_text(VALUE)
    (secrets / "deploy-token").chmod(0o600)
    (fleet.work / "go").touch()
    file = fleet.pipeline(NAMED % {"name": "leak", "isolation": "process", "end": ""})
    alone = fleet.start("alone", "millrace-broker", "--run", file, "--prefer-local", "--port", "0", "--data-dir",
                        str(fleet.dir / "data"), "--secrets-dir", str(secrets), "--secrets-from-env", "FLEET_",
                        env={"FLEET_IN_ENV": "value-of-the-other"})
    wait_for("the end", lambda: alone.poll() is not None)
    assert alone.returncode == 0, fleet.log("alone")
    assert (fleet.work / "seen").read_text() == VALUE
    assert_nowhere(fleet, fleet.log("alone"))
