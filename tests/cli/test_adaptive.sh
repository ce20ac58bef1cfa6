#!/usr/bin/env bash
# test_adaptive.sh: models with adaptive input and softmax, on a word corpus whose vocabulary the plan determines.
. "$(dirname "$0")/../tools/shell.sh"

# Words by falling frequency: w1 in every line, w2 in every second, ...
for ((i = 1; i <= 600; i++)); do
    for ((w = 1; w <= 40; w++)); do ((i % w)) || printf 'w%d ' $w; done
    echo
done >words.txt
cat >a.json <<'END'
{ "name": "a", "data": { "files": ["words.txt"], "tokenizer": "words" }, "method": "alibi",
  "model": { "layers": 1, "heads": 2, "width": 16, "ffn": 16, "final_norm": false, "init": "fairseq",
    "adaptive": { "cutoffs": [8, 20], "dropout": 0.2 }, "max_tokens_in_flight": 64 },
  "train": { "length": 16, "tokens": 5120, "tokens_per_step": 128, "checkpoint": 1e-6,
    "optimizer": { "name": "nag", "lr": 0.5, "decay": 0, "clip": 0.1, "clip_eps": 1e-6 },
    "schedule": { "warmup_init": 1e-7, "first": 0 } },
  "evaluate": { "multiples": [1, 2], "tokens": 64 } }
END
check "a run" try 0 run a.json -q
check "the weights are complete" try 0 check results/a.db
check "the first update has the initial rate" is 1 results/a.db "SELECT rate = 5e-8 FROM train_log WHERE step = 1"
check "it learns" is 1 results/a.db "SELECT max(loss) > 3 AND min(loss) < 2.8 FROM train_log WHERE step IN (1, 40)"
check "plan" try 0 plan a.json --json
planned=$(sed -n 's/^ *"parameters": \([0-9]*\).*/\1/p' out)
is_planned() { is "$planned" results/a.db "SELECT parameters FROM run"; }
check "parameters are the plan's" is_planned

check "a run that is killed between updates" bash -c "'$POSLAB' run a.json -q --db again.db & p=\$!; sleep 0.2; kill -INT \$p; wait \$p; true"
check "is resumed" try 0 run a.json -q --db again.db
check "with the same bits" same_numbers results/a.db again.db

check "a cutoff beyond the vocabulary" try 2 plan a.json --set 'model.adaptive.cutoffs=[8,4000]'
check "is an error with the remedy" says err "'model.adaptive.cutoffs[1]' must be below the vocabulary's" "got 4000; lower or remove it"
check "a loader" try 2 export --loader results/a.db x.safetensors
check "is refused" says err "--loader supports a full softmax only"
check "bench" try 0 bench a.json --methods alibi --rounds 1
check "one band" try 0 run a.json -q --set 'model.adaptive.cutoffs=[]' --db one.db
weights=a/$(sql one.db "SELECT key FROM run")/model.safetensors
check "has a projection" grep -q embeddings.0.1.weight "$weights"
check "and no classes" lacks "$weights" class_proj

# Bits per byte and perplexity per word, of words and of bytes: from the sums of losses, and what wc counts of the text.
check "the same text as bytes" try 0 run a.json -q --set data.tokenizer=bytes --set train.tokens=512 --set name=bytes
bytes=$(wc -c <words.txt) words=$(($(wc -w <words.txt) + $(wc -l <words.txt)))
for database in results/a.db results/bytes.db; do
    check "bytes and words" is "$bytes|$words" $database "SELECT train_bytes + valid_bytes + test_bytes, train_words + valid_words + test_words FROM corpus"
done
# as_shown DATABASE METRIC FORMAT COLUMN SQL: an expression of nats, tokens, bytes and words is the column of the view
# outcome, and rounded the first number of the row ALiBi.
as_shown() {
    local shown column wanted
    try 0 table "$1" --metric "$2" && shown=$(awk '$1 == "ALiBi" { print $4 }' out)
    wanted=$(sql "$1" "SELECT printf('%.15g', $5) FROM (SELECT nll_sum / e.tokens AS nats, valid_tokens AS tokens, valid_bytes AS bytes,
        valid_words AS words FROM evaluation e, corpus WHERE length = 16)")
    column=$(sql "$1" "SELECT $4 FROM outcome WHERE eval_length = 16")
    awk -v a="$shown" -v b="$wanted" -v c="$column" -v f="$3" \
        'BEGIN { print a, b, c; exit !(a == sprintf(f, b) + 0 && c > b * (1 - 1e-8) && c < b * (1 + 1e-8)) }'
}
check "bits per byte of words" as_shown results/a.db bits %.4f bits_per_byte "nats / 0.693147180559945 * tokens / bytes"
check "are in the title" says out "bits per byte by evaluation length"
check "perplexity per word of words is that per token" as_shown results/a.db words %.3g word_perplexity "exp(nats)"
check "bits per byte of bytes" as_shown results/bytes.db bits %.4f bits_per_byte "nats / 0.693147180559945"
check "perplexity per word of bytes" as_shown results/bytes.db words %.3g word_perplexity "exp(nats * bytes / words)"
check "is in the title" says out "perplexity per word"

done_testing
