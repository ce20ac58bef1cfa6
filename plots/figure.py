# figure.py: draws the figure that FIGURE describes with matplotlib: python3 THIS.py [OUTPUT]
#
# `poslab plot --script` writes FIGURE, the description of one figure, before a copy of this program, next to the
# data. Edit the copy freely. FIGURE has the variables that the templates for gnuplot get (plots/curves.gp documents
# them); lists are counted from 1. Block i of the data file is line i: x, mean, deviation, lowest, highest, seeds.
import math
import os
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

MARKERS = ["o", "s", "^", "D", "v", "s", "o", "^"]
HOLLOW = 5  # markers from here on are outlines
DASHES = ["-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)), (0, (3, 1.5, 1, 1.5, 1, 1.5))]


def read_blocks(path):
    blocks = []
    with open(path, encoding="utf-8") as file:
        for block in file.read().split("\n\n\n"):
            rows = [line.split() for line in block.splitlines() if line and not line.startswith("#")]
            blocks.append([[float(number) for number in row] for row in rows])
    return blocks


def draw_line(axes, line, rows):
    x, mean, _, low, high, seeds = zip(*rows)
    marker = line["line_marker"] - 1
    name = FIGURE["entries"][line["entry"] - 1]["entry_text"] if FIGURE["entries"] else line["name"]
    if max(seeds) > 1:
        axes.fill_between(x, low, high, color=line["line_colour"], alpha=0.18, linewidth=0)
    axes.plot(x, mean, color=line["line_colour"], linestyle=DASHES[line["line_dash"] - 1], linewidth=1.5,
              marker=MARKERS[marker] if len(x) <= 40 else None, markersize=4,
              markerfacecolor="none" if marker >= HOLLOW else line["line_colour"], label=name)


def draw_panel(axes, panel):
    if FIGURE["xbase"]:
        axes.set_xscale("log", base=FIGURE["xbase"])
    if FIGURE["ylog"]:
        axes.set_yscale("log")
        low, high = panel["ymin"], panel["ymax"]
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        steps = (1, 2, 5) if high < 1e4 * low else (1,)
        axes.set_yticks([step * 10.0**decade for decade in decades for step in steps])
        axes.yaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    for axis in axes.xaxis, axes.yaxis:
        axis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
    axes.set(xlim=(panel["xmin"], panel["xmax"]), ylim=(panel["ymin"], panel["ymax"]))
    axes.grid(color="#D0D0D0", linewidth=0.5)
    axes.set(title=panel["panel_title"], xlabel=FIGURE["xlabel"], ylabel=FIGURE["ylabel"])
    if panel["trained"] > 1 and panel["mark"]:
        axes.axvline(panel["mark"], color="#444444", linestyle=":", linewidth=1)


def main():
    folder = os.path.dirname(os.path.abspath(__file__))
    columns, panels = FIGURE["columns"], FIGURE["panels"]
    rows = -(-len(panels) // columns)
    height = FIGURE["height"] or 0.7 * FIGURE["width"] / columns * rows + 0.7
    plt.rcParams.update({"font.size": FIGURE["font_size"], "axes.titlesize": FIGURE["font_size"],
                         "axes.spines.top": False, "axes.spines.right": False})
    if FIGURE["font_name"]:
        plt.rcParams["font.family"] = FIGURE["font_name"]
    figure, grid = plt.subplots(rows, columns, figsize=(FIGURE["width"], height), squeeze=False, layout="constrained")
    blocks = read_blocks(os.path.join(folder, FIGURE["data"]))
    for axes, panel in zip(grid.flat, panels):
        for i in range(panel["first"] - 1, panel["last"]):
            draw_line(axes, FIGURE["lines"][i], blocks[i])
        for mark in FIGURE["marks"]:
            if panel["first"] <= mark["mark_line"] <= panel["last"]:
                colour = FIGURE["lines"][mark["mark_line"] - 1]["line_colour"]
                axes.plot(mark["mark_x"], mark["mark_y"], color=colour, linestyle="", marker="+", markersize=9)
        draw_panel(axes, panel)
    for axes in grid.flat[len(panels):]:
        axes.set_visible(False)
    figure.suptitle(FIGURE["title"])
    handles = {label: handle for axes in grid.flat for handle, label in zip(*axes.get_legend_handles_labels())}
    if FIGURE["legend"] != "off":
        place = "outside lower center" if FIGURE["legend"] == "bottom" else "outside right center"
        widest = max(len(label) for label in handles) * 0.6 + 5
        fit = max(1, int(FIGURE["width"] * 72 / (widest * FIGURE["font_size"])))
        figure.legend(handles.values(), handles.keys(), loc=place, frameon=False,
                      ncols=fit if FIGURE["legend"] == "bottom" else 1)
    figure.savefig(sys.argv[1] if len(sys.argv) > 1 else os.path.splitext(os.path.abspath(__file__))[0] + "-plt.pdf")


main()
