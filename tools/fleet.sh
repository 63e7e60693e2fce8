# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by scripts that run a pipeline on a fleet of their own: a broker and some workers on loopback, which are gone
# when the script ends, however it ends. The script says `set -euo pipefail`.
#
#   build_programs BUILD [OPTION OF tools/setup...]   install what is missing, then build what has changed
#   start_fleet BUILD WORK_DIR WORKERS SLOTS          sets ORCHESTRATOR_URL for zmqctl, and `scratch` to a folder

fleet=()    # the process ids, the broker's first
scratch=''  # the broker's data, logs; removed at the end

say() { printf '\n== %s\n' "$*"; }

build_programs() {
  local root build=$1
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
  shift
  say "What the build needs"
  "$root/tools/setup" "$@"
  say "Building what has changed, unoptimised (for a release: meson setup --buildtype=release)"
  mkdir -p "$(dirname "$build")"
  # In the words of tools/check, so that each finds in the compiler's cache what the other has compiled.
  export CCACHE_NOHASHDIR=1
  if [ -z "${CXX:-}" ] && command -v ccache >/dev/null && command -v g++ >/dev/null; then export CXX='ccache g++'; fi
  if [ ! -f "$build/build.ninja" ]; then
    meson setup "$build" "$root" --buildtype=debug -Dtests=disabled >"$build.log" 2>&1 ||
      { cat "$build.log" >&2; return 1; }
  fi
  # The first build takes minutes: on a terminal one sees how far it is, in a log only how it ended.
  if [ -t 1 ]; then
    ninja -C "$build"
  else
    ninja -C "$build" >"$build.log" 2>&1 || { tail -n 80 "$build.log" >&2; return 1; }
    tail -n 1 "$build.log"
  fi
}

start_fleet() {
  local build=$1 work_dir=$2 workers=$3 slots=$4 n
  for n in broker/millrace-broker worker/millrace-worker tools/zmqctl; do
    [ -x "$build/$n" ] || { echo "${0##*/}: $build has no $n; build it first" >&2; return 1; }
  done
  scratch=$(mktemp -d "${TMPDIR:-/tmp}/millrace-fleet.XXXXXX")
  trap end_fleet EXIT
  trap 'exit 130' INT TERM
  fleet_member broker "$build/broker/millrace-broker" --port 0 --data-dir "$scratch/data" \
    --ready-file "$scratch/endpoint" --expect-workers "$workers"
  # The broker writes its endpoint when it is ready to be dialled.
  for ((n = 0; n < 300; ++n)); do
    [ -s "$scratch/endpoint" ] && break
    kill -0 "${fleet[0]}" 2>/dev/null || { echo "${0##*/}: the broker did not start" >&2; return 1; }
    sleep 0.1
  done
  ORCHESTRATOR_URL=$(cat "$scratch/endpoint")
  export ORCHESTRATOR_URL
  for ((n = 1; n <= workers; ++n)); do
    fleet_member "worker-$n" "$build/worker/millrace-worker" --worker-id "worker-$n" --slots "$slots" \
      --work-dir "$work_dir" --state-dir "$scratch/state"
  done
  timeout 60 "$build/tools/zmqctl" workers --wait-for "$workers"
}

# A session of its own: Ctrl-C is for the run, which it cancels, and the fleet is still needed to do that.
fleet_member() {
  local name=$1
  shift
  setsid "$@" >"$scratch/$name.log" 2>&1 </dev/null &
  fleet+=($!)
}

# Asks; asks again, which stops running modules at once; then insists.
stop_fleet() {
  local signal n
  for signal in TERM TERM KILL; do
    kill -s "$signal" "${fleet[@]}" 2>/dev/null || return 0
    for ((n = 0; n < 50; ++n)); do
      kill -0 "${fleet[@]}" 2>/dev/null || return 0
      sleep 0.1
    done
  done
}

end_fleet() {
  local status=$?
  trap - EXIT
  trap '' INT TERM
  [ ${#fleet[@]} = 0 ] || stop_fleet
  if [ "$status" != 0 ]; then
    echo "${0##*/}: failed; the fleet's last words:" >&2
    tail -n 20 "$scratch"/*.log >&2 || true
  fi
  rm -rf "$scratch"
  exit "$status"
}
