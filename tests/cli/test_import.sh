#!/usr/bin/env bash
# test_import.sh: weights in fairseq's names. They are those of a trained run whose header is rewritten, so an imported
# run must have its losses to the last bit.
. "$(dirname "$0")/../tools/shell.sh"

for ((i = 1; i <= 400; i++)); do
    for ((w = 1; w <= 40; w++)); do ((i % w)) || printf 'w%d ' $w; done
    echo
done >words.txt
cat >a.json <<'END'
{ "name": "a", "data": { "files": ["words.txt"], "tokenizer": "words" }, "method": "alibi",
  "model": { "layers": 2, "heads": 2, "width": 16, "ffn": 24, "final_norm": false, "init": "fairseq",
    "adaptive": { "cutoffs": [8, 20] } },
  "train": { "length": 8, "tokens": 640, "tokens_per_step": 64 }, "evaluate": { "multiples": [1, 4], "tokens": 64 } }
END
try 0 run a.json -q
try 0 export results/a.db a.safetensors
as_fairseq a.safetensors w.safetensors
import() { try "$1" import a.json "${@:2}" --db i.db; }

check "weights are imported" import 0 w.safetensors
check "with the command that evaluates them" says out "i.db: run" "poslab eval i.db --run"
check "and evaluated" try 0 eval i.db -q --variant '{"name": "window", "attention": {"window": 4}}'
losses() { sql "$1" "SELECT length, quote(nll_sum) FROM evaluation WHERE variant = '' ORDER BY length"; }
check "as the run that trained them" test "$(losses i.db)" = "$(losses results/a.db)"
check "and under a variant" is 2 i.db "SELECT count(DISTINCT nll_sum) FROM evaluation WHERE variant <> ''"
check "the run is sound" try 0 check i.db
check "and done" is "done|0|1|1" i.db "SELECT status, steps, final_loss IS NULL, revision LIKE 'imported by % from w.safetensors,%' FROM run"
check "a table has it" try 0 table i.db -f csv
check "an export" try 0 export i.db i.safetensors
check "has the same tensors" cmp <(data i.safetensors) <(data a.safetensors)
check "it is never trained" try 0 run a.json --db i.db --retry changed
check "there is nothing to do" says err "nothing to do"

weights=$(ls a/*/model.safetensors)
rm "$weights"
check "without weights it is not evaluated" try 1 run a.json --db i.db --set 'evaluate.multiples=[2]'
check "with the remedy" says err "\`poslab import\` restores imported weights"
check "which restores them" import 0 w.safetensors
check "to the same bits" cmp <(data "$weights") <(data a.safetensors)
{ head -c -4 w.safetensors; printf '\0\0\0\0'; } >other.safetensors
check "other weights for the same run" import 2 other.safetensors
check "are refused" says err "has other weights (imported by" "--set name=NAME imports these"
check "a trained run" try 2 import a.json w.safetensors
check "is not overwritten" says err "is trained in 'results/a.db'; --set name=NAME"
key=$(sql i.db "SELECT key FROM run")
check "a run continues it" try 0 run a.json -q --db i.db --set name=b --set train.from="$key" --set train.seed=5
check "from its weights" try 0 export --initial --seed 5 i.db c.safetensors
check "which are the same" cmp <(data c.safetensors) <(data a.safetensors)

as_fairseq a.safetensors x.safetensors "iif(name LIKE '%fc1.weight', json_array(size / 96, 24), shape)"
check "a tensor of another shape" import 2 x.safetensors
check "is named" says err "weights 'x.safetensors': tensor 'decoder.layers.1.fc1.weight' has the shape [16, 24]; the config's model has [24, 16]"
check "fewer layers" try 2 import a.json w.safetensors --set model.layers=1 --set name=x
check "leave tensors" says err "tensor 'decoder.layers.1.self_attn.q_proj.weight' is not part of the config's model" "weights 'w.safetensors': 4 more tensors"
check "a final norm" try 2 import a.json w.safetensors --set model.final_norm=true --set name=x
check "is missing" says err "tensor 'decoder.layer_norm.weight' [16] is missing" "tensor 'decoder.layer_norm.bias' [16] is missing"
check "a method with tensors" try 2 import a.json w.safetensors --set method=t5 --set name=x
check "has none in fairseq" says err "fairseq has no tensor for 'position.bias' of the config's model"
sed 's/"F32"/"F16"/' w.safetensors >f16.safetensors
check "another type" import 2 f16.safetensors
check "is named with its tensor" says err "weights 'f16.safetensors': tensor 'decoder.embed_tokens.embeddings.0.0.weight': a tensor is neither F32 nor I32"
head -c -100 w.safetensors >short.safetensors
check "a truncated file" import 2 short.safetensors
check "is refused" says err "weights 'short.safetensors': tensor" "go beyond the end"
check "two runs" try 2 import a.json w.safetensors --db two.db --set 'sweep.train.length=[8,16]'
check "need a choice" says err "2 runs match; select the run of the weights with --method, --length and --seed"
check "nothing was written" test ! -e two.db
check "chosen" try 0 import a.json w.safetensors --db two.db --set 'sweep.train.length=[8,16]' --length 16
check "the other is pending" is "8 pending,16 done" two.db "SELECT group_concat(train_length || ' ' || status) FROM (SELECT * FROM run ORDER BY train_length)"
check "a run that continues another" try 2 import a.json w.safetensors --set train.from="$key" --db i.db
check "is no import" says err "a run with 'train.from' cannot be imported"

gone=a/$(sql two.db "SELECT key FROM run WHERE train_length = 16")
check "in its place" try 0 import a.json w.safetensors --db two.db --set train.length=8
check "the folder of a run of words" test -e "$gone/vocabulary.txt"
check "is pruned" try 0 prune two.db
check "as a whole" test ! -e "$gone"

done_testing
