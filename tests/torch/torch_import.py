#!/usr/bin/env python3
"""Compares imported models with an independent forward pass of fairseq's language models.

    tests/torch/torch_import.py POSLAB FOLDER      (in the repository)

Makes checkpoints as fairseq writes them, of small models with random weights, converts them with fairseq_convert.py and
imports them with POSLAB in FOLDER. Computes the losses at several lengths in float64, from fairseq's tensors, its
dictionary and the text, and compares them with those of `poslab eval`, also under a variant. No code is shared with the
program. Exits with 1 if a loss differs by more than the rounding of float32 allows.
"""
import argparse
import json
import os
import random
import sqlite3
import subprocess
import sys

import torch
import torch.nn.functional as F
from fairseq_convert import convert

torch.set_num_threads(1)
WIDTH, HEADS, FFN, LAYERS, WORDS, FACTOR, L, TOLERANCE = 32, 4, 48, 2, 100, 4, 16, 1e-6
CASES = {  # of each model: method, cutoffs (None: one embedding), final norm
    "alibi": ("alibi", [20, 60], False),
    "sinusoidal": ("sinusoidal", [20, 60], False),
    "one-band": ("alibi", [], False),
    "plain": ("sinusoidal", None, True),
}


# ---- the checkpoint ---------------------------------------------------------------------------------------------

