#!/usr/bin/env python3
"""Compares every method with an independent implementation in PyTorch, from the papers and their authors' code.

    tests/torch/torch_check.py POSLAB FOLDER [LABEL...]      (in the repository; LABEL: only cases whose label contains it)

Trains tiny models with POSLAB in FOLDER, exports their weights and tokens, and computes in float64, by autograd: the
losses of the evaluations, and loss and norm of the gradient of the first updates. No code is shared with the program. Prints the largest relative deviation of each case and exits with 1 if one is
larger than the rounding of float32 allows. With top_k, updates are compared up to the first one in which the k-th
score and the next differ by less than float32 resolves. For methods that draw positions, evaluation is compared if
it is deterministic, and training must differ from that without drawing.
"""
import fnmatch
import glob
import json
import math
import os
import sqlite3
import struct
import subprocess
import sys

import torch
import torch.nn.functional as F

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
UPDATES, NLL, LOSS, NORM = 5, 1e-6, 1e-6, 1e-5  # number of updates; the largest deviations allowed
DRAWS = ("cape", "shape", "randomised", "rfs")
EQUAL, NEAR = 1e-12, 3e-6  # scores that differ by less than EQUAL are equal; by less than NEAR, float32 may order them differently
undecided = []  # gaps between the k-th score and the next one that are between EQUAL and NEAR

METHODS = [
    "none", "sinusoidal", {"name": "sinusoidal", "layout": "original"}, "scaled_sinusoidal", "pia", "pi", "ntk",
    {"name": "learned", "beyond": "clamp"}, {"name": "learned", "beyond": "interpolate"}, "rotary",
    {"name": "learned", "rows": 128}, {"name": "rotary", "pairs": "half", "fraction": 0.5, "base": 500}, "p_rope",
    {"name": "p_rope", "p": 0.5, "pairs": "half"}, "xpos", {"name": "xpos", "scale_base": 64, "gamma": 0.2},
    {"name": "pi", "factor": 2}, {"name": "ntk", "factor": 2}, "dynamic_ntk", {"name": "dynamic_ntk", "alpha": 3},
    "ntk_parts", {"name": "ntk_parts", "factor": 3, "beta_fast": 4, "beta_slow": 0.5}, "yarn",
    {"name": "yarn", "factor": 3, "beta_fast": 4, "pairs": "half"}, "llama3",
    {"name": "llama3", "factor": 8, "low": 0.1}, "longrope",
    {"name": "longrope", "factors": "1,1.5,2.5,6", "unscaled": 9, "factor": 4}, "rerope",
    {"name": "rerope", "window": 8, "pairs": "half"},
    "t5", {"name": "t5", "scaled": True, "init_deviation": 0.5, "buckets": 12, "max_distance": 40},
    "alibi", {"name": "alibi", "trainable": True}, {"name": "alibi", "shape": "exponential"},
    {"name": "alibi", "trainable": True, "shape": "exponential", "max_exponent": 5},
    "kerple", {"name": "kerple", "kind": "power"}, {"name": "kerple", "per_layer": True},
    "sandwich", {"name": "sandwich", "size": 16}, "cpb", {"name": "cpb", "distance": "linear", "hidden": 12},
    "fire", {"name": "fire", "threshold": 8, "per_layer": True}, "dape", {"name": "dape", "bias": "alibi"},
    "cope", {"name": "cope", "positions": 6}, "shaw", {"name": "shaw", "clip": 5, "values": False},
    "transformer_xl", {"name": "transformer_xl", "clamp": 20, "init_deviation": 0.2},
    "fox", {"name": "fox", "span_low": 1.4427, "span_high": 1.4427},
    "cape", {"name": "cape", "centred": True}, "shape", {"name": "shape", "evaluation_shift": 7},
    {"name": "shape", "with": "rotary"}, "randomised", "stick_breaking", "self_extend",
    {"name": "self_extend", "window": 5, "group": 3, "pairs": "half"}, {"name": "fope", "learned": True}, "hope",
    {"name": "rotary", "resonance": True}, {"name": "yarn", "factor": 3, "resonance": True}, "nape", "hard_alibi",
    {"name": "hard_alibi", "local": 3}, "bounded_alibi", {"name": "bounded_alibi", "slopes": True, "by_head": True},
    {"name": "bounded_alibi", "fixed_bound": 2}, "bam", {"name": "bam", "start": "constant", "shape": 0.7}, "dape_v2",
    "grape_a", "wavelet", {"name": "wavelet", "scales": 3}, "rfs", "pope", {"name": "pope", "start": "uniform", "base": 500},
    "carope", "selective_rope", "row_alibi",
    "relative_projection", {"name": "relative_projection", "curves": 5, "distances": 40}, "grape_ap",
    {"name": "grape_ap", "absolute": True, "size": 4}, "wall", "path_attention",
    {"name": "path_attention", "forget": True}]
MIXED = ["rotary", "rerope", "alibi", "t5", "shaw", "transformer_xl", "fire", "fox", "cope", "pope", "dape"]  # dape does not support sinks
ATTENTION = [
    {"window": 12}, {"window": 24, "sinks": 3}, {"top_k": 5}, {"scale": "log_n"}, {"temperature": 1.3},
    {"scale": "llama4", "scale_floor": 10, "scale_coefficient": 0.5}, {"scale": "log_learned"}, {"nope_every": 2},
    {"nope_every": 2, "scale": "log_learned", "scale_layers": "nope"},
    {"nope_every": 2, "window": 9, "window_layers": "nope", "scale": "log_n", "scale_layers": "position"},
    {"nope_every": 2, "window": 9, "sinks": 2, "scale": "llama4", "scale_floor": 4, "scale_layers": "nope"},
    {"sink_logit": "by_head", "window": 12, "temperature": 1.3}, {"sink_logit": "by_head", "nope_every": 2},
    {"output_gate": "head", "window": 24, "sinks": 3}, {"output_gate": "element"},
    {"sink_logit": "zero", "top_k": 5}, {"scale": "by_head", "window": 24, "sinks": 3},
    {"scale": "ssmax", "scale_start": 0.3}, {"scale": "ssmax", "scale_log": "n_plus_1", "top_k": 5},
    {"scale": "asentmax", "scale_log": "n_plus_1", "nope_every": 2, "scale_layers": "nope"}]
