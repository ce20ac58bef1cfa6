#!/usr/bin/env bash
# `poslab export --loader`: the program has the run's numbers and its method's formula, for every method that has one;
# what has none is refused before anything is written. That it computes the run's perplexity is tested with PyTorch
# (tests/torch/torch_loader.py).
. "$(dirname "$0")/../tools/shell.sh"

write_texts
with=() without=
for file in "$root"/methods/*.c; do
    name=$(basename "$file" .c)
    if grep -q '^ *\.pytorch = ' "$file"; then with+=("$name"); elif [ "$name" = kerple ] || [ -z "$without" ]; then without=$name; fi
done
check "methods have formulas" test ${#with[@]} -gt 2
list=$(printf '"%s",' "${with[@]}" "$without")
cat >tiny.json <<END
{ "name": "tiny", "data": { "files": ["text/*.txt"] }, "model": { "layers": 1, "heads": 2, "width": 16, "ffn": 24 },
  "train": { "length": 16, "tokens": 64, "tokens_per_step": 64 }, "evaluate": { "tokens": 100 },
  "sweep": { "method": [${list%,}] } }
END
db=results/tiny.db
check "runs of each, and of one without" try 0 run tiny.json -q -j 2

key_of() { sql $db "SELECT key FROM run WHERE method = '$1'"; }
has_python() { command -v python3 >/dev/null; }
for name in "${with[@]}"; do
    key=$(key_of "$name")
    check "$name: export --loader" try 0 export --loader $db "$key" "$name.safetensors"
    check "$name: the weights are the run's" cmp "$name.safetensors" "results/tiny/$key/model.safetensors"
    check "$name: the program has the run's numbers" says "$name.py" "poslab run $key" "python3 $name.py TOKENS LENGTH" \
        "LAYERS, HEADS, WIDTH, FFN, VOCABULARY = 1, 2, 16, 24, 256" "\"$name.safetensors\"" \
        'ACTIVATION, FINAL_NORM = "relu", True'
    check "$name: nothing of the template is left" lacks "$name.py" @KEY@ @LABEL@ @NAME@ @WEIGHTS@ @SIZES@ @ACTIVATION@ \
        @FINAL_NORM@ @OPTIONS@ @METHOD@
    options=$("$POSLAB" methods "$name" --json | sed -nE 's/^ *"key": "(.*)",?$/\1/p')
    for option in $options; do # one that is newer than stored runs is absent at its default
        check "$name: the option $option" grep -qE "^OPTIONS = .*\"$option\": |OPTIONS\.get\(.$option.\)" "$name.py"
    done
    ! has_python || check "$name: Python compiles it" python3 -m py_compile "$name.py"
done
key=$(key_of "${with[0]}")
check "with the weights before training" try 0 export --loader --initial $db "$key" untrained
check "a name without .safetensors gets .py" says untrained.py '"untrained"'
check "which are other weights" test "$(cmp -s untrained "${with[0]}.safetensors"; echo $?)" = 1

check "a method without a formula" try 2 export --loader $db "$(key_of "$without")" refused.safetensors
check "is named, with those that have one" says err "'$without' has no formula in PyTorch" "methods/$without.c" "${with[0]}, ${with[1]}"
check "nothing is written" test ! -e refused.safetensors -a ! -e refused.py
check "tokens" try 2 export --loader --tokens valid $db "$key" refused.safetensors
check "have no loader" says err "--loader is for weights; leave out --batches and --tokens"
check "a run with a window" try 0 run tiny.json -q --db window.db --set method="${with[0]}" --set model.attention.window=8
check "has no loader" try 2 export --loader window.db "$(sql window.db 'SELECT key FROM run')" refused.safetensors
check "which names the option" says err "'model.attention.window' = 8"
check "nothing is written" test ! -e refused.safetensors -a ! -e refused.py

done_testing
