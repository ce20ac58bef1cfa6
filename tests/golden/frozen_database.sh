#!/usr/bin/env bash
# frozen_database.sh: writes the database of test_frozen.sh, as SQL, to standard output.
#
# It trains small models on generated text. Its numbers differ between machines, so it is run only if the database
# needs other contents or a newer schema; then run `test_frozen.sh --update`.
set -eu
POSLAB=${POSLAB:-$(cd "$(dirname "$0")/../.." && pwd)/poslab}
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
cd "$home"
seq 1 20000 >corpus.txt
cat >frozen.json <<'CONFIG'
{ "name": "frozen", "data": { "files": ["corpus.txt"], "split": { "valid": 0.1 } },
  "model": { "layers": 1, "heads": 4, "width": 16, "ffn": 32 },
  "train": { "length": 16, "tokens": 4096, "tokens_per_step": 256, "optimizer": { "lr": 2e-2 } },
  "evaluate": { "split": "valid", "tokens": 300, "multiples": [1, 2, 8],
                "protocols": ["nonoverlapping", { "name": "strided", "stride": 0.5 }] },
  "sweep": { "method": ["sinusoidal", "rotary", "t5", "alibi", "none", "learned"], "train.length": [16, 32],
             "train.seed": [1, 2, 3] },
  "exclude": [ { "method": "none", "train.seed": 2 }, { "method": "none", "train.seed": 3 },
               { "method": "learned", "train.seed": 2 }, { "method": "learned", "train.seed": 3 } ] }
CONFIG
"$POSLAB" run frozen.json --db frozen.db -q
"$POSLAB" eval frozen.db --method rotary --variant yarn -q
"$POSLAB" bench frozen.json --lengths 16,32 --methods sinusoidal,rotary,t5,alibi,none,learned --rounds 3 --db frozen.db >/dev/null
# A diverged run and a failed run, as stored by workers.
sqlite3 frozen.db "
    UPDATE run SET status = 'diverged', reason = 'the loss is not finite', diverged_step = 7
        WHERE method = 'none' AND train_length = 32;
    DELETE FROM position_loss WHERE evaluation IN
        (SELECT e.id FROM evaluation e JOIN run r ON r.key = e.run WHERE r.status = 'diverged');
    DELETE FROM evaluation_window WHERE evaluation IN
        (SELECT e.id FROM evaluation e JOIN run r ON r.key = e.run WHERE r.status = 'diverged');
    DELETE FROM evaluation WHERE run IN (SELECT key FROM run WHERE status = 'diverged');
    UPDATE run SET status = 'failed', reason = 'the worker was killed by signal 9'
        WHERE method = 'learned' AND train_length = 32;
    UPDATE run SET host = 'host', cpu = 'CPU';"
revision=$("$POSLAB" --version | sed -n 's/^poslab //p')
printf -- '-- Written by tests/golden/frozen_database.sh.\nPRAGMA application_id = %d;\nPRAGMA user_version = %d;\n' \
    "$(sqlite3 frozen.db 'PRAGMA application_id')" "$(sqlite3 frozen.db 'PRAGMA user_version')"
sqlite3 frozen.db .dump | sed "s/$revision/frozen/g"