VARIANTS = [
    "pi", {"name": "pi", "factor": 4}, "ntk", "dynamic_ntk", "ntk_parts", "yarn", {"name": "yarn", "factor": 4},
    "rerope", {"name": "rerope", "window": 24}, "llama3", "longrope",
    {"name": "longrope", "preset": "uniform", "unscaled": 0}]
MODEL = {"layers": 2, "heads": 4, "width": 32, "ffn": 64, "activation": "gelu"}  # not relu, which has a kink


def name_of(method):
    return method if isinstance(method, str) else method["name"]


def config(name, methods, **changes):
    return {"name": name, "model": {**MODEL, **changes.get("model", {})},
            "train": {"length": 32, "tokens": 76800, "tokens_per_step": 256, "optimizer": {"lr": 4e-3},
                      **changes.get("train", {})},
            "evaluate": {"tokens": 2100, "multiples": [1, 1.5, 4], **changes.get("evaluate", {})},
            "sweep": {"method": [m for m in methods if os.path.exists(f"methods/{name_of(m)}.c")]}}


def configs():
    yield config("methods", METHODS)
    yield config("heads", ["alibi", "sandwich"], model={"heads": 6, "width": 48})
    yield config("stages", ["rotary", "alibi", "t5", "pi", "yarn", "learned"],  # updates 1 and 2, 3 and 4, then 5
                 model={"attention": {"scale": "log_n"}},
                 train={"stages": [{"length": 8, "share": 0.006}, {"length": 16, "share": 0.006}]})
    for block, place, state in ((1, "middle", "copy"), (1, "last", "reset"), (2, "split", "copy"), (2, "middle", "reset")):
        yield config(f"growth{block}{place}", ["rotary", {"name": "kerple", "per_layer": True}, "t5", "learned"],
                     model={"layers": 4 * block},  # five updates in all: 1, 2, 3 and 4, 5 blocks
                     train={"tokens": 5 * 256, "growth": {"block": block, "alpha": 1, "place": place, "state": state}})
    parent, later = {"method": "rotary"}, [{"name": "pi", "factor": 4}, {"name": "ntk", "factor": 4}, "rotary", "none",
                                           {"name": "yarn", "factor": 4, "beta_fast": 128, "beta_slow": 4}]
    run = config("continued", [parent["method"]])
    if run["sweep"]["method"]:
        blocks = [{"method": config("", later)["sweep"]["method"], "train.length": [128], "train.from": [parent],
                   "train.frozen": [[], ["layers.*.ffn.*", "norm.*"]]}]
        yield {**run, "sweep": [*blocks, run["sweep"]]}
    yield config("relu", ["rotary"], model={"activation": "relu", "final_norm": False})
    for i, cutoffs in enumerate([[100, 110], [], [60]]):  # as fairseq trains, without dropout
        yield config(f"adaptive{i}", ["sinusoidal", "alibi", "rotary", "t5", "shape"],
                     model={"adaptive": {"cutoffs": cutoffs, "factor": 4}, "init": "fairseq", "final_norm": i > 0},
                     train={"optimizer": {"name": "nag", "lr": 1, "momentum": 0.99, "decay": 0.01 * i, "clip": 0.1,
                                          "clip_eps": 1e-6},
                            "schedule": {"warmup": 0.02, "floor": 1e-4, "warmup_init": 1e-7, "first": 0}})
    yield config("swiglu", ["t5"], model={"activation": "swiglu"})
    for i, attention in enumerate(ATTENTION):
        yield config(f"attention{i}", MIXED[: -1 if "sinks" in attention else None], model={"attention": attention})
    there = [m for m in VARIANTS if os.path.exists(f"methods/{name_of(m)}.c")]
    named = [{"name": f"v{i}", "method": {"name": m} if isinstance(m, str) else m} for i, m in enumerate(there)]
    named.append({"name": "window", "attention": {"window": 24, "sinks": 4, "scale": "log_n"}})
    named.append({"name": "softmax plus one", "attention": {"sink_logit": "zero"}})
    named.append({"name": "adaptive", "attention": {"adaptive_temperature": True}})
    named.append({"name": "adaptive window", "attention": {"adaptive_temperature": True, "window": 12, "temperature": 0.7}})
    yield config("variants", ["rotary"], evaluate={"variants": named})


# ---- the methods ------------------------------------------------------------------------------------------------

