# SPDX-License-Identifier: Apache-2.0
"""Plots as inline SVG: samples on a line, bars, curves. Colours are those of the page's style sheet."""

import html
import math

from harness.figures import median, numbers

WIDTH = 640
LABEL = 300  # of it, for names at the left
ROW = 22


def short(value):
    """A number as people read it: 148,579; 0.871; 12.3; 1.2e-05."""
    if value is None or math.isnan(value):
        return "–"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 100:
        return f"{value:.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.3g}"


def _svg(height, title, content):
    return (f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" '
            f'aria-label="{html.escape(title)}">{content}</svg>')


def _text(x, y, text, anchor="start", kind=""):
    kind = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{html.escape(text)}</text>'


def strips(series, title):
    """Each of {name: samples} on a line of its own, from 0 to its largest: a dot a round, a bar at the median."""
    rows = []
    for index, (name, samples) in enumerate(series.items()):
        values, y = numbers(samples), ROW * index + ROW / 2
        rows.append(_text(LABEL - 8, y + 4, name.replace("_", " "), "end"))
        if not values:
            rows.append(_text(LABEL, y + 4, "–"))
            continue
        most = max(values) or 1
        scale = (WIDTH - LABEL - 90) / most
        rows.append(f'<line class="rail" x1="{LABEL}" x2="{LABEL + most * scale:.1f}" y1="{y}" y2="{y}"/>')
        rows += [f'<circle class="dot" cx="{LABEL + value * scale:.1f}" cy="{y}" r="3"><title>{short(value)}</title>'
                 "</circle>" for value in values]
        middle = LABEL + median(values) * scale
        rows.append(f'<line class="mark" x1="{middle:.1f}" x2="{middle:.1f}" y1="{y - 7}" y2="{y + 7}"/>')
        rows.append(_text(WIDTH - 4, y + 4, short(median(values)), "end", "value"))
    return _svg(ROW * len(series) + 4, title, "".join(rows))


def bars(values, title, ours=()):
    """Bars {name: value} from the longest to the shortest; those in `ours` stand out."""
    ordered = sorted(values.items(), key=lambda item: -item[1])
    most = max(values.values(), default=0) or 1
    rows = []
    for index, (name, value) in enumerate(ordered):
        y, length = ROW * index, (WIDTH - LABEL - 90) * value / most
        rows.append(_text(LABEL - 8, y + 15, name, "end"))
        rows.append(f'<rect class="{"ours" if name in ours else "bar"}" x="{LABEL}" y="{y + 4}" width="{length:.1f}" '
                    f'height="{ROW - 8}"/>')
        rows.append(_text(LABEL + length + 6, y + 15, short(value), kind="value"))
    return _svg(ROW * len(values) + 4, title, "".join(rows))


def curves(lines, title, x_name, level):
    """Points {name: [(x, y), ...]}, y from 0 to 1, over a logarithmic x, with a line at `level`."""
    height, left, bottom = 260, 40, 224
    points = [(x, y) for line in lines.values() for x, y in line if x and x > 0 and y is not None]
    if not points:
        return ""
    low, high = math.log10(min(x for x, _ in points)), math.log10(max(x for x, _ in points))
    wide = max(high - low, 0.1)

    def at(x, y):
        return left + (WIDTH - left - 130) * (math.log10(x) - low) / wide, bottom - 200 * min(max(y, 0), 1)
    rows = [f'<line class="rail" x1="{left}" x2="{WIDTH - 130}" y1="{bottom}" y2="{bottom}"/>',
            f'<line class="level" x1="{left}" x2="{WIDTH - 130}" y1="{bottom - 200 * level}" '
            f'y2="{bottom - 200 * level}"/>',
            _text(left - 6, bottom + 4, "0", "end"), _text(left - 6, bottom - 196, "1", "end"),
            _text(left - 6, bottom - 200 * level + 4, f"{level:g}", "end"),
            _text((WIDTH - 90) / 2, height - 4, x_name, "middle")]
    for power in range(math.floor(low), math.ceil(high) + 1):
        if low <= power <= high:
            x, _ = at(10 ** power, 0)
            rows.append(f'<line class="rail" x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 4}"/>')
            rows.append(_text(x, bottom + 17, f"{10 ** power:,.10g}", "middle"))
    for index, (name, line) in enumerate(lines.items()):
        for x, y in line:
            if x and x > 0 and y is not None:
                across, up = at(x, y)
                rows.append(f'<circle class="line{index % 5}" cx="{across:.1f}" cy="{up:.1f}" r="3"/>')
        rows.append(f'<circle class="line{index % 5}" cx="{WIDTH - 118}" cy="{20 + 18 * index}" r="4"/>')
        rows.append(_text(WIDTH - 108, 24 + 18 * index, name))
    return _svg(height, title, "".join(rows))
