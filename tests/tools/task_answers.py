#!/usr/bin/env python3
"""Computes the rows of all tasks again, from the descriptions of their formats.

    tests/tools/task_answers.py POSLAB [EXAMPLES]

Reads rows of `poslab tasks TASK --rows`, for training and for evaluation at larger sizes, and compares with what
follows from their questions: tokens, which of them are scored, targets and positions. Without EXAMPLES (of each case)
also whether what is drawn at random has the shares that the options say. No code is shared with the program. Prints
what differs and exits with 1.
"""
import functools
import itertools
import json
import math
import re
import subprocess
import sys

EXAMPLES, DRAWN = 300, 3000
DIGITS = "0123456789"


def answered(question, answer):
    """The symbols of a row and the targets after BOS and each of them, for an answer that is written to its end."""
    answer = [*answer, "$"]
    return [*question, *answer], [None] * len(question) + answer


def in_range(size, o, exact):
    assert o["size"][0] <= size <= o["size"][1] if exact is None else size == exact, f"size {size}"


def letters(count):
    return [chr(ord("a") + i) if count <= 26 else f"[{i}]" for i in range(count)]


# ---- alphabets: the symbols of tokens 4, 5, ..., and of the separator ----

def arithmetic_symbols(sign):
    return lambda o: ([*DIGITS, sign, *" :,;", *letters(26)], "=")


