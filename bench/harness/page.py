# SPDX-License-Identifier: Apache-2.0
"""A report as one page of HTML that needs nothing else: no script, no network."""

import html

from harness import plot, targets
from harness.cases import CASES
from harness.figures import median

STYLE = """
:root { color-scheme: light dark; --ink: #1c2126; --soft: #5d6772; --line: #d5dae0; --back: #ffffff; --good: #1a7f37;
  --bad: #b42318; --own: #1f5fbf; --other: #9aa5b1; --l1: #c2571a; --l2: #1a7f37; --l3: #8a3ffc; --l4: #0b7c86; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --soft: #9aa5b1; --line: #3a424b; --back: #14181c;
  --good: #57c777; --bad: #ff8a80; --own: #6ea8ff; --other: #65707c; --l1: #ff9b5c; --l2: #57c777; --l3: #b99cff;
  --l4: #4fd0dc; } }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--back); max-width: 60em;
  margin: 2em auto; padding: 0 1em; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2em; } .soft, caption { color: var(--soft); }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .25em .7em .25em 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.met, .better { color: var(--good); } .missed, .worse, .failed { color: var(--bad); }
svg { max-width: 100%; height: auto; display: block; margin: .6em 0; } svg text { font-size: 12px; fill: var(--ink); }
svg text.value { fill: var(--soft); } .rail { stroke: var(--line); } .level { stroke: var(--soft);
  stroke-dasharray: 4 3; } .mark { stroke: var(--own); stroke-width: 2; } .dot { fill: var(--other); }
.bar { fill: var(--other); } .ours { fill: var(--own); } .line0 { fill: var(--own); } .line1 { fill: var(--l1); }
.line2 { fill: var(--l2); } .line3 { fill: var(--l3); } .line4 { fill: var(--l4); }
"""

# Case -> the kind of peers that do the same, and how its own series are called among them.
BESIDE = {
    "commands": ("commands", {"commands_per_second": "Millrace", "bare_commands_per_second": "bare posix_spawn loop"}),
    "map": ("tasks", {"in_process_tasks_per_second": "Millrace", "sync_tasks_per_second": "Millrace, journal synced",
                      "isolated_tasks_per_second": "Millrace, in child processes",
                      "keys_tasks_per_second": "Millrace, with keys"}),
}


def _cell(value, kind=""):
    kind = f' class="{kind}"' if kind else ""
    return f"<td{kind}>{html.escape(str(value))}</td>"


def _table(head, rows):
    titles = "".join(f"<th>{html.escape(title)}</th>" for title in head)
    return f'<div class="wide"><table><tr>{titles}</tr>{"".join(f"<tr>{row}</tr>" for row in rows)}</table></div>'


def plus_minus(part):
    return "" if part is None else f"± {100 * part:.0f} %"


def _targets(report):
    rows = []
    for row in targets.judge_all(report):
        rows.append(_cell(row["name"]) + _cell(row["what"]) + _cell(row["bound"], "number")
                    + _cell(plot.short(row["measured"]), "number") + _cell(plus_minus(row["spread"]), "number")
                    + _cell(row["verdict"], row["verdict"].split()[0].strip(",")))
    return "<h2>Targets</h2>" + _table(("", "what", "target", "measured", "noise", ""), rows)


def _peers(report, kind, ours):
    """Bars of who was there, and a sentence on who was not."""
    values = dict(ours)
    notes = []
    for peer in report.get("peers", {}).get(kind, []):
        if "samples" in peer:
            values[peer["name"]] = median(peer["samples"])
        elif "error" in peer:
            notes.append(f"{peer['name']} failed: {peer['error']}")
        else:
            notes.append(f"{peer['name']} is not installed ({peer['install']})")
    said = f'<p class="soft">{html.escape("; ".join(notes))}.</p>' if notes else ""
    shown = "a second" if kind == "tasks" else "runs of /bin/true a second"
    bars = plot.bars(values, f"{kind} a second", set(ours)) if values else ""
    return f"<h3>Beside others: {kind}, {shown}</h3>{bars}{said}"


def _case(report, name, case):
    known = CASES.get(name)
    title = f"<h2>{html.escape(name)}</h2>" + (f'<p class="soft">{html.escape(known.summary)}</p>' if known else "")
    if "error" in case:
        return f'{title}<p class="failed">Failed: {html.escape(case["error"])}</p>'
    sizes = ", ".join(f"{key} {value:,}" if isinstance(value, int) else f"{key} {value}"
                      for key, value in case["parameters"].items())
    parts = [title, f'<p class="soft">{html.escape(sizes)}</p>', plot.strips(case["samples"], f"samples of {name}")]
    if "curves" in case:
        title = f"efficiency in {name}"
        parts.append(plot.curves(case["curves"], title, "microseconds of a processor for a task", 0.5))
    if name in BESIDE:
        kind, series = BESIDE[name]
        figures = {label: case["figures"].get(figure) for figure, label in series.items()}
        parts.append(_peers(report, kind, {label: value for label, value in figures.items() if value is not None}))
    return "".join(parts)


def _comparison(moves, notes):
    moved = [move for move in moves if move.verdict != "alike"]
    rows = [_cell(f"{move.case}: {move.series.replace('_', ' ')}") + _cell(plot.short(move.before), "number")
            + _cell(plot.short(move.after), "number") + _cell(f"{100 * move.change:+.0f} %", "number")
            + _cell(move.verdict, move.verdict) for move in moved]
    said = f"<p>{len(moved)} of {len(moves)} series moved beyond the noise.</p>"
    remarks = "".join(f'<p class="soft">{html.escape(note)}</p>' for note in notes)
    table = _table(("series", "before", "now", "change", ""), rows) if rows else ""
    return f"<h2>Against the baseline</h2>{said}{table}{remarks}"


def render(report, comparison=None):
    """`comparison`: what figures.compare gives."""
    machine = report["machine"]
    facts = (f"Millrace {report['version']}, {report['started']}; {machine['processors']} × {machine['processor']}, "
             f"{machine['memory_mib']:,} MiB, {machine['system']}, Linux {machine['kernel']}. Meanwhile others used "
             f"{machine.get('others_percent', 0):g} % of its processors, and {machine.get('stolen_percent', 0):g} % "
             "were stolen from it.")
    warning = ("<p><strong>Small sizes</strong> (--quick): these figures show that it runs, and nothing else.</p>"
               if report["quick"] else "")
    parts = [f"<h1>Benchmarks of Millrace</h1><p>{html.escape(facts)}</p>{warning}",
             '<p class="soft">Ratios compare what was measured in turns in one run. Figures are medians; noise is half '
             "the distance between the least and the largest sample. A dot is a round, a bar the median.</p>",
             _targets(report)]
    if comparison:
        parts.append(_comparison(*comparison))
    parts += [_case(report, name, case) for name, case in report["cases"].items()]
    return ('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Benchmarks of Millrace</title>'
            f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head><body>'
            + "\n".join(parts) + "</body></html>\n")
