# SPDX-License-Identifier: Apache-2.0
"""What others make of the same work, on this machine, in the same run.

An adapter is a module with NAME, KIND (commands: runs of /bin/true, two at once; tasks: no-op tasks, on two workers),
INSTALL (what to install on Debian), version() (a text; None: not installed) and rate(count, folder) (per second; the
folder is empty and goes away afterwards); AT_MOST is how many of them it gets, if it is slow. None is required.
"""

import importlib

NAMES = ("gnu_make", "ninja_build", "gnu_xargs", "gnu_parallel", "gearman", "beanstalkd", "dask_distributed",
         "celery_redis")


def adapters(kind):
    found = (importlib.import_module(f"peers.{name}") for name in NAMES)
    return [adapter for adapter in found if kind == adapter.KIND]
