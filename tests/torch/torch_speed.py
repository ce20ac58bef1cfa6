#!/usr/bin/env python3
"""Compares the speed at which PyTorch and poslab train the same model, in alternating rounds.

    tests/torch/torch_speed.py POSLAB FOLDER [ROUNDS]      (in the repository, on an idle machine)

R1 has 4 layers of width 128, ffn 512, T = 128, 4,096 tokens an update; R2 6 layers of width 256, ffn 1024, T = 512,
8,192 tokens an update; both 8 heads, 256 tokens, no position method. PyTorch gets float32, its own AdamW over all
tensors at once, one projection for queries, keys and values, and micro-batches of the size at which it is fastest. Prints the medians of tokens/s, of wall time, for one thread and two, and the median of the rounds' ratios.
"""
import json
import statistics
import subprocess
import sys
import time

import torch
import torch.nn.functional as F

MODELS = {"R1": dict(layers=4, width=128, ffn=512, length=128, step=4096),
          "R2": dict(layers=6, width=256, ffn=1024, length=512, step=8192)}
HEADS, VOCABULARY = 8, 256


class Block(torch.nn.Module):
    def __init__(self, width, ffn, length):
        super().__init__()
        self.norm1, self.norm2 = torch.nn.LayerNorm(width), torch.nn.LayerNorm(width)
        self.qkv, self.out = torch.nn.Linear(width, 3 * width), torch.nn.Linear(width, width)
        self.up, self.down = torch.nn.Linear(width, ffn), torch.nn.Linear(ffn, width)
        self.register_buffer("mask", torch.full((length, length), float("-inf")).triu(1))

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, t, 3, HEADS, c // HEADS).permute(2, 0, 3, 1, 4).reshape(
            3, b * HEADS, t, c // HEADS)
        scores = torch.baddbmm(self.mask, q, k.transpose(1, 2), alpha=(c // HEADS) ** -0.5)
        mixed = torch.bmm(scores.softmax(-1), v).view(b, HEADS, t, c // HEADS).transpose(1, 2).reshape(b, t, c)
        x = x + self.out(mixed)
        return x + self.down(F.relu(self.up(self.norm2(x))))


class Model(torch.nn.Module):
    def __init__(self, layers, width, ffn, length, step):
        super().__init__()
        self.scale, self.length, self.step = width ** 0.5, length, step
        self.embedding = torch.nn.Parameter(torch.randn(VOCABULARY, width) / width ** 0.5)
        self.blocks = torch.nn.ModuleList([Block(width, ffn, length) for _ in range(layers)])
        self.norm = torch.nn.LayerNorm(width)
        self.optimizer = torch.optim.AdamW(self.parameters(), lr=1e-3, foreach=True)
        self.tokens = torch.randint(VOCABULARY, (step // length, length + 1))

    def update(self, micro):
        self.optimizer.zero_grad(set_to_none=True)
        for tokens in self.tokens.split(micro):
            x = F.embedding(tokens[:, :-1], self.embedding) * self.scale
            for block in self.blocks:
                x = block(x)
            logits = F.linear(self.norm(x), self.embedding)
            loss = F.cross_entropy(logits.view(-1, VOCABULARY), tokens[:, 1:].reshape(-1))
            (loss * len(tokens) / len(self.tokens)).backward()
        torch.nn.utils.clip_grad_norm_(self.parameters(), 1.0)
        self.optimizer.step()

    def rate(self, micro, seconds):
        """Tokens/s, measured over at least `seconds`."""
        start, updates = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            self.update(micro)
            updates += 1
        return updates * self.step / (time.perf_counter() - start)


def ours(poslab, config, threads):
    out = subprocess.run([poslab, "bench", config, "--methods", "none", "--phase", "train", "--rounds", "3", "--json",
                          "--threads", str(threads)], check=True, capture_output=True, text=True).stdout
    return json.loads(out)["figures"][0]["tokens_per_second"]


def main():
    poslab, folder, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 7
    print(f"PyTorch {torch.__version__}; medians of {rounds} rounds")
    for name, shape in MODELS.items():
        config = f"{folder}/{name}.json"
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"name": name, "method": "none", "data": {"files": ["data/perl/*.txt"], "tokenizer": "bytes"},
                       "model": {"layers": shape["layers"], "heads": HEADS, "width": shape["width"],
                                 "ffn": shape["ffn"]},
                       "train": {"length": shape["length"], "tokens": shape["step"],
                                 "tokens_per_step": shape["step"]}}, file)
        model = Model(**shape)
        for threads in (1, 2):
            torch.set_num_threads(threads)
            sequences = len(model.tokens)
            micros = [m for m in (1, 2, 4, 8, 16, 32) if m <= sequences]
            micro = max(micros, key=lambda m: model.rate(m, 1.5))
            pairs = [(ours(poslab, config, threads), model.rate(micro, 3)) for _ in range(rounds)]
            print(f"{name}, {threads} thread{'s' if threads > 1 else ''}: poslab "
                  f"{statistics.median(a for a, _ in pairs):,.0f} tokens/s, PyTorch "
                  f"{statistics.median(b for _, b in pairs):,.0f} (micro-batches of {micro}), ratio "
                  f"{statistics.median(a / b for a, b in pairs):.2f}", flush=True)


if __name__ == "__main__":
    main()
