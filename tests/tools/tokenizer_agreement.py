#!/usr/bin/env python3
"""Compares poslab's tokenizers with independent ones, token by token.

    tokenizer_agreement.py POSLAB [MEGABYTES]

bpe: tokenizers with the settings of GPT-2, GPT-NeoX, Llama 3 and SmolLM are trained by the package `tokenizers`
(pip install tokenizers) on a part of the text, and encode all of it. words: fairseq's rules, written here in Python.
The text is what the machine has: manuals, C and Perl sources, translations, all characters of Unicode in random
order, and long runs of one character.
"""
import collections, glob, json, os, random, subprocess, sys, tempfile, unicodedata

poslab, limit = os.path.abspath(sys.argv[1]), int(float(sys.argv[2] if len(sys.argv) > 2 else 10) * 1e6)
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")


def known_mark(c):
    """Whether the package's NFC knows a combining mark: its Unicode is older than ours, and orders others wrongly."""
    from tokenizers import normalizers
    text = "a" + c + "\u0334"
    return not unicodedata.combining(c) or normalizers.NFC().normalize_str(text) == unicodedata.normalize("NFC", text)


def unicode_text(rng, size):
    """Random words of every kind of character, some decomposed."""
    letters = [chr(c) for c in range(1, 0x30000)
               if unicodedata.category(chr(c)) not in ("Cs", "Cn", "Co") and known_mark(chr(c))]
    spaces = list(" \t\n\r\x0b\x0c\x1c\x85\xa0\u1680\u180e\u2003\u2028\u3000")
    out = []
    while size > 0:
        kind = rng.random()
        if kind < 0.3:
            piece = rng.choice(spaces) * rng.randint(1, 4)
        elif kind < 0.4:
            piece = rng.choice("a1-é\u0301 \n=") * rng.randint(1, 300)
        elif kind < 0.5:
            piece = rng.choice(["'S", "'ll", "I'VE", "<|endoftext|>", "1234567", "x=1;\r\n", "don't", "\u017f", "'\u017f"])
        else:
            start = rng.randrange(len(letters))
            piece = "".join(letters[start:start + rng.randint(1, 6)])
        if rng.random() < 0.1:
            piece = unicodedata.normalize("NFD", piece)
        out.append(piece)
        size -= len(piece.encode())
    return "".join(out)


def mixed_text():
    patterns = ["/usr/share/perl/*/pod/*.pod", "/usr/share/perl/*/**/*.pm", "/usr/include/**/*.h",
                "/usr/share/doc/**/*.html", "/usr/share/i18n/locales/*", "/usr/lib/python3/**/*.py"]
    rng, documents, size = random.Random(1), [], 0
    paths = sorted({p for pattern in patterns for p in glob.glob(pattern, recursive=True) if os.path.isfile(p)})
    rng.shuffle(paths)
    for path in paths:
        if size > limit * 0.9:
            break
        try:
            text = open(path, encoding="utf-8", newline="").read()
        except (UnicodeDecodeError, OSError):
            continue
        if text and "\0" not in text:
            documents.append(text.lstrip("\ufeff")[:200000])
            size += len(documents[-1].encode())
    return documents + [unicode_text(rng, limit // 10)]


def trained(kind, documents):
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
    level = pre_tokenizers.ByteLevel
    tokenizer = Tokenizer(models.BPE(ignore_merges=kind == "llama3"))
    tokenizer.pre_tokenizer = {
        "gpt2": lambda: level(add_prefix_space=False),
        "neox": lambda: level(add_prefix_space=False),
        "llama3": lambda: pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
                                                   level(add_prefix_space=False, use_regex=False)]),
        "smollm": lambda: pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                                   level(add_prefix_space=False)]),
    }[kind]()
    if kind == "neox":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.train_from_iterator(documents[::4], trainers.BpeTrainer(
        vocab_size=8000, special_tokens=["<|endoftext|>"], initial_alphabet=level.alphabet(), show_progress=False))
    if kind == "neox":  # runs of blanks, found in the text before it is divided
        tokenizer.add_tokens([AddedToken(" " * n, normalized=True) for n in range(2, 25)])
    return tokenizer


def tokens_of(folder, data):
    config = {"name": "agreement", "data": {**data, "split": {"valid": 0, "test": 0}}, "model": {"layers": 1},
              "train": {"length": 8, "tokens": 512, "tokens_per_step": 512, "seed": 1}, "method": "none"}
    json.dump(config, open(f"{folder}/c.json", "w"))
    subprocess.run([poslab, "tokenize", "c.json", "-o", "tokens.bin", "--json"], cwd=folder, check=True,
                   stdout=subprocess.DEVNULL)
    raw = open(f"{folder}/tokens.bin", "rb").read()
    return list(memoryview(raw).cast("I"))


def report(name, ours, theirs, size):
    same = ours == theirs
    print(f"{name:8} {size / 1e6:6.1f} MB  {len(theirs):9} tokens  {'equal' if same else 'DIFFERENT'}", flush=True)
    if not same:
        at = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
        print("  first difference at", at, ours[max(0, at - 3):at + 8], theirs[max(0, at - 3):at + 8])
    return same


def fairseq_words(text):
    lines = [line.split() + ["</s>"] for line in text]
    counts = collections.Counter(w for line in lines for w in line[:-1])
    ids = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
    for word, _ in sorted(sorted(counts.items()), key=lambda item: -item[1]):
        ids.setdefault(word, len(ids))
    return [ids[w] for line in lines for w in line]


documents = mixed_text()
fine = True
with tempfile.TemporaryDirectory() as folder:
    whole = "".join(documents)
    size = len(whole.encode())
    with open(f"{folder}/text.txt", "w", encoding="utf-8", newline="") as file:
        file.write(whole)
    with open(f"{folder}/text.txt", encoding="utf-8") as file:
        theirs = fairseq_words(file)
    fine &= report("words", tokens_of(folder, {"files": ["text.txt"], "tokenizer": "words"}), theirs, size)
    for kind in ["gpt2", "neox", "llama3", "smollm"]:
        tokenizer = trained(kind, documents)
        tokenizer.save(f"{folder}/tokenizer.json")
        theirs = tokenizer.encode(whole, add_special_tokens=False).ids
        ours = tokens_of(folder, {"files": ["text.txt"], "tokenizer": "bpe", "vocabulary": "tokenizer.json"})
        fine &= report(kind, ours, theirs, size)
sys.exit(not fine)