def sinusoids(t, size, kind, base=10000.0):
    """[T,size]. fairseq: exponent over size/2-1; halves: over size/2; both with all sines first."""
    i = torch.arange(size // 2)
    a = t[:, None] * base ** (-i / (size // 2 - 1.0) if kind == "fairseq" else -2.0 * i / size)
    halves = torch.stack([a.sin(), a.cos()], -1 if kind == "original" else 1)
    return halves.flatten(1)


def slopes(heads, exponent=8.0):
    """get_slopes of github.com/ofirpress/attention_with_linear_biases."""
    power = 2 ** int(math.log2(heads))
    geometric = [2 ** (-exponent * (h + 1) / power) for h in range(power)]
    rest = slopes(2 * power, exponent)[0::2][: heads - power] if power < heads else torch.zeros(0)
    return torch.cat([torch.tensor(geometric), rest])


def buckets(d, n, far):
    """_relative_position_bucket of mesh_tensorflow and transformers, causal."""
    exact = n // 2
    steps = torch.log(d.clamp(min=1) / exact) / math.log(far / exact) * (n - exact)
    return torch.where(d < exact, d, (exact + (steps + 1e-9).floor()).clamp(max=n - 1)).long()


def frequencies(m, o, n, train, length):
    """The angle per position of each pair, and the factor of cosines and sines:
    transformers, modeling_rope_utils.py; github.com/jquesnelle/yarn; github.com/microsoft/LongRoPE."""
    i, base = torch.arange(n // 2), o["base"]
    f, s = base ** (-2.0 * i / n), o.get("factor") or max(1.0, length / train)
    if m == "p_rope":
        return torch.where(i < int(o["p"] * (n // 2)), f, 0.0 * f), 1.0
    if m == "hope":
        return torch.where(train * f >= 2 * math.pi, f, 0.0 * f), 1.0
    if m == "pi":
        return f / s, 1.0
    if m == "ntk":
        return (base * s ** (n / (n - 2))) ** (-2.0 * i / n), 1.0
    if m == "dynamic_ntk":
        s = o["alpha"] * max(length, train) / train - (o["alpha"] - 1)
        return (base * s ** (n / (n - 2))) ** (-2.0 * i / n), 1.0
    turns = train * f / (2 * math.pi)
    if m == "ntk_parts":
        keep = ((turns - o["beta_slow"]) / (o["beta_fast"] - o["beta_slow"])).clamp(0, 1)
        return (1 - keep) * f / s + keep * f, 1.0
    if m == "yarn":
        where = lambda r: n * math.log(train / (r * 2 * math.pi)) / (2 * math.log(base))
        low, high = max(math.floor(where(o["beta_fast"])), 0), min(math.ceil(where(o["beta_slow"])), n - 1)
        ramp = ((i - low) / (high - low + (0.001 if low == high else 0))).clamp(0, 1)
        return f / s * ramp + f * (1 - ramp), o["attention"] * math.log(s) + 1
    if m == "llama3":
        smooth = (turns - o["low"]) / (o["high"] - o["low"])
        between = (1 - smooth) * f / s + smooth * f
        return torch.where(turns < o["low"], f / s, torch.where(turns > o["high"], f, between)), 1.0
    if m == "longrope" and s > 1:
        divide = torch.tensor([float(x) for x in o["factors"].split(",")]) if o["factors"] else \
            torch.full((n // 2,), s) if o["preset"] == "uniform" else s ** (i / (n / 2 - 1))
        return f / divide, o["attention"] or math.sqrt(1 + math.log(s) / math.log(train))
    return f, 1.0


def turned(z, t, m, o, train, length, key=False):
    """z[B,H,T,D] with row r rotated to position t[r]."""
    n = round(o.get("fraction", 1) * z.shape[-1])
    f, amplitude = frequencies(m, o, n, train, length)
    if o.get("resonance"):  # resonance_rope
        f = 2 * math.pi / (2 * math.pi / f).round()
    a, by = t[:, None] * f, torch.full((len(t), 1), amplitude)
    if m == "longrope":  # the first positions have the embeddings of the trained model
        first = t[:, None] < o["unscaled"]
        a = torch.where(first, t[:, None] * frequencies("rotary", o, n, train, length)[0], a)
        by = torch.where(first, torch.ones_like(by), by)
    if m == "xpos":  # torchscale, without its centring, which cancels
        zeta = (2.0 * torch.arange(n // 2) + o["gamma"] * n) / (n + o["gamma"] * n)
        by = zeta ** ((-t if key else t)[:, None] / o["scale_base"])
    c, s, x = a.cos() * by, a.sin() * by, z[..., :n]
    if o["pairs"] == "half":
        p, q = x[..., : n // 2], x[..., n // 2:]
        y = torch.cat([p * c - q * s, p * s + q * c], -1)
    else:
        p, q = x[..., 0::2], x[..., 1::2]
        y = torch.stack([p * c - q * s, p * s + q * c], -1).flatten(-2)
    return torch.cat([y, z[..., n:]], -1)


def distance_bias(m, o, p, d, heads, size, train):
    """[H,...] from distances d[...], with the method's tensors p; None if the method has no bias."""
    shaped = lambda v: v.view([-1] + [1] * d.dim())
    if m == "alibi" or m == "dape" and o["bias"] == "alibi":
        by = -shaped(p["slope"] if o.get("trainable") else slopes(heads, o.get("max_exponent", 8.0))) * d
        return by.exp() - 1 if o.get("shape") == "exponential" else by
    if m in ("kerple", "dape", "dape_v2"):
        a, e = shaped(p["a"]), shaped(p["p"])
        power = o.get("kind") == "power"
        return -a * torch.where(d > 0, d.clamp(min=1) ** e, 0.0 * d) if power else -e * torch.log(1 + a * d)
    if m == "nape":  # asentmax, get_nape_slopes
        return -shaped(torch.tensor([1 / h if 2 * h <= heads + 1 else 0.0 for h in range(1, heads + 1)])) * d
    if m == "hard_alibi":
        h = shaped(torch.arange(1, heads + 1))
        return torch.where((h <= (o["local"] or (heads + 1) // 2)) & (d >= h), -1e30, 0.0)
    if m == "bounded_alibi":  # meliad
        own = p["slope"] if o["slopes"] else p["scale"] * 2.0 ** (-8 * torch.arange(1, heads + 1) / heads)
        bound = torch.tensor([o["fixed_bound"]]) if o["fixed_bound"] else p["bound"].flatten()
        return torch.maximum(-shaped(own.abs()) * d, -shaped(bound.abs()))
    if m == "bam":
        return -((d + 1e-5) ** shaped(p["a"])) * shaped(p["b"]).exp()
    if m == "t5":
        times = math.sqrt(size) if o["scaled"] else 1
        return p["bias"][buckets(d, o["buckets"], o["max_distance"])].movedim(-1, 0) * times
    if m == "sandwich":
        k = torch.arange(1, o["size"] // 2 + 1)
        sums = (d[..., None] / o["base"] ** (2 * k / o["size"])).cos().sum(-1)
        return (sums - o["size"] / 2) / shaped(torch.arange(1, heads + 1) * 8 / heads)
    if m == "cpb":
        u = torch.log(1 + d) if o["distance"] == "logarithmic" else d / train
        return (F.silu(u[..., None] * p["in_weight"] + p["in_bias"]) @ p["out_weight"].T + p["out_bias"]).movedim(-1, 0)
    return None


def fire(o, p, i, d, train):
    psi = lambda x: torch.log((p["c"] * x).abs() + 1)
    threshold = (p["multiplier"] * (o["threshold"] or train)).abs()
    x = psi(d) / (psi(torch.maximum(i, threshold)) + 1e-6)
    return (F.relu(x[..., None] * p["in_weight"] + p["in_bias"]) @ p["out_weight"].T + p["out_bias"]).movedim(-1, 0)


def cope(p, q, s, visible):
    """DAPE's positional_embeddings.py, as the listing in the appendix of the paper."""
    counts = (s.sigmoid() * visible).flip(-1).cumsum(-1).flip(-1).clamp(max=len(p["embedding"]) - 1)
    low, high = counts.floor().long(), counts.ceil().long()
    e, w = q @ p["embedding"].T, counts - counts.floor()
    return s + e.gather(-1, high) * w + e.gather(-1, low) * (1 - w)


def fourier(o, p, t, x, train):
    """The authors' FourierEmbedding with fourier_ignore_zero, fourier_separate_basis and fourier_separate_head."""
    heads, size = x.shape[1], x.shape[-1]
    f = o["base"] ** (-2.0 * torch.arange(size // 2) / size)
    a = t[:, None] * f[f >= 2 * math.pi / train]
    mixed = lambda w, c: F.pad(torch.einsum("tm,hmc->htc", w, c.view(heads, a.shape[1], -1)),
                               (0, size // 2 - c.shape[-1]), value=1.0).repeat(1, 1, 2)
    turned_half = torch.cat([-x[..., size // 2:], x[..., : size // 2]], -1)
    return x * mixed(a.cos(), p["cosines"]) + turned_half * mixed(a.sin(), p["sines"])


def convolved(p, x, taps):
    """A low-rank map and fla's ShortConvolution: causal, for each number on its own."""
    z = (x @ p["inner"].T @ p["outer"].T).transpose(1, 2)
    return F.conv1d(F.pad(z, (taps - 1, 0)), p["convolution"][:, None], groups=z.shape[1]).transpose(1, 2)


def angles(m, o, p, y, heads, size):
    """[B,H,T,D/2]: what CARoPE and Selective RoPE accumulate; the sums of increments of each position."""
    b, length, _ = y.shape
    if m == "carope":
        f = 1 / (F.softplus(y @ p["frequency_weight"].T + p["frequency_bias"], threshold=100) + 1)
        return (f[..., None] ** torch.arange(size // 2)).transpose(1, 2).cumsum(2)
    unit = y.view(b, length, heads, size)
    unit = unit / (unit.pow(2).sum(-1, keepdim=True) + 1e-6).sqrt()
    phi = convolved(p, unit.flatten(2), 4).view(b, length, heads, size // 2).transpose(1, 2)
    return o["temperature"] / o["base"] ** (2.0 * torch.arange(size // 2) / size) * phi.cumsum(2)


def row_gates(m, o, p, y, heads):
    """PerRowDataDependentAlibi of x-transformers; the bias of llama-mha-grape-ap-v1."""
    b, length, n = y.shape[0], y.shape[1], o["size"]
    split = lambda w: (y @ w.T).view(b, length, heads, n).transpose(1, 2)
    if m == "row_alibi":
        z = split(p["query_weight"]) @ split(p["key_weight"]).transpose(-1, -2) / math.sqrt(n)
        return F.logsigmoid(z).tril(-1).flip(-1).cumsum(-1).flip(-1)
    given, t = split(p["projection"]), torch.arange(length, dtype=torch.float64)[:, None]
    normed = given / (given.pow(2).mean(-1, keepdim=True) + 2.0 ** -23).sqrt()
    one, other = normed[..., : n // 2], normed[..., n // 2:]
    turned = torch.cat([one * t.cos() + other * t.sin(), other * t.cos() - one * t.sin()], -1)
    z = (given if o["absolute"] else turned) @ turned.transpose(-1, -2) / n
    gates = (F.logsigmoid(z) * slopes(heads)[:, None, None]).tril()
    return gates.sum(-1, keepdim=True) - gates.cumsum(-1)


def path(o, p, y, q, k):
    """Decoding of fla's PaTHAttention: each position transforms all earlier keys."""
    b, heads, length, size = q.shape
    w = F.silu(convolved(p, y, 3)).view(b, length, heads, size).transpose(1, 2)
    w = w / (w.pow(2).sum(-1, keepdim=True) + 1e-6).sqrt()
    beta = 2 * (y @ p["beta_weight"].T + p["beta_bias"]).sigmoid().transpose(1, 2)[..., None]
    keys, rows = k[:, :, :0], []
    for t in range(length):
        now = w[:, :, t: t + 1]
        keys = keys - beta[:, :, t: t + 1] * (keys * now).sum(-1, keepdim=True) * now
        keys = torch.cat([keys, k[:, :, t: t + 1]], 2)
        rows.append(F.pad((q[:, :, t: t + 1] @ keys.transpose(-1, -2))[:, :, 0], (0, length - t - 1)))
    s = torch.stack(rows, 2)
    if o["forget"]:
        sums = F.logsigmoid(y @ p["gate_weight"].T + p["gate_bias"]).cumsum(1).transpose(1, 2)
        s = s + sums[..., :, None] - sums[..., None, :]
    return s


def wall(p, y, q, k):
    """naive_wall_attn of fla."""
    b, heads, length, size = q.shape
    sums = F.logsigmoid(y @ p["gate_weight"].T + p["gate_bias"]).view(b, length, heads, size).transpose(1, 2).cumsum(2)
    fade = (sums[:, :, :, None] - sums[:, :, None]).clamp(max=0).exp()
    return (q[:, :, :, None] * k[:, :, None] * fade).sum(-1)


def polar(o, z, t, angle):
    """[B,H,T,2D]: complex numbers of length softplus(z), which have the angles t w_c plus those of the tensor."""
    size = z.shape[-1]
    a = t[:, None] * o["base"] ** (-torch.arange(size) / size) + angle
    return torch.cat([F.softplus(z) * a.cos(), F.softplus(z) * a.sin()], -1)


def attend(m, o, p, a, layer, y, qkv, positions, train, learnt=None, sink_logit=None):
    """out[B,T,C] of one layer; learnt: the tensors of a scale that is learnt; sink_logit: that of this option."""
    b, length, width = y.shape
    heads, has = a["heads"], not a["nope_every"] or (layer + 1) % a["nope_every"] != 0
    size, method = width // heads, m if has else "none"
    acts = lambda layers: {"all": True, "position": has, "nope": not has}[layers]
    q, k, v = [z.view(b, length, heads, size).transpose(1, 2) for z in qkv]
    row = torch.arange(length, dtype=torch.float64)
    d, visible = (row[:, None] - row).clamp(min=0), row[:, None] >= row
    if learnt is not None:
        n = (row + 1 + (a.get("scale_log", "n") == "n_plus_1")).log()[:, None]
        by = learnt["scale"][:, None, None]
        by = {"by_head": lambda: by, "ssmax": lambda: by * n, "log_learned": lambda: 1 + by * n,
              "asentmax": lambda: 1 + by * n ** learnt["scale_power"][:, None, None]}[a["scale"]]()
        q = q * by
    elif a["scale"] in ("log_n", "llama4") and acts(a["scale_layers"]):
        steps = ((row + 1) / a["scale_floor"]).floor()
        by = (row + 1).log() / math.log(train)
        by = by if a["scale"] == "log_n" else 1 + a["scale_coefficient"] * (steps + 1).log()
        q = q * by.clamp(min=1)[:, None]
    windowed = a["window"] and acts(a["window_layers"])
    stand = row.clamp(max=a["window"] + a["sinks"] - 1.0) if windowed and a["sinks"] else row
    sink = (row < a["sinks"]) & (stand < row)[:, None]  # pairs whose query has its position in the cache
    near = torch.where(sink, stand[:, None] - row, d)
    if windowed:
        visible = visible & ((row[:, None] - row < a["window"]) | (row < a["sinks"]))
    if method == "transformer_xl":
        r = sinusoids(torch.arange(length).clamp(max=o["clamp"] or length), width, "halves") @ p["projection"].T
        r = r.view(length, heads, size)[near.long()]  # [T,T,H,D]
        s = (q + p["u"][:, None]) @ k.transpose(-1, -2) + torch.einsum("bhid,ijhd->bhij", q + p["v"][:, None], r)
    elif "pairs" in o and method != "none":
        at = lambda z, t, key=False: turned(z, t, method, o, train, length, key)
        by_row = lambda t: at(q, positions + t - row) @ at(k, positions, True).transpose(-1, -2)
        s = torch.where(sink, by_row(stand), by_row(row))
        if method == "self_extend":
            w, G = max(o["window"] or train // 4, 1), o["group"]
            group = (row / G).floor()
            s = torch.where(near < w, s, at(q, group + w - w // G) @ at(k, group, True).transpose(-1, -2))
        if method == "rerope":
            w = o["window"] or train // 2
            s = torch.where(near < w, s, at(q, torch.full((length,), float(w))) @ k.transpose(-1, -2))
    elif method == "fope":
        s = fourier(o, p, positions, q, train) @ fourier(o, p, positions, k, train).transpose(-1, -2)
    elif method in ("carope", "selective_rope"):
        turn = angles(method, o, p, y, heads, size)
        halves = lambda z: (z[..., : size // 2], z[..., size // 2:])
        at = lambda one, other: torch.cat([one * turn.cos() - other * turn.sin(), one * turn.sin() + other * turn.cos()], -1)
        s = at(*halves(q)) @ at(*halves(k)).transpose(-1, -2)
    elif method in ("path_attention", "wall"):
        s = path(o, p, y, q, k) if method == "path_attention" else wall(p, y, q, k)
    elif method == "pope":
        keys = polar(o, k, positions, p["angle"].clamp(-2 * math.pi, 0)[:, None])
        by_row = lambda t: polar(o, q, positions + t - row, 0.0) @ keys.transpose(-1, -2)
        s = torch.where(sink, by_row(stand), by_row(row))
    else:
        s = q @ k.transpose(-1, -2)
    if method == "wavelet":
        c = torch.arange(size)
        u = (near[..., None] - c.div(o["scales"], rounding_mode="floor")) / 2.0 ** (c % o["scales"])
        r = 2 / (math.sqrt(3) * math.pi ** 0.25) * (1 - u * u) * (-u * u / 2).exp()
        s = s + torch.einsum("bhid,ijd->bhij", q, r)
    if method == "shaw":
        s = s + torch.einsum("bhid,ijd->bhij", q, p["key"][near.clamp(max=o["clip"]).long()])
    s = s / math.sqrt(size)
    bias = distance_bias(method, o, p, near, heads, size, train)
    if bias is not None:
        both = torch.cat([s, bias.expand(b, -1, -1, -1)], 1).permute(0, 2, 3, 1) if method == "dape" else None
        s = s + bias
        if method == "dape":
            hidden = F.leaky_relu(both @ p["in_weight"].T + p["in_bias"])
            s = s + (hidden @ p["out_weight"].T + p["out_bias"]).permute(0, 3, 1, 2)
    if method == "dape_v2":
        seen = torch.cat([s - bias, bias.expand(b, -1, -1, -1)], 1) * visible
        by_tap = lambda w, rows: w.view(3, rows, -1).permute(1, 2, 0)[:, :, None]  # as Conv2d has weights
        hidden = F.leaky_relu(F.conv2d(seen, by_tap(p["in_weight"], 32), p["in_bias"], padding=(0, 1)))
        s = s + F.conv2d(hidden, by_tap(p["out_weight"], heads), p["out_bias"], padding=(0, 1))
    if method in ("row_alibi", "grape_ap"):
        s = s + row_gates(method, o, p, y, heads)
    if method == "relative_projection":
        w = (y @ p["mix_weight"].T + p["mix_bias"]).view(b, length, heads, -1).transpose(1, 2)
        curves = w @ p["bank"]
        own = d.clamp(max=o["distances"] - 1).long().expand(b, heads, -1, -1)
        s = s + curves.gather(-1, own) * (d < o["distances"])
    if method == "grape_a":
        z = torch.einsum("bhid,hd->bhi", q, F.normalize(p["direction"], dim=-1, eps=1e-6)) / math.sqrt(size)
        s = s - (F.softplus(p["strength"]) * slopes(heads))[:, None, None] * F.softplus(z)[..., None] * d
    if method == "stick_breaking":
        before = visible & (row[:, None] > row)
        left = F.logsigmoid(-s).masked_fill(~before, 0.0)
        left = left.flip(-1).cumsum(-1).flip(-1)  # of this key and all between it and the query
        s = torch.where(before, F.logsigmoid(s) + left - F.logsigmoid(-s), left[..., :1])
    if method == "fire":
        s = s + fire(o, p, row[:, None], d, train)
    if method == "fox":
        sums = F.logsigmoid(y @ p["gate_weight"].T + p["gate_bias"]).cumsum(1).transpose(1, 2)
        s = s + sums[..., :, None] - sums[..., None, :]
    if method == "cope":
        s = cope(p, q, s, visible)
    s = (s * a["temperature"]).masked_fill(~visible, -math.inf)
    if 0 < a["top_k"] < length:
        best = s.detach().sort(dim=-1, descending=True).values
        gaps = best[..., a["top_k"] - 1] - best[..., a["top_k"]]
        undecided.extend(gaps[(gaps > EQUAL) & (gaps < NEAR)].tolist())
        order = s.mul(1e6).round().sort(dim=-1, descending=True, stable=True).indices  # of equal scores the first
        rank = order.argsort(-1)
        s = s.masked_fill(rank >= a["top_k"], -math.inf)
    if a.get("adaptive_temperature"):  # sparse_gemma's fit; of the temperature's inverse, where the entropy is above 0.5
        p = s.softmax(-1)
        h = -torch.xlogy(p, p).sum(-1, keepdim=True)
        fit = sum(c * h ** (4 - i) for i, c in enumerate((-0.037, 0.481, -2.3, 4.917, -1.791)))
        s = s * torch.where(h > 0.5, fit.clamp(min=1), torch.ones_like(h))
    kind = a.get("sink_logit", "off")
    if kind != "off":  # gpt-oss: one more column, which is dropped after the softmax
        logit = (torch.zeros(heads) if kind == "zero" else sink_logit)[None, :, None, None]
        s = torch.cat([s, logit.expand(b, -1, length, 1)], -1)
    w = s.softmax(-1)[..., :length]
    out = w @ v
    if method == "shaw" and o["values"]:
        out = out + torch.einsum("bhij,ijd->bhid", w, p["value"][near.clamp(max=o["clip"]).long()])
    return out.transpose(1, 2).reshape(b, length, width)


def embedding(m, o, p, t, width):
    """[T,C], added before the first layer."""
    if m == "sinusoidal":
        return sinusoids(t + 2 * (o["layout"] == "fairseq"), width, o["layout"], o["base"])
    if m == "scaled_sinusoidal":
        return p["alpha"] * sinusoids(t, width, "halves", o["base"])
    if m == "learned":
        last = len(p["table"]) - 1.0
        t = t * (last / t[-1]) if o["beyond"] == "interpolate" and t[-1] > last else t.clamp(max=last)
        low, part = t.floor().long(), (t - t.floor())[:, None]
        return p["table"][low] * (1 - part) + p["table"][(low + 1).clamp(max=int(last))] * part
    return 0.0


def bands(w, model):
    """Embeddings and projection of each band (fairseq: AdaptiveInput)."""
    return [[w[f"decoder.embed_tokens.embeddings.{b}.{k}.weight"] for k in (0, 1)]
            for b in range(len(model["adaptive"]["cutoffs"]) + 1)]


def words(w, model):
    """[V,C]: the embeddings of all words."""
    return torch.cat([e @ p.T for e, p in bands(w, model)]) if "adaptive" in model else w["embedding.weight"]


def output(w, model, h):
    """Logits; with bands the logarithms of probabilities (fairseq: AdaptiveSoftmax.get_log_prob)."""
    if "adaptive" not in model:
        return h @ w["embedding.weight"].T
    (first, _), *further = bands(w, model)
    if not further:
        return h @ first.T
    head = (h @ torch.cat([first, w["decoder.adaptive_softmax.head.class_proj.weight"]]).T).log_softmax(-1)
    n = len(first)
    return torch.cat([head[..., :n], *(head[..., n + b: n + b + 1] + (h @ p @ e.T).log_softmax(-1)
                                       for b, (e, p) in enumerate(further))], -1)


def logits(w, model, m, o, tokens, train, positions=None):
    width, length = model["width"], tokens.shape[1]
    t = torch.arange(length, dtype=torch.float64) if positions is None else positions
    own = lambda prefix: {k[len(prefix) + 9:]: v for k, v in w.items() if k.startswith(prefix + "position.")}
    linear = lambda x, name: x @ w[name + ".weight"].T + w[name + ".bias"]
    norm = lambda x, name: F.layer_norm(x, (width,), w[name + ".weight"], w[name + ".bias"], 1e-5)
    x = math.sqrt(width) * words(w, model)[tokens] + embedding(m, o, own(""), t, width)
    a = {**model["attention"], "heads": model["heads"]}
    for layer in range(model["layers"]):
        at = f"layers.{layer}."
        y = norm(x, at + "norm1")
        infused = y
        if m == "pia" and (not a["nope_every"] or (layer + 1) % a["nope_every"]):
            infused = y + sinusoids(t + 2, width, "fairseq", o["base"])
        weight, bias = w[at + "attention.qkv.weight"].split(width), w[at + "attention.qkv.bias"].split(width)
        qkv = [z @ u.T + c for z, u, c in zip((infused, infused, y), weight, bias)]
        learnt = {k: w.get(f"{at}attention.{k}") for k in ("scale", "scale_power")}
        learnt = None if learnt["scale"] is None else learnt
        assert (learnt is not None) == (a["scale"] not in ("off", "log_n", "llama4")
                                        and (a["scale_layers"] != "nope" or layer % 2 == 1))
        sink = w.get(at + "attention.sink_logit")
        assert (sink is not None) == (a.get("sink_logit") == "by_head")
        mixed = attend(m, o, {**own(""), **own(at)}, a, layer, y, qkv, t, train, learnt, sink)
        if a.get("output_gate", "off") != "off":  # one number for each head, or for each element
            gate = linear(y, at + "attention.gate").sigmoid()
            assert gate.shape[-1] == {"head": a["heads"], "element": width}[a["output_gate"]]
            mixed = (mixed.unflatten(-1, (a["heads"], -1)) * gate.unflatten(-1, (a["heads"], -1))).flatten(-2)
        x = x + linear(mixed, at + "attention.out")
        z = linear(norm(x, at + "norm2"), at + "ffn.in")
        if model["activation"] == "swiglu":
            z = F.silu(z[..., : z.shape[-1] // 2]) * z[..., z.shape[-1] // 2:]
        else:
            z = F.relu(z) if model["activation"] == "relu" else F.gelu(z)
        x = x + linear(z, at + "ffn.out")
    return output(w, model, norm(x, "norm") if model["final_norm"] else x)


# ---- the comparison ---------------------------------------------------------------------------------------------

def load(path):
    blob = open(path, "rb").read()
    size = struct.unpack("<Q", blob[:8])[0]
    out = {}
    for name, entry in json.loads(blob[8: 8 + size]).items():
        if name != "__metadata__":
            low, high = entry["data_offsets"]
            kind = {"F32": torch.float32, "I32": torch.int32}[entry["dtype"]]
            data = torch.frombuffer(bytearray(blob[8 + size + low: 8 + size + high]), dtype=kind)
            out[name] = data.reshape(entry["shape"]).to(torch.float64 if kind == torch.float32 else torch.int64)
    return out


def acting(method):
    """Name and options of the method that provides the hooks: for a method that draws positions, its partner."""
    return (method["with"]["name"], method["with"]) if "with" in method else (method["name"], method)


def evaluated(w, model, method, tokens, length, train):
    """The sum of losses over all targets, in nonoverlapping windows, with the shorter last one."""
    total, count, i = 0.0, len(tokens) - 1, 0
    m, o = acting(method)
    while i < count:
        n = min(length, count - i)
        t = torch.arange(n, dtype=torch.float64)
        t = t + method.get("evaluation_shift", 0) - (t.mean() if method.get("centred") else 0)
        out = logits(w, model, m, o, tokens[None, i: i + n], train, t)
        total += F.cross_entropy(out[0], tokens[i + 1: i + n + 1], reduction="sum").item()
        i += n
    return total


def mean_loss(w, run, m, o, batch):
    """Of rows of text: each token but the first is a target."""
    out = logits(w, run["model"], m, o, batch[:, :-1], run["train"]["length"])
    return F.cross_entropy(out.flatten(0, 1), batch[:, 1:].flatten())


def updates_of(run, stages):
    """The rows of each update, from those of each stage."""
    return [b for rows in stages for b in rows.split(run["train"]["tokens_per_step"] // (rows.shape[1] - 1))]


def fairseq_rate(run, update):
    """CosineLRScheduleConfig: get_lr of update - 1, if counting from 0."""
    s, o, steps = run["train"]["schedule"], run["train"]["optimizer"], run["train"]["tokens"] // run["train"]["tokens_per_step"]
    n, warm, start = update - 1 + s.get("first", 1), round(s["warmup"] * steps), o["lr"] * s.get("warmup_init", 0)
    if n < warm:
        return start + n * (o["lr"] - start) / warm
    low = o["lr"] * s["floor"]
    return low + 0.5 * (o["lr"] - low) * (1 + math.cos(math.pi * (n - warm) / (steps - warm)))


class Nag(torch.optim.Optimizer):
    """fairseq/optim/nag.py, from its formulas."""

    def __init__(self, groups, momentum):
        super().__init__(groups, {"lr": 0.0, "momentum": momentum})
        self.before = 0.0

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            rate, m = group["lr"], group["momentum"]
            change = rate / self.before if self.before > 0 else 1.0
            for p in filter(lambda p: p.grad is not None, group["params"]):
                u = self.state[p].setdefault("u", torch.zeros_like(p))
                p.mul_(1 - rate * group["weight_decay"]).add_(u, alpha=m * m * change).add_(p.grad, alpha=-(1 + m) * rate)
                u.mul_(m * change).sub_(p.grad, alpha=rate)
        self.before = rate


def grow(w, optimizer, growth, layers):
    """MIDAS: inserts a copy of a block right after the original. Adam's count of updates continues."""
    block = growth["block"]
    first = {"middle": (math.ceil(layers / block / 2) - 1) * block, "last": layers - block, "split": (layers - block) // 2}
    start = first[growth["place"]]
    sources = list(range(layers))
    sources[start + block:start + block] = sources[start:start + block]
    kept = {k: (v.detach().clone(), {s: t.clone() for s, t in optimizer.state[v].items()}) for k, v in w.items()}
    for layer, source in enumerate(sources):
        for k in [k for k in w if k.startswith(f"layers.{layer}.")]:
            value, state = kept[k.replace(f"layers.{layer}.", f"layers.{source}.")]
            fresh = growth["state"] == "reset" and start + block <= layer < start + 2 * block
            w[k].data.copy_(value)
            optimizer.state[w[k]] = {s: t * 0 if fresh and s != "step" else t.clone() for s, t in state.items()}
    return layers + block


def ends_of_growth(growth, layers, steps):
    sums = [sum(i ** growth["alpha"] for i in range(1, n + 1)) for n in range(1, layers // growth["block"] + 1)]
    return [math.floor(steps * s / sums[-1] + 0.5) for s in sums]


def trained(w, run, batches, logged, mean_loss=mean_loss):
    """The largest deviations of loss and gradient norm over the first updates."""
    method, worst = run["method"], [0.0, 0.0]
    (m, o), o_ = acting(method), run["train"]["optimizer"]
    for k, v in w.items():
        v.requires_grad_(not any(fnmatch.fnmatchcase(k, name) for name in run["train"].get("frozen", [])))
    matrix = lambda k: w[k].dim() == 2 and k.startswith("layers.") and ".position." not in k
    groups = [{"params": [w[k] for k in w if matrix(k) == d], "weight_decay": o_["decay"] * d} for d in (True, False)]
    nag = o_["name"] == "nag"
    optimizer = Nag(groups, o_["momentum"]) if nag else torch.optim.AdamW(
        groups, betas=(o_["beta1"], o_["beta2"]), eps=o_["eps"])
    undecided.clear()
    assert len(batches) == UPDATES
    growth, layers = run["train"].get("growth"), run["model"]["layers"]
    ends = ends_of_growth(growth, layers, len(logged)) if growth else []
    layers = growth["block"] if growth else layers
    for step, batch in enumerate(batches):
        layers = grow(w, optimizer, growth, layers) if step in ends else layers
        loss, rate, norm = logged[step + 1]
        value = mean_loss(w, {**run, "model": {**run["model"], "layers": layers}}, m, o, batch)
        if undecided:
            return worst, step
        optimizer.zero_grad()
        value.backward()
        length = torch.nn.utils.clip_grad_norm_(list(w.values()), o_["clip"]).item()
        worst = [max(worst[0], abs(value.item() / loss - 1)), max(worst[1], abs(length / norm - 1))]
        assert not nag or abs(fairseq_rate(run, step + 1) / rate - 1) < 1e-12
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        for k, v in w.items():  # KERPLE's clamping
            if m in ("kerple", "dape", "dape_v2") and k.split(".")[-1] in ("a", "p"):
                v.data.clamp_(min=0.01, max=2 if k.endswith(".p") and method.get("kind") == "power" else None)
    return worst, UPDATES


def main():
    program, folder, wanted, failed = os.path.abspath(sys.argv[1]), sys.argv[2], sys.argv[3:], 0
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/corpus.txt", "w") as file:  # a copy, in case the files are edited
        file.write("".join(open(path).read() for path in sorted(glob.glob("src/*/*.h"))))
    print(f"{'largest relative deviations of':60s} {'nll':>8s} {'loss':>8s} {'gradient':>8s}")
    for c in configs():
        path, db = f"{folder}/{c['name']}.json", f"{folder}/{c['name']}.db"
        with open(path, "w") as file:
            json.dump({**c, "data": {"files": [os.path.abspath(f"{folder}/corpus.txt")]}}, file)
        if c["sweep"] == {"method": []}:
            continue
        subprocess.run([program, "run", "-q", "-j", "2", "--db", db, path], check=True, stdout=subprocess.DEVNULL)
        query = lambda sql, *values: sqlite3.connect(db).execute(sql, values).fetchall()
        for key, label, text in query("SELECT key, label, config FROM run ORDER BY rowid"):
            run, drawn = json.loads(text), json.loads(text)["method"]["name"] in DRAWS
            changed = {k: v for k, v in c["model"].items() if MODEL.get(k) != v}
            label += f" {json.dumps(changed)}" if changed else ""
            if wanted and not any(part in label for part in wanted):
                continue
            export = lambda *what: (subprocess.run([program, "export", *what, db, key, f"{folder}/x.st"], check=True),
                                    load(f"{folder}/x.st"))[1]
            w, tokens = export(), export("--tokens", "valid")["tokens"]
            logged = {s: rest for s, *rest in query("SELECT step, loss, rate, norm FROM train_log WHERE run = ?", key)}
            initial, parent = export("--initial"), run["train"].get("from")
            if parent:
                weights = load(f"{folder}/{c['name']}/{parent}/model.safetensors")
                assert all(torch.equal(initial[k], weights[k]) for k in {**initial, **weights}), label
                frozen = [k for k in w if any(fnmatch.fnmatchcase(k, name) for name in run["train"].get("frozen", []))]
                assert all(torch.equal(w[k], weights[k]) == (k in frozen) for k in w), label
            (loss, norm), updates = trained(initial, run, updates_of(run, export("--batches", str(UPDATES)).values()), logged)
            shifted = drawn and acting(run["method"])[0] != "rotary"
            wrong = loss < 1e-4 if shifted else loss > LOSS or norm > NORM
            worst = {}
            variants = {v["name"]: v for v in run["evaluate"].get("variants", [])}
            for name, length, count, nll in query("SELECT variant, length, tokens, nll_sum FROM evaluation "
                                                  "WHERE run = ? AND status = 'done' ORDER BY id", key):
                if run["method"]["name"] in ("randomised", "rfs"):
                    continue
                v = variants.get(name, {})
                model = {**run["model"], "attention": {**run["model"]["attention"], **v.get("attention", {})}}
                method, train = v.get("method", run["method"]), run["train"]["length"]
                ours = evaluated(w, model, method, tokens[: count + 1], length, train)
                worst[name] = max(worst.get(name, 0), abs(ours / nll - 1))
            for name in worst or {"": 0}:
                bad = worst.get(name, 0) > NLL or wrong and not name
                text = "" if name else f" {loss:8.1e} {norm:8.1e}" + (" (drawn)" if shifted else "")
                text += f" ({updates} updates)" if updates < UPDATES and not name else ""
                of = f" -> {json.dumps(variants[name])}" if name else ""
                print(f"{label + of:60s} {worst.get(name, math.nan):8.1e}{text}{'  <-- DIFFERS' * bad}", flush=True)
                failed += bad
    print(f"{failed} cases differ" if failed else "all agree")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
