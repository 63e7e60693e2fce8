# SPDX-License-Identifier: Apache-2.0
"""Fleets with keys: who gets in, who does not and is told why, and what is taken away again."""

import datetime
import json
import os
import pathlib
import re
import signal
import subprocess
import urllib.error
import urllib.request

from fail_points import WHILE_IT_ADMITS, dies
from fleet import lines, wait_for
from samples import ONE

LONG = "name: long\nmodules: {a: {run: 'echo x >> started; while [ ! -e go ]; do sleep 0.05; done'}}\n"


class Keys:
    """The keys of a fleet's broker, made and changed as a person would."""

    def __init__(self, fleet):
        self.fleet = fleet
        self.dir = fleet.dir / "keys"
        self.ctl("init")
        fleet.env["MILLRACE_KEY_FILE"] = self.file("admin")

    def ctl(self, *args, code=0):
        return self.fleet.ctl("keys", *args, "--keys", str(self.dir), code=code).stdout.strip()

    def file(self, name):
        return str(self.dir / f"{name}.key")

    def add(self, role, name, *args):
        self.ctl("add", role, name, *args)
        return self.file(name)

    def token(self, *args):
        return self.ctl("token", "--orchestrator", self.fleet.env["ORCHESTRATOR_URL"], *args)

    def start_broker(self, *args, port=0):
        return self.fleet.start_broker("--keys", str(self.dir), *args, port=port)

    def start_worker(self, name, *args):
        return self.fleet.start(name, "millrace-worker", "--worker-id", name, "--slots", "2", *args)


def ended(fleet, key, process, code, *said):
    wait_for(f"the end of {key}", lambda: process.poll() is not None)
    log = fleet.log(key)
    assert process.returncode == code, (key, process.returncode, log)
    for words in said:
        assert words in log, (words, log)


def audit(fleet):
    return [json.loads(line) for line in lines(fleet.dir / "data" / "audit.log")]


def A48_a_fleet_with_keys_works_and_strangers_get_nothing(fleet):
    keys = Keys(fleet)
    keys.start_broker()
    keys.start_worker("w1", "--key", keys.add("worker", "w1"))
    fleet.wait_workers(1)
    assert fleet.wait_run(fleet.submit(ONE))["state"] == "succeeded"
    # A large result and a large submission: the bulk plane.
    big = fleet.submit("name: big\nmodules: {a: {run: 'head -c 2000000 /dev/urandom | base64 -w0 > f; "
                       "printf \"\\\"%s\\\"\" \"$(cat f)\" > $MILLRACE_OUTPUT'}}\n")
    assert fleet.wait_run(big)["state"] == "succeeded"
    assert len(fleet.ctl("result", "a", "--run", big).stdout) > 2_000_000
    # Without a key, with one that is on no list, and with the key of another broker's list.
    del fleet.env["MILLRACE_KEY_FILE"]
    refused = fleet.ctl("status", code=77)
    assert "--key FILE" in refused.stderr, refused
    ended(fleet, "plain", keys.fleet.start("plain", "millrace-worker", "--worker-id", "x"), 77, "--join TOKEN")
    others = fleet.dir / "others"
    fleet.ctl("keys", "init", "--keys", str(others))
    mixed = fleet.dir / "mixed.key"
    broker = json.loads(keys.ctl("show", "--json"))["public"]
    text = (others / "admin.key").read_text().splitlines()
    mixed.write_text("\n".join(f"broker={broker}" if line.startswith("broker=") else line for line in text) + "\n")
    mixed.chmod(0o644)
    assert "chmod 600" in fleet.ctl("status", "--key", str(mixed), code=78).stderr
    mixed.chmod(0o600)
    refused = fleet.ctl("status", "--key", str(mixed), code=77)
    assert "refused our key" in refused.stderr, refused
    wait_for("the refusal in the audit log", lambda: any(line["what"] == "refused" for line in audit(fleet)))