WORDS = "The grass is green . sky blue sun yellow Here we go There and back again pass key Remember it the What ?".split()
SYMBOLS = {
    "addition": arithmetic_symbols("+"), "multiplication": arithmetic_symbols("*"),
    "copy": lambda o: (letters(o["letters"]), "|"), "reverse": lambda o: (letters(o["letters"]), "|"),
    "sort": lambda o: ([*map(str, range(o["numbers"])), *"SNBCFP?_"], "#"),
    "parity": lambda o: (["0", "1"], None), "flip_flop": lambda o: ([*"01wir"], None),
    "state": lambda o: ([str(i) for i in range(len(GROUPS[o["group"]][0]))], None),
    "mqar": lambda o: ([".", *(f"{c}{i}" for c in "kv" for i in range(o["symbols"] // 2))], None),
    "passkey": lambda o: ([*DIGITS, *WORDS], "|"),
    "indexing": lambda o: ([*letters(o["letters"]), *"<>*", *map(str, range(1, o["reach"] + 1))], "|"),
    "variables": lambda o: ([*letters(o["letters"]), *"=,", *map(str, range(1, o["values"] + 1))], "?"),
}


# ---- the rows that follow from the questions in s, the symbols of a row ----

def arithmetic(o, s, exact, product, positions):
    stop = s.index(":") if o.get("scratchpad") else len(s) - 1 - s[::-1].index("=")
    sign, end = s.index("*" if product else "+"), len(s) - 1 - s[::-1].index("=")
    parts = [s[:sign], s[sign + 1: stop], s[end + 1: -1]]
    width = max(o["pad_to"], exact or 0) or max(o["size"][1], exact or 0) if o["pad"] else 0
    numbers, starts, spaces = [], set(), 0
    for k, part in enumerate(parts):
        digits = [c for c in part if c in DIGITS]
        assert part[-1] != " " and part[0] != " " and (k < 2 or o["spaces_answer"] or " " not in part), "spaces"
        spaces += part.count(" ")
        last_first = o["order"] == "all" or k == 2 and o["order"] == "reversed"
        places = range(len(digits)) if last_first else range(len(digits))[::-1]
        numbers.append(int("".join(digits[::-1] if last_first else digits)))
        if k < 2:
            shortest = len(str(numbers[k]))
            assert len(digits) == (width or shortest)
            if not width:
                in_range(shortest, o, exact)
        if o["hints"]:  # a letter before each digit, the same for equal places, the alphabet in the order of writing
            named = [c for c in part if c != " "]
            assert named[1::2] == digits
            starts |= {(ord(c) - 97 + (-place if o["order"] == "all" else place)) % 26 for c, place in zip(named[::2], places)}
        else:
            assert [c for c in part if c != " "] == digits
        if positions:
            at = len(s[:sign + 1]) if k == 1 else end + 1 if k == 2 else 0
            given = [p for p, c in zip(positions[at:], part) if c in DIGITS]
            starts |= {p - 1 - q for p, q in zip(given, places if o["positions"] == "coupled" else range(len(digits)))}
    assert spaces <= (o["max_spaces"] if o["spaces"] else 0)
    assert len(starts) == bool(o["hints"] or positions), f"starts {starts}"
    if positions:
        assert 0 <= min(starts) <= o["max_start"] and all((p > 0) == (c in DIGITS) for p, c in zip(positions, s))
    assert not o.get("equal") or width or len(parts[0]) == len(parts[1])
    a, b, c = numbers
    assert c == (a * b if product else a + b), "wrong answer"
    result = len([x for x in parts[2] if x in DIGITS])
    assert result == ((2 * width if product else width + 1) if width else len(str(c)))
    if o.get("scratchpad"):
        x, y, carry, text = str(a)[::-1], str(b)[::-1], 0, ""
        for k, digit in enumerate(y if product else ""):
            text += f"{x}*{y[k:]}:" if k else ""
            digit, old, carry = int(digit), carry, a * int(digit) + carry
            text += f"{x}*{digit},{str(old)[::-1]}={carry % 10},{str(carry := carry // 10)[::-1]};"
        for k in range(0 if product else max(len(x), len(y))):
            p, q = int((x[k:] or "0")[0]), int((y[k:] or "0")[0])
            text += f"{x[k:]}+{y[k:]}:" if k else ""
            text += f"{p}+{q}+{carry}={(p + q + carry) % 10},{(p + q + carry) // 10};"
            carry = (p + q + carry) // 10
        assert "".join(s[stop + 1: end]) == text
    first = stop if o.get("scratchpad") else end
    return s[:-1] + ["$"], [None] * (first + 1) + [None if c == " " else c for c in s[first + 1:]]


def addition(o, s, exact, hint, positions):
    return arithmetic(o, s, exact, False, positions)


def multiplication(o, s, exact, hint, positions):
    return arithmetic(o, s, exact, True, positions)


def copy(o, s, exact, hint, positions, turn=1):
    text = s[: s.index("|")]
    in_range(len(text), o, exact)
    return answered([*text, "|"], text[::turn])


def reverse(o, s, exact, hint, positions):
    return copy(o, s, exact, hint, positions, -1)


def sort(o, s, exact, hint, positions):
    kind = {"S": "none", "N": "successor", "B": "predecessor", "C": "count", "F": "fill", "P": "parity"}[s[0]]
    assert kind in ([hint] if exact else ["none", o["hint"]["name"]]), kind
    stop = min(i for i, c in enumerate(s) if c in "#?")
    numbers = [int(c) for c in s[1:stop]]
    in_range(len(numbers), o, exact)
    assert not o["distinct"] or len(set(numbers)) == len(numbers)
    ordered = []  # insertion
    for n in numbers:
        ordered.insert(sum(m <= n for m in ordered), n)
    if kind == "none":
        return answered([*s[:stop], "#"], map(str, ordered))
    if kind == "fill":
        shown = s[stop + 1: stop + 1 + len(numbers)]
        blank = shown.index("_")
        assert shown == [str(n) if i != blank else "_" for i, n in enumerate(ordered)]
        return answered([*s[:stop], "#", *shown, "#"], [str(ordered[blank])])
    asked = int(s[stop + 1])
    assert asked in numbers
    below, same = sum(m < asked for m in numbers), sum(m == asked for m in numbers)
    if kind == "count":
        reply = [same % o["numbers"]]
    elif kind == "parity":
        reply = [below % 2]
    elif not o["strict"] and same > 1:
        reply = [asked]
    elif kind == "successor":
        reply = [min(m for m in numbers if m > asked)] if below + same < len(numbers) else []
    else:
        reply = [max(m for m in numbers if m < asked)] if below else []
    return answered([*s[:stop], "?", str(asked), "#"], map(str, reply))


def running(o, s, exact, states):
    in_range(len(s), o, exact)
    return s, [None, *(x if o["each"] or i + 1 == len(s) else None for i, x in enumerate(states))]


def parity(o, s, exact, hint, positions):
    return running(o, s, exact, [str("".join(s[: i + 1]).count("1") % 2) for i in range(len(s))])


def even(p):
    """By the number of its cycles."""
    left, cycles = set(range(len(p))), 0
    while left:
        i, cycles = left.pop(), cycles + 1
        while p[i] in left:
            i = p[i]
            left.remove(i)
    return (len(p) - cycles) % 2 == 0


def then(p, q):
    return tuple(q[i] for i in p)


GROUPS = {"S2": (list(itertools.permutations(range(2))), then), "S3": (list(itertools.permutations(range(3))), then),
          "A5": ([p for p in itertools.permutations(range(5)) if even(p)], then),
          "Z60": (list(range(60)), lambda a, b: (a + b) % 60)}


def state(o, s, exact, hint, positions):
    elements, product = GROUPS[o["group"]]
    values = itertools.accumulate((elements[int(c)] for c in s), product)
    return running(o, s, exact, [str(elements.index(v)) for v in values])


def flip_flop(o, s, exact, hint, positions):
    text = "".join(s)
    assert re.fullmatch(r"w[01]([wi][01])*r[01]", text), text
    in_range(len(s) // 2, o, exact)
    return s[:-1] + [re.findall("w([01])", text)[-1]], [None] * (len(s) - 1) + [re.findall("w([01])", text)[-1]]


def mqar(o, s, exact, hint, positions):
    assert len(s) % o["spread"] == 0
    pairs = len(s) // o["spread"]
    in_range(pairs, o, exact)
    values = dict(zip(s[: 2 * pairs: 2], s[1: 2 * pairs: 2]))
    assert len(values) == len(set(values.values())) == pairs
    assert all(k[0] == "k" and v[0] == "v" for k, v in values.items())
    rest = s[2 * pairs:]
    queries = [i for i, c in enumerate(rest) if c in values]
    assert sorted(rest[i] for i in queries) == sorted(values) and all(i % 2 == 0 for i in queries)
    used = {*values, *values.values()}
    filler = [c for i, c in enumerate(rest) if i not in queries]
    assert not used & set(filler) and (o["filler"] == "random" or set(filler) <= {"."})
    assert o["filler"] == "zero" or "." not in filler
    return s, [None] * (2 * pairs + 1) + [values.get(c) for c in rest]


def passkey(o, s, exact, hint, positions):
    end = s.index("|")
    number = "".join(s[end + 1: -1])
    assert 1 <= int(number) <= o["most"] and number[0] != "0"
    needle = ["The", "pass", "key", "is", *number, *". Remember it .".split(), *number, *"is the pass key .".split()]
    tale = "The grass is green . The sky is blue . The sun is yellow . Here we go . There and back again .".split()
    ask = "What is the pass key ? The pass key is |".split()
    size = end + 1 - len(needle) - len(ask)
    in_range(size, o, exact)
    filler = [tale[i % len(tale)] for i in range(size)]
    rows = [filler[:i] + needle + filler[i:] + ask for i in range(size + 1)]
    assert s[: end + 1] in rows
    return answered(s[: end + 1], number)


def indexing(o, s, exact, hint, positions):
    *text, way, number, bar = s[: s.index("|") + 1]
    marker, steps = text.index("*"), int(number)
    in_range(len(text) - 1, o, exact)
    assert 1 <= steps <= o["reach"] and way in "<>"
    there = text[:marker][::-1] if way == "<" else text[marker + 1:]
    return answered([*text, way, number, bar], [there[steps - 1]])


def variables(o, s, exact, hint, positions):
    *given, question = "".join(s).split("?")[0].split(",")
    count = len(given) // (o["depth"] + 1)
    in_range(count, o, exact)
    value = {}
    for text in given:
        name, _, what = text.partition("=")
        assert name not in value and (what in value) == (len(value) >= count), text
        value[name] = value.get(what, what)
    assert len(value) == len(given) and question[-1] == "="
    asked = question[:-1]
    assert o["depth"] == 0 or list(value).index(asked) >= count
    aliased = [t.partition("=")[2] for t in given[count:]]
    assert len(set(aliased)) == len(aliased)
    return answered(s[: s.index("?") + 1], [value[asked]])


# ---- the cases: options, and with which sizes and hints they are evaluated ----

CASES = [(name, {"size": [2, 8], **more}, size, "none") for name, more, size in [
    *(("addition", {"order": order, **form}, 12) for order in ("plain", "reversed", "all") for form in (
        {"size": [1, 9]}, {"pad": True}, {"pad": True, "pad_to": 10}, {"spaces": 0.4, "max_spaces": 5},
        {"spaces": 0.4, "spaces_answer": True}, {"hints": True, "equal": True}, {"positions": "abacus"},
        {"positions": "coupled", "max_start": 3, "pad": True})),
    *(("multiplication", {"order": order, **form}, 11) for order in ("plain", "reversed", "all") for form in (
        {"size": [1, 6]}, {"pad": True}, {"spaces": 1, "max_spaces": 3}, {"hints": True}, {"positions": "coupled"})),
    ("addition", {"size": [1, 9], "order": "all", "scratchpad": True}, 15),
    ("multiplication", {"size": [1, 4], "order": "all", "scratchpad": True}, 7),
    ("copy", {}, 20), ("copy", {"letters": 40}, 9), ("reverse", {}, 20), ("reverse", {"letters": 2}, 9),
    ("parity", {}, 30), ("parity", {"each": False}, 30), ("flip_flop", {}, 40),
    *(("state", {"group": group, "each": each}, 20) for group in GROUPS for each in (True, False)),
    ("mqar", {"symbols": 40}, 10), ("mqar", {"symbols": 41, "filler": "random", "spread": 5}, 12),
    ("passkey", {"size": [1, 60]}, 200), ("passkey", {"most": 7}, 10), ("indexing", {}, 25),
    ("indexing", {"letters": 30, "reach": 2}, 12), ("variables", {}, 12), ("variables", {"depth": 1}, 12),
    ("variables", {"depth": 1, "letters": 60, "values": 2}, 20)]]
CASES += [("sort", {"size": [1, 9], **form, "hint": {"name": hint, "share": share}}, 14, hint)
          for form in ({}, {"numbers": 4}, {"strict": False, "numbers": 5}, {"distinct": True, "numbers": 14})
          for hint, share in (("none", 0), ("successor", 0.5), ("predecessor", 1), ("count", 0.3), ("fill", 0.5), ("parity", 1))]


def rows_of(poslab, name, options, examples, *more):
    sets = [x for key, value in options.items() for x in ("--set", f"{key}={json.dumps(value)}")]
    run = [poslab, "tasks", name, "--rows", "--examples", str(examples), *sets, *more]
    return [json.loads(line) for line in subprocess.run(run, check=True, stdout=subprocess.PIPE).stdout.splitlines()]


@functools.cache
def defaults(poslab, name):
    """All options, as `poslab tasks` prints them."""
    text = subprocess.run([poslab, "tasks", name], check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(re.search(r"^examples  (.*)$", text, re.M)[1])


def check_row(name, o, row, exact, hint):
    own, separator = SYMBOLS[name](o)
    decode = lambda ids: [None if i is None else "$" if i == 2 else separator if i == 3 else own[i - 4] for i in ids]
    assert row["tokens"][0] == 1 and min(row["tokens"][1:]) > 1
    symbols, targets, positions = decode(row["tokens"][1:]), decode(row["targets"]), row.get("positions")
    join = " " if name in ("sort", "state", "mqar", "passkey") else ""
    assert row["text"] == join.join(symbols) and row["scored"] == join.join(t for t in targets if t is not None)
    assert bool(positions) == (o.get("positions", "index") != "index") and (not positions or positions[0] == 0)
    wanted, scored = globals()[name](o, symbols, exact, hint, positions[1:] if positions else None)
    while scored[-1] is None:
        scored.pop()
    assert symbols == wanted, f"tokens: {wanted}"
    assert targets == scored, f"targets: {targets} instead of {scored}"


# ---- what is drawn ----

def about(what, seen, count, share):
    """Whether `seen` of `count` has the probability `share`, to five deviations."""
    assert abs(seen - count * share) <= 5 * math.sqrt(count * share * (1 - share)), f"{what}: {seen} of {count}, p = {share}"


def check_draws(poslab):
    texts = lambda name, **o: [row["text"] for row in rows_of(poslab, name, o, DRAWN)]
    rows = texts("sort", size=[1, 5], hint={"name": "fill", "share": 0.3})
    fills = [len(t.split()) for t in rows if t[0] == "F"]
    about("share of hints", len(fills), DRAWN, 0.3)
    for size in range(1, 6):  # F n.. # n.. # n $
        about("size", fills.count(2 * size + 5), len(fills), 0.2)
    for low, high in ((0.3, 0.3), (0, 0.5)):
        rows = texts("flip_flop", size=3, write_low=low, write_high=high)
        about("writes", sum(t[2] == "w" for t in rows), len(rows), (low + high) / 2)
    for power in (0.01, 1, 3):  # one pair: slot g has the probability (g + 1)^(a - 1) over the sum
        rows = texts("mqar", size=1, symbols=8, power=power)
        total = sum((g + 1) ** (power - 1) for g in range(7))
        for g in range(7):
            about(f"slot {g}", sum(t.split()[2 + 2 * g][0] == "k" for t in rows), len(rows), (g + 1) ** (power - 1) / total)
    rows = texts("addition", size=3, spaces=0.25)
    about("no space", sum(t[1] != " " for t in rows), len(rows), 0.75)
    about("two spaces", sum(t[1:3] == "  " for t in rows), len(rows), 0.25 ** 2)
    about("last digits", sum(t.split("+")[0][-1] in "01" for t in rows), len(rows), 0.2)
    for digit in (1, 9):
        about("first digits", sum(t[0] == str(digit) for t in rows), len(rows), 1 / 9)
    rows = texts("indexing", size=3, letters=4)
    for gap in range(4):
        about("marker", sum(t.index("*") == gap for t in rows), len(rows), 0.25)
    rows = texts("passkey", size=4, most=3)
    about("number", sum(t.endswith("| 1 $") for t in rows), len(rows), 1 / 3)
    about("place", sum(t.startswith("The grass The") for t in rows), len(rows), 1 / 5)
    for name, first in (("copy", "a"), ("parity", "0"), ("state", "0 "), ("variables", "a")):
        rows = texts(name, size=3, **({"letters": 4} if name in ("copy", "variables") else {}))
        share = {"copy": 1 / 4, "parity": 1 / 2, "state": 1 / 6, "variables": 1 / 4}[name]
        about(f"first of {name}", sum(t.startswith(first) for t in rows), len(rows), share)


def main():
    poslab, count, failed = sys.argv[1], int((sys.argv[2:] or [EXAMPLES])[0]), 0
    for name, options, size, hint in CASES:
        o = {**defaults(poslab, name), **options}
        for exact in (None, size):
            more = ["--size", str(size), *(["--hint", hint] if hint != "none" else [])] if exact else []
            for i, row in enumerate(rows_of(poslab, name, options, count, *more)):
                try:
                    check_row(name, o, row, exact, hint)
                except Exception as why:
                    print(f"{name} {json.dumps(options)} {' '.join(more)} example {i}: {row['text']}: {why!r}")
                    failed += 1
                    break
    try:
        if not sys.argv[2:]:
            check_draws(poslab)
    except AssertionError as why:
        print(why)
        failed += 1
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
