#!/usr/bin/env python3
"""The loaders of `poslab export --loader` reproduce the perplexities in the database.

    tests/torch/torch_loader.py POSLAB FOLDER      (in the repository)

Trains tiny models in FOLDER and imports their loaders; the loader of the first run of a method also runs as a program.
Exits with 1 if a perplexity differs by more than a share of 1e-4, or if one is missing.
"""
import glob
import importlib.util
import json
import os
import sqlite3
import subprocess
import sys

ALLOWED = 1e-4
METHODS = {
    "none": [{}], "sinusoidal": [{}, {"layout": "original", "base": 500}],
    "rotary": [{}, {"pairs": "half", "fraction": 0.5}, {"fraction": 0}],
    "t5": [{"init_deviation": 0.5}, {"init_deviation": 0.5, "scaled": True, "buckets": 12, "max_distance": 40}],
    "alibi": [{}, {"trainable": True}, {"shape": "exponential", "max_exponent": 5}]}
MODELS = [{}, {"activation": "gelu", "final_norm": False}, {"activation": "swiglu", "heads": 6}]


def main():
    program, folder, failed, rows = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), 0, 0
    programs = set()
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/text.txt", "w") as file:
        file.write("".join(open(path).read() for path in sorted(glob.glob("src/*/*.h"))))
    there = {m: o for m, o in METHODS.items() if os.path.exists(f"methods/{m}.c")}
    config = {
        "name": "loader", "data": {"files": [f"{folder}/text.txt"]},
        "train": {"length": 32, "tokens": 51200, "tokens_per_step": 256, "optimizer": {"lr": 4e-3}},
        "evaluate": {"tokens": 2100, "multiples": [1, 1.5, 4]},
        "sweep": {"method": [{"name": m, **o} for m, options in there.items() for o in options],
                  "model": [{"layers": 2, "heads": 4, "width": 48, "ffn": 64, **m} for m in MODELS]}}
    with open(f"{folder}/loader.json", "w") as file:
        json.dump(config, file)
    db = f"{folder}/loader.db"
    subprocess.run([program, "run", "-q", "-j", "2", "--db", db, f"{folder}/loader.json"], check=True,
                   stdout=subprocess.DEVNULL)
    query = lambda sql, *values: sqlite3.connect(db).execute(sql, values).fetchall()
    for key, label, text in query("SELECT key, label, config FROM run ORDER BY rowid"):
        subprocess.run([program, "export", "--loader", db, key, f"{folder}/{key}.safetensors"], check=True)
        subprocess.run([program, "export", "--tokens", "valid", db, key, f"{folder}/tokens"], check=True)
        spec = importlib.util.spec_from_file_location("loader", f"{folder}/{key}.py")
        loader = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loader)
        model, tokens = loader.load(), loader.read_safetensors(f"{folder}/tokens")["tokens"].long()
        worst, method = 0, json.loads(text)["method"]["name"]
        for length, count, perplexity in query("SELECT length, tokens, exp(nll_sum / tokens) FROM evaluation"
                                               " WHERE run = ? AND status = 'done'", key):
            ours = [loader.perplexity(model, tokens, length, count)]
            if method not in programs:
                programs.add(method)
                command = [sys.executable, f"{folder}/{key}.py", f"{folder}/tokens", str(length), str(count)]
                ours.append(float(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
            worst, rows = max(worst, *(abs(x / perplexity - 1) for x in ours)), rows + 1
        changed = {k: v for k, v in json.loads(text)["model"].items() if k in ("activation", "final_norm", "heads")}
        failed += worst > ALLOWED
        print(f"{label:40s} {worst:8.1e}  {json.dumps(changed)}{'  <-- DIFFERS' * (worst > ALLOWED)}", flush=True)
    expected = 3 * len(MODELS) * sum(map(len, there.values()))
    if rows != expected:
        print(f"{rows} perplexities were compared instead of {expected}")
    sys.exit(1 if failed or rows != expected else 0)


if __name__ == "__main__":
    main()