def A48_roles_are_kept_and_written_down(fleet):
    keys = Keys(fleet)
    keys.start_broker()
    keys.start_worker("w1", "--key", keys.add("worker", "w1"))
    fleet.wait_workers(1)
    client = keys.add("client", "ann")
    ended(fleet, "imposter", fleet.start("imposter", "millrace-worker", "--worker-id", "ann", "--key", client), 77,
          "role client", "keys add worker")
    # A worker cannot submit, and not take the place of another one.
    refused = fleet.ctl("submit", fleet.pipeline(ONE), "--key", keys.file("w1"), code=77)
    assert "role worker" in refused.stderr, refused
    ended(fleet, "thief", fleet.start("thief", "millrace-worker", "--worker-id", "w1", "--key",
                                      keys.add("worker", "w2")), 77, "--worker-id w2")
    refused = fleet.ctl("drain", "w1", "--key", client, code=77)
    assert "keys add admin" in refused.stderr, refused
    run = fleet.ctl("submit", fleet.pipeline(ONE), "--key", client).stdout.strip()
    assert fleet.wait_run(run)["state"] == "succeeded"
    fleet.ctl("drain", "w1")
    told = {(line["who"], line["what"], line["outcome"] == "ok") for line in audit(fleet)}
    for line in (("client 'ann'", "submit", True), ("client 'ann'", "drain", False), ("admin 'admin'", "drain", True)):
        assert line in told, (line, told)
    assert any(line["about"].startswith(run) for line in audit(fleet)), audit(fleet)
    assert any(line["what"] == "keys" and "+worker w2" in line["about"] for line in audit(fleet)), audit(fleet)


def A49_a_revoked_worker_is_dropped_and_its_tasks_run_elsewhere(fleet):
    keys = Keys(fleet)
    keys.start_broker()
    first = keys.start_worker("w1", "--key", keys.add("worker", "w1"))
    fleet.wait_workers(1)
    run = fleet.submit(LONG)
    wait_for("the task to run", lambda: lines(fleet.work / "started"))
    keys.start_worker("w2", "--key", keys.add("worker", "w2"))
    fleet.wait_workers(2)
    keys.ctl("revoke", "w1")
    written = os.stat(keys.dir / "admitted").st_ctime  # by the clock of the log
    wait_for("the task to run elsewhere", lambda: len(lines(fleet.work / "started")) == 2)
    ended(fleet, "w1", first, 77, "revoked")
    (at,) = re.findall(r"^I(\d+ [\d:.]+) .*worker w1 .* has lost its key; its tasks: a$", fleet.log("broker"),
                       re.MULTILINE)
    after = datetime.datetime.strptime(at, "%Y%m%d %H:%M:%S.%f").timestamp() - written
    assert after < 1, f"its session ended {after:.3f} s after its revocation was written: within a second is promised"
    (fleet.work / "go").touch()
    assert fleet.wait_run(run)["state"] == "succeeded"


def A48_rotated_keys_count_at_once_and_the_old_ones_no_more(fleet):
    keys = Keys(fleet)
    broker = keys.start_broker()
    old = fleet.dir / "old.key"
    keys.add("client", "ann")
    old.write_text((keys.dir / "ann.key").read_text())
    old.chmod(0o600)
    fleet.ctl("status", "--key", str(old))
    keys.ctl("rotate", "ann")
    wait_for("the former key to be void",
             lambda: "refused our key" in fleet.ctl("status", "--key", str(old), code=None).stderr)
    fleet.ctl("status", "--key", keys.file("ann"))
    # The broker's own: from its next start on.
    before = (keys.dir / "admin.key").read_text()
    keys.ctl("rotate")
    assert (keys.dir / "admin.key").read_text() != before
    fleet.ctl("status", "--key", str(fleet.dir / "nothing.key"), code=66)
    broker.terminate()
    wait_for("the end of the broker", lambda: broker.poll() is not None)
    keys.start_broker()
    fleet.ctl("status")


