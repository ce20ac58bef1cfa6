#!/usr/bin/env python3
"""Computes the numbers of tests/golden/test_golden_scores.c, from the formulas of the papers and their authors' code.

    tests/tools/golden_scores.py [FILE]

Prints the rows of its tables; with FILE, compares them with those in the file and exits with 1 if they differ. No code
is shared with the program, and there is no library but Python's own.
"""
import math
import struct
import sys

H, D, T = 2, 8, 8  # T = D, and the values are unit vectors: the output of query i is row i of the attention matrix


def single(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def vector(part, h, t):
    """Query (part 0) or key (part 1) t of head h."""
    return [single(1.5 * math.sin(1 + 2.1 * part + 1.7 * h + 0.9 * t + 2.3 * e)) for e in range(D)]


def parameter(tensor, i):
    return single(math.sin(0.7 * tensor + 1.1 * i))


def positive(tensor, i):
    return single(abs(math.sin(0.7 * tensor + 1.1 * i)) + 0.1)


Q, K = ([[vector(part, h, t) for t in range(T)] for h in range(H)] for part in (0, 1))


def dot(x, y):
    return sum(a * b for a, b in zip(x, y))


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def softplus(x):
    return math.log(1 + math.exp(x))


def product(h, i, j):
    return dot(Q[h][i], K[h][j]) / math.sqrt(D)


def softmax(scores):
    total = sum(math.exp(s) for s in scores)
    return [math.exp(s) / total for s in scores]


def stick_breaking(h, i):
    """Tan et al. 2024, equation 1, with what is left at the query's own key (sb_remainder)."""
    row, left = [0.0] * (i + 1), 1.0
    for j in range(i - 1, -1, -1):
        row[j] = sigmoid(product(h, i, j)) * left
        left *= 1 - sigmoid(product(h, i, j))
    row[i] = left
    return row


def rotated(x, place, base):
    """Pairs (2i, 2i + 1) as complex numbers."""
    z = [complex(x[2 * i], x[2 * i + 1]) * complex(math.cos(place * base ** (-2 * i / D)), math.sin(place * base ** (-2 * i / D)))
         for i in range(D // 2)]
    return [part for number in z for part in (number.real, number.imag)]


def self_extend(h, i, w=4, group=2):
    """LongLM, self_extend_patch/Llama.py: the neighbour's scores below distance w, the groups' from there on."""
    near = lambda j: dot(rotated(Q[h][i], i, 10000), rotated(K[h][j], j, 10000))
    far = lambda j: dot(rotated(Q[h][i], i // group + w - w / group, 10000), rotated(K[h][j], j // group, 10000))
    return softmax([(near(j) if i - j < w else far(j)) / math.sqrt(D) for j in range(i + 1)])


def fope(h, i, train=64, base=100):
    """FourierEmbedding of the authors' olmo/model.py: tables times coefficients, padded with ones; rotate_half."""
    kept = [f for f in (base ** (-2 * k / D) for k in range(D // 2)) if f >= 2 * math.pi / train]
    columns = min(len(kept), D // 4)
    weight = lambda tensor, f, c: parameter(tensor, (h * len(kept) + f) * columns + c)

    def table(function, tensor, place):
        sums = [sum(function(place * f) * weight(tensor, n, c) for n, f in enumerate(kept)) for c in range(columns)]
        return 2 * (sums + [1.0] * (D // 2 - columns))

    def turned(x, place):
        half = [-a for a in x[D // 2:]] + x[:D // 2]
        return [a * c + b * s for a, c, b, s in zip(x, table(math.cos, 0, place), half, table(math.sin, 1, place))]

    return softmax([dot(turned(Q[h][i], i), turned(K[h][j], j)) / math.sqrt(D) for j in range(i + 1)])


def convolved(rows, weight, bias, outputs):
    """Conv2d of [inputs][keys] with a kernel of 1 x 3 and zero padding; weight(output, input, tap)."""
    padded = [[0.0, *row, 0.0] for row in rows]
    return [[bias(o) + sum(weight(o, n, tap) * row[j + tap] for n, row in enumerate(padded) for tap in range(3))
             for j in range(len(rows[0]))] for o in range(outputs)]


def dape_v2(h, i, units=32):
    """Kerple_DAPEV2: tril of scores and biases, Conv2d, LeakyReLU, Conv2d, added to both; tensors in the order of the
    method, which stores weights by tap."""
    bias = lambda g, j: -positive(4, g) * math.log(1 + positive(5, g) * (i - j))
    both = [[product(g, i, j) if j <= i else 0.0 for j in range(T)] for g in range(H)] + \
           [[bias(g, j) if j <= i else 0.0 for j in range(T)] for g in range(H)]
    hidden = convolved(both, lambda o, n, tap: parameter(0, (tap * units + o) * 2 * H + n), lambda o: parameter(1, o), units)
    hidden = [[x if x > 0 else 0.01 * x for x in row] for row in hidden]
    added = convolved(hidden, lambda o, n, tap: parameter(2, (tap * H + o) * units + n), lambda o: parameter(3, o), H)
    return softmax([both[h][j] + both[H + h][j] + added[h][j] for j in range(i + 1)])


def grape_a(h, i):
    """llama-mha-grape-a-querygated.py: omega and v, which is divided by its length; ALiBi's slopes."""
    v = [parameter(1, h * D + e) for e in range(D)]
    gate = softplus(dot(v, Q[h][i]) / math.sqrt(dot(v, v)) / math.sqrt(D))
    slope = 2 ** (-8 * (h + 1) / H)
    return softmax([product(h, i, j) - (i - j) * slope * softplus(parameter(0, h)) * gate for j in range(i + 1)])


def wavelet(h, i, scales=3):
    """Oka et al. 2025: keys plus Ricker wavelets of the distance, scales 1, 2, 4, one more shift every 3 coordinates."""
    ricker = lambda t: 2 / (math.sqrt(3) * math.pi ** 0.25) * (1 - t * t) * math.exp(-t * t / 2)
    r = lambda d: [ricker((d - c // scales) / 2 ** (c % scales)) for c in range(D)]
    return softmax([(dot(Q[h][i], K[h][j]) + dot(Q[h][i], r(i - j))) / math.sqrt(D) for j in range(i + 1)])


def pope(h, i):
    """PoPE-pytorch, pope.py: lengths by softplus, D frequencies, a limited angle of each key's coordinate."""
    polar = lambda x, place, turn: [softplus(a) * complex(math.cos(p), math.sin(p)) for a, p in
                                    zip(x, (place * 10000 ** (-c / D) + t for c, t in enumerate(turn)))]
    turn = [min(max(parameter(0, h * D + c), -2 * math.pi), 0) for c in range(D)]
    keys = [polar(K[h][j], j, turn) for j in range(i + 1)]
    return softmax([sum((a.conjugate() * b).real for a, b in zip(polar(Q[h][i], i, [0] * D), key)) / math.sqrt(D)
                    for key in keys])


CASES = [("stick_breaking", {}, stick_breaking), ("self_extend", {"window": 4, "group": 2}, self_extend),
         ("fope", {"learned": "true", "base": 100}, fope), ("dape_v2", {}, dape_v2), ("grape_a", {}, grape_a),
         ("wavelet", {"scales": 3}, wavelet), ("pope", {}, pope)]


def initialiser(numbers):
    return "{" + ", ".join(f"{x:.10g}" for x in numbers) + "}"


def attention_rows():
    """The last row of both heads, and row 5 of the second one."""
    for name, options, row in CASES:
        json = "{" + ", ".join(f'\\"{k}\\": {v}' for k, v in options.items()) + "}"
        yield f'{{"{name}", "{json}", {{{initialiser(row(0, 7))}, {initialiser(row(1, 7))}, {initialiser(row(1, 5))}}}}}'


def order_statistics(count=4, reach=512):
    """Mean and deviation of the k-th of `count` sorted uniform numbers of [0, reach): a beta distribution."""
    for k in range(1, count + 1):
        yield initialiser([reach * k / (count + 1), reach * math.sqrt(k * (count + 1 - k) / (count + 2)) / (count + 1)])


def sinusoids(place, width=8):
    """fairseq's table: positions from 2 on, frequencies up to base^-1, sines, then cosines."""
    angles = [(place + 2) * math.exp(-math.log(10000) * i / (width // 2 - 1)) for i in range(width // 2)]
    return [math.sin(a) for a in angles] + [math.cos(a) for a in angles]


def tables():
    yield from attention_rows()
    yield from order_statistics()
    for place in (0.25, 37.5, 511.875):
        yield f"{{{place}, {initialiser(sinusoids(place))}}}"


def main():
    if len(sys.argv) < 2:
        print(*tables(), sep=",\n")
        return
    text = "".join(open(sys.argv[1]).read().split())
    missing = [row for row in tables() if "".join(row.split()) not in text]
    for row in missing:
        print(f"golden_scores: {sys.argv[1]} does not have {row}")
    print("golden_scores: all rows agree" if not missing else f"golden_scores: {len(missing)} rows differ")
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
