#!/usr/bin/env python3
"""Compares models that are trained on tasks with the independent implementation of torch_check.py.

    tests/torch/torch_tasks.py POSLAB FOLDER      (in the repository)

Trains tiny models with POSLAB in FOLDER. From the exported batches: the mean loss over the scored targets and the norm
of its gradient in the first updates. From the rows of `poslab tasks --rows`, with the trained weights: the sum of
losses, the targets that are the most likely token, and the examples of which all targets are, for each size and for
the rows of hints. Losses are relative to their sum, or to one nat for each target if that is more: float32 rounds
logits, not the small losses of targets that are nearly certain. A target whose logits differ by less than float32
resolves may count either way. Exits with 1 if a number differs by more than the rounding of float32 allows.
"""
import json
import os
import sqlite3
import subprocess
import sys

import torch
import torch.nn.functional as F
from torch_check import LOSS, MODEL, NLL, NORM, acting, load, logits, trained

IGNORED, EXAMPLES, TIE = 65535, 60, 1e-5
ANY = ["rotary", "alibi", {"name": "t5", "init_deviation": 0.5}, "none"]
CASES = {  # data.task, model.attention, methods, training length, sizes of evaluation, hints of evaluation
    "copy": ({"size": [1, 6], "letters": 5}, {}, ANY, 14, [3, 6, 9], []),
    "addition": ({"size": [1, 3], "order": "reversed"}, {"scale": "log_learned"}, ANY, 16, [1, 3, 5], []),
    "sort": ({"size": [2, 5], "numbers": 9, "hint": {"name": "successor", "share": 0.5}}, {}, ANY, 13, [4, 8],
             ["successor", "fill"]),
    "mqar": ({"size": [1, 4], "symbols": 16, "spread": 5}, {"window": 9}, ANY, 20, [2, 6], []),
    "state": ({"size": [1, 8], "group": "S3", "each": False}, {"top_k": 30}, ANY, 9, [8, 12], []),
    "flip_flop": ({"size": [2, 7]}, {"scale": "log_n"}, ANY, 14, [7, 20], []),
    "multiplication": ({"size": [1, 2], "positions": "coupled", "max_start": 9}, {}, ["rotary", "pia"], 16, [2, 3], []),
}


def config(name):
    task, attention, methods, length, sizes, _ = CASES[name]
    there = [m for m in methods if os.path.exists(f"methods/{m if isinstance(m, str) else m['name']}.c")]
    return {"name": name, "data": {"task": {"name": name, **task}}, "model": {**MODEL, "attention": attention},
            "train": {"length": length, "tokens": 4000 * length, "tokens_per_step": 20 * length,
                      "optimizer": {"lr": 4e-3}},
            "evaluate": {"task": {"sizes": sizes, "examples": EXAMPLES}}, "sweep": {"method": there}}


def of_rows(w, run, m, o, tokens, positions):
    """Logits; rows that have positions of their own one by one."""
    of = lambda ids, at: logits(w, run["model"], m, o, ids, run["train"]["length"], at)
    if positions is None:
        return of(tokens, None)
    return torch.cat([of(ids[None], at.double()) for ids, at in zip(tokens, positions)])


def masked_loss(w, run, m, o, batch):
    tokens, targets, *positions = batch.unbind(1)
    out = of_rows(w, run, m, o, tokens, positions[0] if positions else None)
    return F.cross_entropy(out.flatten(0, 1), targets.flatten(), ignore_index=IGNORED)


def stacked(tensors):
    """[rows, 2 or 3, T]: tokens, targets and positions."""
    parts = [tensors["batches"][:, :-1], tensors["targets"], *([tensors["positions"]] if "positions" in tensors else [])]
    return torch.stack(parts, 1)