def A48_a_fleet_joins_by_one_string(fleet):
    keys = Keys(fleet)
    keys.start_broker()
    token = keys.token("--uses", "2", "--tag", "gpu", "--name", "fleet")
    secret = fleet.dir / "token"
    secret.write_text(token + "\n")
    secret.chmod(0o600)
    url = fleet.env.pop("ORCHESTRATOR_URL")
    for name in ("w1", "w2"):
        keys.start_worker(name, "--join", f"@{secret}", "--tag", "gpu")
    fleet.env["ORCHESTRATOR_URL"] = url
    fleet.wait_workers(2)
    assert fleet.wait_run(fleet.submit(ONE))["state"] == "succeeded"
    # A worker that comes again has joined already; another one is one too many.
    fleet.kill("w1")
    keys.start_worker("w1", "--join", token, "--tag", "gpu")
    wait_for("w1 to be there again", lambda: "joined before" in fleet.log("w1"))
    ended(fleet, "third", keys.start_worker("third", "--join", token), 77, "used up", "2 of 2")
    short = keys.token("--expires", "0s", "--name", "late")
    ended(fleet, "late", keys.start_worker("late", "--join", short), 77, "expired")
    ended(fleet, "torn", keys.start_worker("torn", "--join", token[:-1]), 65, "not copied whole")
    rows = {row["name"]: row for row in json.loads(keys.ctl("list", "--json"))}
    assert rows["fleet"]["state"] == "used up" and rows["late"]["state"] == "expired", rows
    assert rows["w1"]["role"] == "worker", rows
    # Tags are the token's: the key that w2 has joined with is not good for others.
    fleet.kill("w2")
    ended(fleet, "w2", keys.start_worker("w2", "--join", token, "--tag", "big"), 77, "'big'")
    client = fleet.dir / "bob.key"
    fleet.ctl("keys", "join", keys.token("--role", "client"), "bob", "--file", str(client))
    fleet.ctl("status", "--key", str(client))
    assert token not in fleet.log("broker") and token not in fleet.log("w1")
    fleet.start("settings", "millrace-worker", "--join", token, "--print-settings").wait()
    assert "(hidden)" in fleet.log("settings") and token not in fleet.log("settings")


def composed(fleet, port, text):
    """The environment that this part of docker-compose.yml sets, and its script, with a port and folders of our own."""
    text = re.sub(r"(?<![\w/])/(keys|join|data|state)\b", str(fleet.dir) + r"/\1", text)
    text = text.replace("8080", str(port)).replace("//orchestrator:", "//127.0.0.1:")
    script = re.search(r"^( +)- \|\n((?:\1  .*\n)+)", text, re.M)
    return dict(re.findall(r'^ +([A-Z_]+): "?([^"\s]+)', text, re.M)), script and script[2]


def A48_the_compose_file_starts_a_fleet_with_keys(fleet):
    file = pathlib.Path(__file__).resolve().parents[2] / "docker-compose.yml"
    _, orchestrator, worker = re.split(r"^  (?:orchestrator|worker-1):\n", file.read_text(), flags=re.M)
    assert "INSECURE" not in file.read_text()
    for folder in ("join", "state"):
        (fleet.dir / folder).mkdir()
    port = fleet.free_port()
    settings, script = composed(fleet, port, orchestrator)
    fleet.env["PATH"] = ":".join([*(str(fleet.build / name) for name in ("broker", "tools")), fleet.env["PATH"]])

    def start():
        with open(fleet.dir / "broker.log", "ab") as log:
            fleet.processes["broker"] = subprocess.Popen(["sh", "-ec", script], stdout=log, stderr=log, cwd=fleet.work,
                                                         env={**fleet.env, **settings})
        listening = f"listens on tcp://0.0.0.0:{port}"
        wait_for("the orchestrator", lambda: listening in fleet.log("broker").split("stopping")[-1])

    start()
    fleet.env.update({name: settings[name] for name in ("ORCHESTRATOR_URL", "MILLRACE_KEY_FILE")})
    given = composed(fleet, port, worker.split("worker-2:")[0])[0]
    url = fleet.env.pop("ORCHESTRATOR_URL")
    for name in ("worker-1", "worker-2", "worker-3"):
        fleet.start(name, "millrace-worker", env={**given, "WORKER_ID": name})
    fleet.env["ORCHESTRATOR_URL"] = url
    fleet.wait_workers(3)
    assert fleet.wait_run(fleet.submit(ONE))["state"] == "succeeded"
    # Another start makes another token, and the keys stay.
    token = (fleet.dir / "join" / "token").read_text()
    fleet.processes["broker"].send_signal(signal.SIGTERM)
    ended(fleet, "broker", fleet.processes["broker"], 0, "stopping")
    start()
    assert (fleet.dir / "join" / "token").read_text() != token
    fleet.start("again", "millrace-worker", env={**given, "WORKER_ID": "worker-1"})
    wait_for("worker-1 to be there again", lambda: "joined before" in fleet.log("again"))
    fleet.wait_workers(1)


def A48_tokens_have_limits(fleet):
    keys = Keys(fleet)
    keys.ctl("token", "--uses", "1000000", "--name", "most")
    refused = fleet.ctl("keys", "token", "--uses", "1000001", "--name", "more", "--keys", str(keys.dir), code=65)
    assert "--uses 1000001; allowed are 0 (any number) to 1000000" in refused.stderr, refused
    assert "more" not in keys.ctl("list"), keys.ctl("list")


