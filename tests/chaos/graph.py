# SPDX-License-Identifier: Apache-2.0
"""A random graph of modules, as a pipeline in YAML, whose tasks write down what they do; see docs/testing.md.

Most sleep for a while. Some take two slots, some fail at their first try, some fail for good where that is allowed,
some must not be begun twice and may be lost for that, and one kills every worker that it runs on: a poison task, which
must be the only one that is called so.
"""

import random

POISON = "poison"
# What every module runs, beside the file of steps. The traps: an attempt that is stopped says so, one that is killed
# cannot.
SCRIPT = """\
say() { echo "$1 $MILLRACE_TASK $MILLRACE_ATTEMPT $MILLRACE_SLOT" >> steps; }
trap 'exit 143' TERM
trap 'say end' EXIT
say begin
case $1 in
  sleep) sleep "$2" ;;
  retry) [ "$MILLRACE_TRY" -gt 1 ] || exit 75 ;;
  fail) exit 1 ;;
  poison)
    # A slot is NAMESPACE-PID-START-NUMBER of its worker.
    worker=${MILLRACE_SLOT#*-}
    kill -9 "${worker%%-*}"
    sleep 1000 ;;
esac
"""


def modules(count, mean, seed):
    """(name, keys) of each, in an order in which each needs only earlier ones."""
    dice = random.Random(seed)
    names = []
    for number in range(1, count + 1):
        near = names[-40:]
        keys = {"run": f"sh step.sh sleep {dice.uniform(0.2, 1.8) * mean:.3f}"}
        needs = dice.sample(near, min(len(near), dice.choice([0, 1, 1, 1, 2, 2, 3, 4])))
        kind = dice.random()
        if needs and kind < 0.06:
            keys["needs_optional"] = [needs.pop()]
        if needs:
            keys["needs"] = needs
        if kind > 0.95:
            keys["requires"] = {"cpus": 2}
        elif kind > 0.91:
            keys.update(run="sh step.sh retry", backoff="50ms")
        elif kind > 0.90:
            keys.update(run="sh step.sh fail", ignore_failure=True)
        elif kind > 0.86:
            keys.update(idempotent=False, ignore_failure=True)
        names.append(f"m{number:04}")
        yield names[-1], keys
    yield POISON, {"needs": [dice.choice(names[:20])], "run": "sh step.sh poison", "priority": 1}


def flow(value):
    """A value in YAML's flow style; the texts here need no quotes but in commands."""
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def pipeline(count, mean, seed):
    """The text: `count` modules and the poison, with sleeps of `mean` seconds."""
    lines = [f"name: chaos-{seed}", "fail_mode: keep-going", "modules:"]
    lines += [f"  {name}: {flow(keys)}" for name, keys in modules(count, mean, seed)]
    return "\n".join(lines) + "\n"