def examples(program, task, size, hint):
    """The rows of an evaluation, padded: tokens, targets and positions."""
    sets = [x for key, value in task.items() if key != "name" for x in ("--set", f"{key}={json.dumps(value)}")]
    more = ["--hint", hint] if hint != "test" else []
    run = [program, "tasks", task["name"], "--rows", "--examples", str(EXAMPLES), "--size", str(size), *more, *sets]
    rows = [json.loads(line) for line in subprocess.run(run, check=True, stdout=subprocess.PIPE).stdout.splitlines()]
    length = max(len(row["targets"]) for row in rows)
    padded = lambda key, fill: torch.tensor([
        ([fill if x is None else x for x in row[key]] + [fill] * length)[:length] for row in rows])
    return padded("tokens", 0), padded("targets", IGNORED), padded("positions", 0) if "positions" in rows[0] else None


def evaluated(w, run, tokens, targets, positions):
    """The sum of losses; the least and the most of: targets that are right, examples that are."""
    m, o = acting(run["method"])
    out = of_rows(w, run, m, o, tokens, positions)
    nll = F.cross_entropy(out.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum").item()
    scored = targets != IGNORED
    own = out.gather(-1, targets.where(scored, torch.zeros_like(targets))[..., None])
    others = out.scatter(-1, targets.where(scored, torch.zeros_like(targets))[..., None], -torch.inf).amax(-1)
    ahead = own[..., 0] - others
    right = [ahead > TIE, ahead > -TIE]
    return nll, [(r & scored).sum().item() for r in right], [(r | ~scored).all(1).sum().item() for r in right]


def main():
    program, folder, failed = os.path.abspath(sys.argv[1]), sys.argv[2], 0
    os.makedirs(folder, exist_ok=True)
    print(f"{'tasks: largest relative deviations of':60s} {'nll':>8s} {'loss':>8s} {'gradient':>8s}  exact of examples")
    for name, case in CASES.items():
        path, db = f"{folder}/{name}.json", f"{folder}/{name}.db"
        with open(path, "w") as file:
            json.dump(config(name), file)
        subprocess.run([program, "run", "-q", "-j", "2", "--db", db, path], check=True, stdout=subprocess.DEVNULL)
        for hint in case[-1]:
            subprocess.run([program, "eval", db, "-q", "--hint", hint], check=True, stdout=subprocess.DEVNULL)
        query = lambda sql, *values: sqlite3.connect(db).execute(sql, values).fetchall()
        for key, label, text in query("SELECT key, label, config FROM run ORDER BY rowid"):
            run = json.loads(text)
            export = lambda *what: (subprocess.run([program, "export", *what, db, key, f"{folder}/x.st"], check=True),
                                    load(f"{folder}/x.st"))[1]
            logged = {s: rest for s, *rest in query("SELECT step, loss, rate, norm FROM train_log WHERE run = ?", key)}
            (loss, norm), updates = trained(export("--initial"), run, stacked(export("--batches", "5")).chunk(5), logged, masked_loss)
            w, worst, exact, count, wrong = export(), 0, 0, 0, []
            for split, size, nll, tokens, right, whole in query(
                    "SELECT e.split, size, nll, a.tokens, tokens_right, exact FROM accuracy a JOIN evaluation e"
                    " ON e.id = a.evaluation WHERE run_key = ?", key):
                rows = examples(program, run["data"]["task"], size, split)
                ours, (least, most), (few, many) = evaluated(w, run, *rows)
                if tokens != (rows[1] != IGNORED).sum() or not least <= right <= most or not few <= whole <= many:
                    wrong.append(f"{split} {size}: {right} targets and {whole} examples, not {least} and {few}")
                worst, exact, count = max(worst, abs(ours - nll) / max(nll, tokens)), exact + whole, count + EXAMPLES
            bad = bool(wrong) or worst > NLL or loss > LOSS or norm > NORM or updates < 5 or not count
            print(f"{name + ', ' + label:60s} {worst:8.1e} {loss:8.1e} {norm:8.1e}  {exact} of {count}"
                  f"{'  <-- DIFFERS ' + '; '.join(wrong) if bad else ''}", flush=True)
            failed += bad
    print(f"{failed} cases differ" if failed else "all agree")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
