#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The real programs on loopback, as a person uses them, with things killed and rubbish fed. Prints TAP.

usage: programs_test.py BUILD_DIR [NAME...]

Each test gets a fleet of its own; several run side by side, since they mostly wait. The tests are the functions of
THEMES whose names begin with the number of an acceptance statement, with G_ (an old bug of this field), a_ or an_.
What this machine cannot do is skipped, and said.
"""

import concurrent.futures
import pathlib
import re
import signal
import sys
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import artifacts  # noqa: E402
import attackers  # noqa: E402
import chaos_command  # noqa: E402
import crowds  # noqa: E402
import fail_points  # noqa: E402
import forecasts  # noqa: E402
import history  # noqa: E402
import keys  # noqa: E402
import links  # noqa: E402
import losses  # noqa: E402
import old_bugs  # noqa: E402
import operation  # noqa: E402
import partitions  # noqa: E402
import pipelines  # noqa: E402
import reports  # noqa: E402
import reruns  # noqa: E402
import restarts  # noqa: E402
import secrets_kept  # noqa: E402
import simulations  # noqa: E402
import systems  # noqa: E402
import wires  # noqa: E402
from fleet import Fleet, Skipped  # noqa: E402

THEMES = (artifacts, losses, restarts, fail_points, systems, crowds, links, wires, partitions, pipelines, operation,
          keys, attackers, secrets_kept, history, reports, simulations, forecasts, reruns, old_bugs, chaos_command)
SIDE_BY_SIDE = 4
TESTS = [value for theme in THEMES for name, value in vars(theme).items() if re.match(r"A\d\d_|G_|an?_", name)]


def run(build, test):
    """None, or why it failed, or a Skipped."""
    fleet = Fleet(build)
    try:
        test(fleet)
        return None
    except Skipped as why:
        return why
    except Exception:  # whatever it is, it is this test's failure
        report = traceback.format_exc().splitlines()
        for log in sorted(fleet.dir.glob("*.log")):
            report += [f"{log.name}: {line}" for line in log.read_text(errors="replace").splitlines()[-15:]]
        return report
    finally:
        fleet.close()


def main():
    build, wanted = sys.argv[1], sys.argv[2:]
    tests = [test for test in TESTS if not wanted or test.__name__ in wanted]
    print(f"1..{len(tests)}", flush=True)
    failed = number = 0

    def tell(test, report):
        nonlocal failed, number
        number += 1
        if isinstance(report, Skipped):
            print(f"ok {number} - {test.__name__} # SKIP {report}", flush=True)
            return
        failed += report is not None
        print(f"{'ok' if report is None else 'not ok'} {number} - {test.__name__}", flush=True)
        for line in report or ():
            print(f"# {line}", flush=True)

    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        running = {pool.submit(run, build, test): test for test in tests if not hasattr(test, "alone")}
        for done in concurrent.futures.as_completed(running):
            tell(running[done], done.result())
    for test in tests:
        if hasattr(test, "alone"):
            tell(test, run(build, test))
    return 1 if failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())
