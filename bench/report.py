"""The table and the plot of bench/compare."""
import html
import os
import statistics

CORES = sorted(os.sched_getaffinity(0))
COLOURS = {"nginx": "#4c78a8", "haproxy": "#72b7b2", "kamailio": "#e45756", "sipward": "#54a24b"}
ROW, BAR, LEFT, WIDTH = 22, 16, 190, 640


def values(results, cell, name):
    return [r["value"] for r in results.get((cell.name, name), []) if r["value"] is not None and not r["errors"]]


def ratio(results, cell, name):
    """Median of the ratios to nginx in the same run; None: one of them is missing."""
    pairs = [a["value"] / b["value"] for a, b in zip(results.get((cell.name, name), []), results.get((cell.name, "nginx"), []))
             if a["value"] is not None and b["value"] and not a["errors"] and not b["errors"]]
    return statistics.median(pairs) if pairs else None


def figure(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def described(results, cell, name):
    """Median (ratio to nginx), least-most."""
    runs = results.get((cell.name, name), [])
    got = values(results, cell, name)
    if not got:
        return "failed" if runs else "-"
    times = ratio(results, cell, name)
    marks = ("*" if any(r["unlike"] for r in runs) else "") + ("†" if any(r["load_was_the_limit"] for r in runs) else "")
    told = f" ({times:.2f})" if times else ""
    spread = f", {figure(min(got))}-{figure(max(got))}" if len(got) > 1 else ""
    return f"**{figure(statistics.median(got))}**{marks}{told}{spread}"


def table(results, cells, peers, about):
    lines = [about + " Each: **median** (ratio to nginx, median of the pairs), least-most.", "",
             "| cell | unit | " + " | ".join(peers) + " |", "|---" * (len(peers) + 2) + "|"]
    for cell in cells:
        lines.append(f"| {cell.name} | {cell.unit} | " + " | ".join(described(results, cell, name) for name in peers) + " |")
    text = "\n".join(lines)
    if "*" in text.replace("**", ""):
        text += "\n\n\\* sessions were not resumed"
    if "†" in text:
        text += "\n\n† sipward-load had no time left: it was the limit, not the proxy"
    return text


def bars(results, cell, peers, top):
    """A group of horizontal bars: the ratio to nginx, with the spread of the runs as a line."""
    most = 3.0  # longer ones are cut off and say so
    out = [f'<text x="8" y="{top + ROW * len(peers) / 2 + 4}" class="cell">{html.escape(cell.name)}</text>']
    base = values(results, cell, "nginx")
    for i, name in enumerate(peers):
        got = values(results, cell, name)
        if not got or not base:
            continue
        unit = statistics.median(base)
        x = [LEFT + WIDTH * min(v / unit, most) / most for v in (statistics.median(got), min(got), max(got))]
        y = top + i * ROW + 2
        text = f"{figure(statistics.median(got))} {cell.unit} ({statistics.median(got) / unit:.2f})"
        out.append(f'<rect x="{LEFT}" y="{y}" width="{x[0] - LEFT:.1f}" height="{BAR}" fill="{COLOURS[name]}"/>'
                   f'<line x1="{x[1]:.1f}" x2="{x[2]:.1f}" y1="{y + BAR / 2}" y2="{y + BAR / 2}" class="spread"/>'
                   f'<text x="{max(x[0], x[2]) + 6:.1f}" y="{y + 12}">{html.escape(text)}</text>')
    return out


def plot(results, cells, peers, about):
    """A self-contained SVG: for each cell and proxy its ratio to nginx; shorter is better."""
    cells = [c for c in cells if values(results, c, "nginx")]
    group = ROW * len(peers) + 14
    height = 64 + group * len(cells)
    x1 = LEFT + WIDTH / 3
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 230} {height}" font-family="sans-serif" font-size="12">',
           "<title>sipward beside other proxies: cost relative to nginx</title>",
           "<style>text{fill:#222}.cell{font-weight:bold}.spread{stroke:#222;stroke-width:2}.one{stroke:#888;stroke-dasharray:4 3}"
           "@media(prefers-color-scheme:dark){text{fill:#ddd}.spread{stroke:#ddd}svg{background:#1c1c1c}}</style>",
           f'<text x="8" y="18">{html.escape(about)} Relative to nginx (dashed); shorter is better.</text>']
    for i, name in enumerate(peers):
        out.append(f'<rect x="{8 + i * 110}" y="30" width="12" height="12" fill="{COLOURS[name]}"/><text x="{26 + i * 110}" y="41">{name}</text>')
    for i, cell in enumerate(cells):
        out += bars(results, cell, peers, 60 + i * group)
    out.append(f'<line x1="{x1}" x2="{x1}" y1="52" y2="{height - 8}" class="one"/></svg>')
    return "\n".join(out) + "\n"
