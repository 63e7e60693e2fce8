# SPDX-License-Identifier: Apache-2.0
"""Pipelines that several of the end-to-end tests run."""

TWELVE = """
name: twelve
modules:
  start: {run: "true"}
  work:
    needs: [start]
    matrix: {n: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]}
    run: |
      echo "$n $$" >> started
      while [ ! -e go ]; do sleep 0.05; done
      echo "$n" >> done
  end: {needs: [work], run: "true"}
"""
SLEEPER = """
name: sleeper
modules:
  nap:
    run: |
      sleep 1000 & echo $! >> pids
      setsid sleep 1000 & echo $! >> pids
      echo $$ >> pids
      sleep 1000
  after: {needs: [nap], run: "true"}
  teardown: {needs: [nap], always_run: true, run: "touch torn-down"}
"""
# Ends when `go` is there. What it prints is a part of its result.
LONG = """
name: long
modules:
  work:
    run: |
      echo begun >> started
      while [ ! -e go ]; do sleep 0.05; done
      echo the-words-of-the-result
  after: {needs: [work], run: "echo after >> ended"}
"""
ONE = "name: one\nmodules: {a: {run: 'true'}}\n"
