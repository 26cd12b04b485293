"""A flame graph from what perf script says: the wider a box, the more samples had that function on their stack."""

import html
from collections import Counter

WIDTH, ROW, LEAST = 1600, 17, 0.3  # pixels; boxes narrower than the last are left out
COLOURS = {"kernel": "#e0a060", "nghttp2": "#80b0e0", "ssl": "#b090d0", "crypto": "#b090d0", "libc": "#a0a0a0", "libuv": "#90c890"}


def fold(script):
    """Counter of stacks, outermost function first, from `perf script -F comm,ip,sym,dso`."""
    stacks, frames = Counter(), []
    for line in script.splitlines() + [""]:
        if not line.strip():
            if frames:
                stacks[tuple(reversed(frames))] += 1
            frames = []
        elif line[0].isspace():
            words = line.split()
            dso = words[-1].strip("()").rsplit("/", 1)[-1]
            frames.append((" ".join(words[1:-1]).split("+")[0] or "?", dso))
    return stacks


def colour(dso):
    return next((shade for word, shade in COLOURS.items() if word in dso), "#e0d070")


def tree_of(stacks):
    root = [0, {}]
    for stack, n in stacks.items():
        node = root
        node[0] += n
        for frame in stack:
            node = node[1].setdefault(frame, [0, {}])
            node[0] += n
    return root


def boxes(node, x, depth, scale, found):
    for (name, dso), child in sorted(node[1].items()):
        width = child[0] * scale
        if width >= LEAST:
            found.append((x, depth, width, name, dso, child[0]))
            boxes(child, x, depth + 1, scale, found)
        x += width


def draw(stacks, title):
    root = tree_of(stacks)
    found = []
    if root[0]:
        boxes(root, 0, 0, WIDTH / root[0], found)
    height = (max((box[1] for box in found), default=0) + 3) * ROW
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="monospace" font-size="11">',
           f'<rect width="100%" height="100%" fill="white"/><text x="4" y="13">{html.escape(title)}, {root[0]} samples</text>']
    for x, depth, width, name, dso, n in found:
        y = height - (depth + 1) * ROW
        label = name[:int(width / 6.8)] if width > 20 else ""
        out.append(f'<g><title>{html.escape(name)} ({html.escape(dso)}) {100 * n / root[0]:.1f} %</title>'
                   f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW - 1}" fill="{colour(dso)}"/>'
                   f'<text x="{x + 2:.1f}" y="{y + 12}">{html.escape(label)}</text></g>')
    return "\n".join(out + ["</svg>"]) + "\n"
