#!/usr/bin/env python3
"""Draws docs/kinds.svg, what `zocalo bench` says of every kind of socket: runs it
a few times (9, or as many as the argument says) and takes the best of each
figure, which other work on the machine has disturbed least. Needs the command on PATH:

    go build -o /tmp/bin/zocalo ./cmd/zocalo && PATH=/tmp/bin:$PATH docs/kinds.py
"""
import html
import json
import math
import os
import subprocess
import sys

LABEL, PANEL, GAP, ROW, TOP = 120, 330, 70, 22, 56
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#bbb"


def main():
    runs = [json.loads(subprocess.run(["zocalo", "bench", "--json", "-q"], check=True, stdout=subprocess.PIPE).stdout)
            for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 9)]
    rows = []
    for kinds in zip(*(r["kinds"] for r in runs)):
        if "copy_rate" in kinds[0]:
            rows.append((kinds[0]["kind"], 8 * max(k["copy_rate"] for k in kinds), None, None))
        elif "reason" not in kinds[0]:
            rows.append((kinds[0]["kind"], max(map(throughput, kinds)), *(min(percentile(k, p) for k in kinds) for p in (50, 99))))
    machine, count = runs[0]["machine"], len(runs)
    note = (f"zocalo bench, both ends in one process, the best of {count} runs of 300 ms on a shared machine; {machine['system']} {machine['kernel']}, "
            f"{machine['processors']} processors {machine['processor']}, {machine['go']}")
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "kinds.svg"), "w") as svg:
        draw(svg, rows, note)


def throughput(kind):
    traffic = kind["stream"]["far"]["received"]
    return 8 * traffic["bytes"] / max(traffic["elapsed_ns"], 1) * 1e9


def percentile(kind, percent):
    return kind["round_trip"]["latency"]["percentiles"].get(f"p{percent}", math.inf) / 1e9  # of few samples there is none


def draw(svg, rows, note):
    width, height = LABEL + 2 * PANEL + GAP + 100, TOP + len(rows) * ROW + 50
    svg.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" font-family="sans-serif" font-size="12">\n')
    svg.write(f'<rect width="{width}" height="{height}" rx="8" fill="white"/>\n')
    for i, row in enumerate(rows):
        text(svg, LABEL - 10, line(i), row[0], "end")
    panel(svg, LABEL, "Throughput", [r[1:2] for r in rows], 1e8, 1e12, rate)
    panel(svg, LABEL + PANEL + GAP, "Round trip of 64 bytes: median (in figures) to 99th percentile",
          [r[2:4] for r in rows], 1e-6, 1e-2, duration)
    text(svg, 16, height - 14, note, colour="#666", size=10)
    svg.write("</svg>\n")


def panel(svg, left, title, values, low, high, show):
    """A row of points for each value, on a logarithmic axis from low to high."""
    def x(value):
        return left + PANEL * math.log(value / low) / math.log(high / low)

    bottom = TOP + len(values) * ROW
    text(svg, left, 18, title, size=12, weight="bold")
    for decade in range(round(math.log10(high / low)) + 1):
        at = low * 10 ** decade
        svg.write(f'<path d="M{x(at):.1f} {TOP - 6}V{bottom}" stroke="#ddd"/>\n')
        text(svg, x(at), TOP - 12, show(at), "middle", "#666", 10)
    for i, points in enumerate(values):
        if None in points:
            text(svg, left, line(i), "a message is no more than a copy there", colour="#999", size=10)
            continue
        y = line(i) - 4
        svg.write(f'<path d="M{x(points[0]):.1f} {y}H{x(points[-1]):.1f}" stroke="{GREY}" stroke-width="3"/>\n')
        for value, colour in zip(points, (BLUE, ORANGE)):
            svg.write(f'<circle cx="{x(value):.1f}" cy="{y}" r="4.5" fill="{colour}"/>\n')
        text(svg, x(max(points)) + 9, line(i), show(points[0]), size=10)


def line(i):
    return TOP + i * ROW + 16


def text(svg, x, y, words, anchor="start", colour="#222", size=12, weight="normal"):
    svg.write(f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}" fill="{colour}" font-size="{size}" font-weight="{weight}">{html.escape(words)}</text>\n')


def rate(value):
    return scaled(value, ((1e12, "Tbit/s"), (1e9, "Gbit/s"), (1e6, "Mbit/s")))


def duration(value):
    return scaled(value, ((1e-3, "ms"), (1e-6, "µs")))


def scaled(value, units):
    unit, name = next(((u, n) for u, n in units if value >= u * 0.999), units[-1])
    return f"{value / unit:.3g} {name}"


if __name__ == "__main__":
    sys.exit(main())