def bands(cutoffs):
    ends = [0, *cutoffs, WORDS]
    return [(first, end, WIDTH // FACTOR ** b) for b, (first, end) in enumerate(zip(ends, ends[1:]))]


def checkpoint(cutoffs, final_norm):
    """The state of fairseq's model: tied tensors appear under both names, and there are buffers."""
    draw = lambda *shape: torch.randn(*shape) / shape[-1] ** 0.5
    norm = lambda: {"weight": 1 + 0.3 * torch.randn(WIDTH), "bias": 0.3 * torch.randn(WIDTH)}
    linear = lambda out, columns: {"weight": 1.5 * draw(out, columns), "bias": 0.3 * torch.randn(out)}
    parts, w = {}, {"version": torch.tensor([3.0]), "embed_positions._float_tensor": torch.zeros(1)}
    for layer in range(LAYERS):
        for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
            parts[f"layers.{layer}.self_attn.{name}"] = linear(WIDTH, WIDTH)
        parts |= {f"layers.{layer}.self_attn_layer_norm": norm(), f"layers.{layer}.final_layer_norm": norm(),
                  f"layers.{layer}.fc1": linear(FFN, WIDTH), f"layers.{layer}.fc2": linear(WIDTH, FFN)}
    if final_norm:
        parts["layer_norm"] = norm()
    w |= {f"{part}.{name}": tensor for part, tensors in parts.items() for name, tensor in tensors.items()}
    if cutoffs is None:
        w["embed_tokens.weight"] = w["output_projection.weight"] = draw(WORDS, WIDTH)
    else:
        for b, (first, end, width) in enumerate(bands(cutoffs)):
            w[f"embed_tokens.embeddings.{b}.0.weight"] = draw(end - first, width)
            w[f"embed_tokens.embeddings.{b}.1.weight"] = draw(WIDTH, width)
            if b:
                for i in (0, 2):
                    w[f"adaptive_softmax.tail.{b - 1}.{i}.weight"] = w[f"embed_tokens.embeddings.{b}.{1 - i // 2}.weight"]
        w["adaptive_softmax.head.word_proj.weight"] = w["embed_tokens.embeddings.0.0.weight"]
        if cutoffs:
            w["adaptive_softmax.head.class_proj.weight"] = draw(len(cutoffs), WIDTH)
        w |= {"embed_tokens._float_tensor": torch.zeros(1), "adaptive_softmax.buf": torch.zeros(1)}
    return {"args": argparse.Namespace(arch="transformer_lm"), "model": {f"decoder.{k}": v for k, v in w.items()}}


# ---- the forward pass -------------------------------------------------------------------------------------------

def embedded(w, cutoffs, ids):
    if cutoffs is None:
        return w["embed_tokens.weight"][ids]
    x = torch.zeros(len(ids), WIDTH, dtype=torch.float64)
    for b, (first, end, _) in enumerate(bands(cutoffs)):
        here = (ids >= first) & (ids < end)
        x[here] = w[f"embed_tokens.embeddings.{b}.0.weight"][ids[here] - first] @ w[f"embed_tokens.embeddings.{b}.1.weight"].T
    return x


def log_probabilities(w, cutoffs, h):
    """Of all words, [T, WORDS]."""
    if cutoffs is None:
        return F.log_softmax(h @ w["embed_tokens.weight"].T, -1)
    head = h @ w["embed_tokens.embeddings.0.0.weight"].T
    if cutoffs:
        head = torch.cat([head, h @ w["adaptive_softmax.head.class_proj.weight"].T], -1)
    head = F.log_softmax(head, -1)
    size = head.shape[1] - len(cutoffs)
    parts = [head[:, :size]]
    for b in range(1, len(cutoffs) + 1):
        tail = h @ w[f"adaptive_softmax.tail.{b - 1}.0.weight"] @ w[f"adaptive_softmax.tail.{b - 1}.2.weight"].T
        parts.append(head[:, size + b - 1, None] + F.log_softmax(tail, -1))
    return torch.cat(parts, -1)


def loss(w, method, cutoffs, final_norm, ids, targets, window=None):
    t = torch.arange(len(ids), dtype=torch.float64)
    norm = lambda x, name: F.layer_norm(x, (WIDTH,), w[f"{name}.weight"], w[f"{name}.bias"], 1e-5)
    linear = lambda x, name: x @ w[f"{name}.weight"].T + w[f"{name}.bias"]
    x = WIDTH ** 0.5 * embedded(w, cutoffs, ids)
    if method == "sinusoidal":
        angles = (t[:, None] + 2) * torch.exp(-torch.arange(WIDTH // 2).double() / (WIDTH // 2 - 1) * torch.log(torch.tensor(1e4).double()))
        x = x + torch.cat([angles.sin(), angles.cos()], -1)
    distance = t[:, None] - t[None, :]
    hidden = (distance < 0) | (distance >= (window or len(ids)))
    for layer in range(LAYERS):
        name = f"layers.{layer}"
        y = norm(x, f"{name}.self_attn_layer_norm")
        q, k, v = (linear(y, f"{name}.self_attn.{p}_proj").view(-1, HEADS, WIDTH // HEADS).transpose(0, 1) for p in "qkv")
        scores = (q * (WIDTH // HEADS) ** -0.5) @ k.transpose(1, 2)
        if method == "alibi":
            scores = scores - torch.tensor([2 ** (-8 * (h + 1) / HEADS) for h in range(HEADS)])[:, None, None] * distance
        mixed = scores.masked_fill(hidden, float("-inf")).softmax(-1) @ v
        x = x + linear(mixed.transpose(0, 1).reshape(-1, WIDTH), f"{name}.self_attn.out_proj")
        x = x + linear(F.relu(linear(norm(x, f"{name}.final_layer_norm"), f"{name}.fc1")), f"{name}.fc2")
    h = norm(x, "layer_norm") if final_norm else x
    return -log_probabilities(w, cutoffs, h)[torch.arange(len(ids)), targets].sum().item()


# ---- the comparison ---------------------------------------------------------------------------------------------

def write_texts(folder):
    """A dictionary of 90 words by falling count, padded to 96 and four special ones, and two texts."""
    rng = random.Random(3)
    names = [f"w{i}" for i in range(90)]
    with open(f"{folder}/dict.txt", "w") as file:
        file.writelines(f"{name} {1000 - i}\n" for i, name in enumerate(names))
        file.writelines(f"madeupword{i:04d} 0\n" for i in range(6))
    for text in ("train", "valid"):
        with open(f"{folder}/{text}.txt", "w") as file:
            for _ in range(60):
                file.write(" ".join(rng.choice([*names, "unknown"]) for _ in range(rng.randrange(12))) + "\n")
    known = {name: 4 + i for i, name in enumerate(names)}
    with open(f"{folder}/valid.txt") as file:
        return torch.tensor([i for line in file for i in [*(known.get(word, 3) for word in line.split()), 2]])


def config(name, folder):
    method, cutoffs, final_norm = CASES[name]
    model = {"layers": LAYERS, "heads": HEADS, "width": WIDTH, "ffn": FFN, "final_norm": final_norm}
    if cutoffs is not None:
        model["adaptive"] = {"cutoffs": cutoffs, "factor": FACTOR}
    return {"name": name, "model": model, "method": method,
            "data": {"files": [f"{folder}/train.txt"], "valid_files": [f"{folder}/valid.txt"], "tokenizer": "words",
                     "vocabulary": f"{folder}/dict.txt", "split": {"test": 0}},
            "train": {"length": L, "tokens_per_step": L, "tokens": L},
            "evaluate": {"split": "valid", "multiples": [1, 2, 8]}}


def main():
    program, folder = map(os.path.abspath, sys.argv[1:3])
    os.makedirs(folder)
    torch.manual_seed(1)
    tokens, failed = write_texts(folder), 0
    for name, (method, cutoffs, final_norm) in CASES.items():
        base = f"{folder}/{name}"
        state = checkpoint(cutoffs, final_norm)
        torch.save(state, f"{base}.pt")
        convert(f"{base}.pt", f"{base}.safetensors")
        with open(f"{base}.json", "w") as file:
            json.dump(config(name, folder), file)
        variant = '{"name": "window", "attention": {"window": 9}}'
        for command in (["import", f"{base}.json", f"{base}.safetensors", "--db", f"{base}.db"],
                        ["eval", f"{base}.db", "-q", "--variant", variant]):
            subprocess.run([program, *command], check=True, stdout=subprocess.DEVNULL)
        w = {key[len("decoder."):]: tensor.double() for key, tensor in state["model"].items()}
        rows = sqlite3.connect(f"{base}.db").execute("SELECT variant, length, tokens, nll_sum FROM evaluation ORDER BY id").fetchall()
        assert len(rows) == 6, rows
        for changed, length, count, nll in rows:
            assert count == len(tokens) - 1
            ours = sum(loss(w, method, cutoffs, final_norm, tokens[at : min(at + length, count)],
                            tokens[at + 1 : min(at + length, count) + 1], 9 if changed else None)
                       for at in range(0, count, length))
            bad = abs(ours / nll - 1) > TOLERANCE
            failed += bad
            print(f"{name:12s} {changed or '-':8s} {length:4d}  {nll / count:8.4f} {abs(ours / nll - 1):8.1e}{'  <-- DIFFERS' * bad}")
    print(f"{failed} losses differ" if failed else "all agree")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