def A48_a_broker_killed_after_a_joining_and_before_its_answer_admits_once(fleet):
    keys = Keys(fleet)
    port = fleet.free_port()  # with its planes, also when it is started again
    keys.start_broker(port=port)
    token = keys.token("--uses", "1", "--name", "fleet")
    fleet.kill("broker")
    (point,) = WHILE_IT_ADMITS
    broker = fleet.start("broker", "millrace-broker", "--port", str(port), "--keys", str(keys.dir), "--data-dir",
                         str(fleet.dir / "data"), env={"MILLRACE_FAIL_POINT": point})
    worker = keys.start_worker("w1", "--join", token)
    dies(fleet, broker, point)
    keys.start_broker(port=port)
    if worker.poll() is not None:  # it may have given up; whoever starts it again has joined before
        assert worker.returncode in (69, 75), fleet.log("w1")
        del fleet.processes["w1"]
        keys.start_worker("w1", "--join", token)
    fleet.wait_workers(1)
    rows = {row["name"]: row for row in json.loads(keys.ctl("list", "--json"))}
    assert rows["fleet"]["state"] == "used up" and rows["w1"]["role"] == "worker", rows


def A45_http_asks_for_a_bearer_where_there_are_keys(fleet):
    keys = Keys(fleet)
    keys.start_broker()
    base = fleet.log("broker").split("health on ")[1].split("/api")[0]

    def get(path, bearer=None, host=None):
        request = urllib.request.Request(base + path)
        if bearer:
            request.add_header("Authorization", f"Bearer {bearer}")
        if host:
            request.add_header("Host", host)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    client = keys.ctl("show", "admin", "--bearer")
    keys.add("worker", "w1")
    worker = keys.ctl("show", "w1", "--bearer")
    assert get("/api/status")[0] == 401
    assert get("/api/status", bearer="x" * 64)[0] == 401
    wait_for("the worker's key to be known", lambda: get("/api/status", bearer=worker)[0] == 403)
    status, body = get("/api/status", bearer=client)
    assert status == 200 and json.loads(body)["workers"] == 0, body
    assert get("/api/status", bearer=client, host="evil.example")[0] == 403
    status, body = get("/api/health")
    assert status == 200 and list(json.loads(body)) == ["status"], body
    assert "warnings" in json.loads(get("/api/health", bearer=client)[1])
    keys.ctl("rotate", "admin")
    wait_for("the former bearer to be void", lambda: get("/api/status", bearer=client)[0] == 401)


def A45_beyond_this_machine_only_with_keys(fleet):
    data = str(fleet.dir / "x")
    for option in ("--bind", "--http-bind"):
        process = fleet.start(option[2:], "millrace-broker", "--port", "0", "--data-dir", data, option, "0.0.0.0")
        ended(fleet, option[2:], process, 78, "zmqctl keys init", "zmqctl keys token", "millrace-broker --keys",
              "--insecure-allow-plaintext-on 0.0.0.0")
    worker = fleet.start("outward", "millrace-worker", "--orchestrator", "tcp://192.0.2.1:8080")
    ended(fleet, "outward", worker, 78, "--join TOKEN", "--insecure-allow-plaintext-on 192.0.2.1")
    # Allowed by name, and loud wherever one looks.
    fleet.start_broker("--bind", "0.0.0.0", "--insecure-allow-plaintext-on", "0.0.0.0", data="open")
    fleet.env["ORCHESTRATOR_URL"] = fleet.env["ORCHESTRATOR_URL"].replace("0.0.0.0", "127.0.0.1")
    assert "INSECURE" in fleet.log("broker")
    assert "INSECURE" in fleet.ctl("status").stdout and "INSECURE" in fleet.ctl("health", code=1).stdout
    fleet.kill("broker")
    keys = Keys(fleet)
    keys.start_broker("--bind", "0.0.0.0")
    fleet.env["ORCHESTRATOR_URL"] = fleet.env["ORCHESTRATOR_URL"].replace("0.0.0.0", "127.0.0.1")
    assert "INSECURE" not in fleet.ctl("health").stdout
    os.chmod(keys.dir / "broker.key", 0o640)
    second = fleet.start("second", "millrace-broker", "--port", "0", "--data-dir", data, "--keys", str(keys.dir))
    ended(fleet, "second", second, 78, "chmod 600")
