#!/usr/bin/env bash
# report.sh [DB [FOLDER]]: tests the report in a real browser, without network. Not part of `make test`: it needs
# chromium and chromium-driver (`make report-test` installs them). Without a database it trains a tiny experiment.
#
# It opens the report through the WebDriver protocol and checks that nothing is loaded and nothing is refused by the
# content policy, that every column of every table sorts in both directions (numbers numerically), that a hostile name
# is only text, and that no page is wider than the screen of a phone. Screenshots (light, dark, phone, print) are
# written to FOLDER.
database=${1:+$(realpath "$1")}
shots=${2:+$(mkdir -p "$2" && realpath "$2")}
. "$(dirname "$0")/../tools/shell.sh"
shots=${shots:-$home}
port=${PORT:-9517}
url=http://127.0.0.1:$port
driver=

finish() {
    [ -z "${session:-}" ] || curl -s -X DELETE "$url/session/$session" >/dev/null
    [ -z "$driver" ] || kill "$driver" 2>/dev/null
    rm -rf "$home"
}
trap finish EXIT

for tool in chromedriver chromium curl sqlite3 pdflatex; do
    command -v $tool >/dev/null || { echo "report.sh: $tool is not installed (make report-test)" >&2; exit 1; }
done
# --- the report ---

if [ -z "$database" ]; then
    head -c 60000 "$root"/src/*/*.c | tr -d '\0' >corpus.txt
    cat >x.json <<'JSON'
{ "name": "x", "data": { "files": ["corpus.txt"], "split": { "valid": 0.1, "test": 0.1 } },
  "model": { "layers": 1, "heads": 2, "width": 16, "ffn": 16 },
  "train": { "length": 16, "tokens": 20000, "tokens_per_step": 256 },
  "evaluate": { "tokens": 4096, "multiples": [1, 2, 4, 8], "protocols": ["nonoverlapping", { "name": "strided", "stride": 0.5 }] },
  "sweep": { "method": ["sinusoidal", "rotary", "t5", "alibi"], "train.length": [16, 32], "train.seed": [1, 2] } }
JSON
    "$POSLAB" run x.json -q || exit 1
    database=$home/results/x.db
    cp -r results/x .
fi
cp "$database" r.db
(cd "$root" && "$POSLAB" reference "$home/r.db") >/dev/null || exit 1
sqlite3 r.db "UPDATE run SET label = '<img src=x onerror=alert(1)> \"&amp;''' || label WHERE rowid IN (SELECT rowid FROM run
    WHERE method = (SELECT max(method) FROM run));
    UPDATE experiment SET name = '</title><script>document.title=\"taken\"</script>' || name"
(cd "$root" && "$POSLAB" report "$home/r.db" -o "$home/r.html") >/dev/null || exit 1

# --- LaTeX: tables in a document, with hostile names; nothing is wider than the page ---

latex() { # latex FILE
    pdflatex -interaction=nonstopmode -halt-on-error "$1" >/dev/null && ! grep -E '^Overfull .hbox' "${1%.tex}.log"
}
(cd "$root" && "$POSLAB" table "$home/r.db" --format latex) >t1.tex
(cd "$root" && "$POSLAB" table "$home/r.db" --format latex --paper) >t2.tex
printf '%s\n' '\documentclass{article}\usepackage{booktabs,graphicx,textcomp}\begin{document}' \
    '\input{t1}\input{t2}' '\end{document}' >both.tex
check "LaTeX: tables compile within a document" latex both.tex

# --- the browser ---

start() { # start WIDTH HEIGHT ARGUMENT...
    local arguments='"--headless=new","--no-sandbox","--disable-gpu","--hide-scrollbars","--host-resolver-rules=MAP * ~NOTFOUND"'
    local size="\"--window-size=$1,$2\"" more
    shift 2
    more=$(printf ',"%s"' "$@")
    [ -z "${session:-}" ] || curl -s -X DELETE "$url/session/$session" >/dev/null
    session=$(curl -s "$url/session" -d "{\"capabilities\":{\"alwaysMatch\":{\"goog:loggingPrefs\":{\"browser\":\"ALL\"},
        \"goog:chromeOptions\":{\"args\":[$arguments,$size${more%,\"\"}]}}}}" | sed -n 's/.*"sessionId":"\([^"]*\)".*/\1/p')
    [ -n "$session" ] || { echo "report.sh: the browser does not start" >&2; exit 1; }
    curl -s "$url/session/$session/url" -d "{\"url\":\"file://$home/r.html\"}" >/dev/null
}

run() { # run SCRIPT: prints its result as JSON; the script contains no double quotes
    curl -s "$url/session/$session/execute/sync" -d "{\"script\":\"$(tr '\n' ' ' <<<"$1")\",\"args\":[]}" |
        sed 's/^{"value":\(.*\)}$/\1/'
}

returns() { # returns EXPECTED SCRIPT
    local got
    got=$(run "$2")
    [ "$got" = "$1" ] || { echo "# got $got, expected $1"; return 1; }
}

shot() {
    curl -s "$url/session/$session/screenshot" | sed 's/^{"value":"\(.*\)"}$/\1/' | base64 -d >"$shots/$1.png"
}

quiet() { # the console has no messages
    local log
    log=$(curl -s "$url/session/$session/se/log" -d '{"type":"browser"}')
    [ "$log" = '{"value":[]}' ] || { echo "# $log"; return 1; }
}

chromedriver --port="$port" >driver.log 2>&1 &
driver=$!
for _ in $(seq 50); do
    curl -s "$url/status" | grep -q '"ready":true' && break
    sleep 0.2
done

start 1280 1000 ""
check "the console is quiet" quiet
check "nothing is loaded" returns 0 "return performance.getEntriesByType('resource').length"
check "the name is text" returns true "return document.title.startsWith('</title><script>')"
check "no element comes from a name" returns 0 "return document.querySelectorAll('main img, main script').length"
check "there are figures" returns true "return document.querySelectorAll('figure svg').length >= 3"
check "ids differ" returns true "const ids = Array.from(document.querySelectorAll('[id]'), e => e.id);
    return ids.length === new Set(ids).size"
check "references in figures are there" returns true "return Array.from(document.querySelectorAll('use')).every(
    e => document.querySelector(e.getAttribute('xlink:href')))"
check "the policy refuses other scripts" returns true "const s = document.createElement('script');
    s.textContent = 'window.taken = 1'; document.body.append(s); return window.taken === undefined"
refused() { ! quiet >/dev/null; }
check "and returns so in the console" refused

# Clicks every column head twice and compares the order of the rows with an independent sort.
check "every column sorts, up and down" returns '"sorted"' "
    for (const table of document.querySelectorAll('table.sortable')) {
        const heads = Array.from(table.tHead.rows[0].cells);
        for (let c = 0; c < heads.length; c++) for (const way of ['ascending', 'descending']) {
            const button = heads[c].querySelector('button');
            if (!button) return 'no button in ' + heads[c].textContent;
            const before = Array.from(table.tBodies[0].rows).length;
            button.click();
            if (heads[c].getAttribute('aria-sort') !== way) return 'aria-sort of ' + heads[c].textContent;
            if (heads.filter(h => h.hasAttribute('aria-sort')).length !== 1) return 'several are sorted';
            const cells = Array.from(table.tBodies[0].rows, r => r.cells[c]);
            if (cells.length !== before) return 'rows are lost';
            const sign = way === 'ascending' ? 1 : -1;
            for (let i = 1; i < cells.length; i++) {
                const a = cells[i - 1], b = cells[i], x = a.dataset.value, y = b.dataset.value;
                if (x === undefined && y !== undefined) return 'empty before ' + y;
                if (x !== undefined && y !== undefined && sign * (Number(x) - Number(y)) > 0) return x + ' before ' + y;
                if (x === undefined && y === undefined && sign * a.textContent.localeCompare(b.textContent) > 0)
                    return a.textContent + ' before ' + b.textContent;
            }
        }
    }
    return document.querySelectorAll('table.sortable').length ? 'sorted' : 'no table'"
check "a head can be reached and pressed by keyboard" returns true "const b = document.querySelector('main > .wide th button');
    b.focus(); return document.activeElement === b"
check "every figure has a button for each line" returns true "return Array.from(document.querySelectorAll('figure')).every(
    f => f.querySelectorAll('.lines button').length >= 2)"
check "a button switches its line off, and on again" returns '"0 0 3 0"' "const f = document.querySelector('figure');
    const b = f.querySelector('.lines button'), off = () => f.querySelectorAll('svg .off').length, seen = [off()];
    b.click(); b.click(); seen.push(off()); b.click(); seen.push(Math.min(off(), 3)); b.click(); seen.push(off());
    return seen.join(' ')"
check "the value is shown at the pointer" returns true "const f = document.querySelector('figure');
    const u = f.querySelector('svg g[id*=gnuplot_plot_] use[color]').getBoundingClientRect();
    f.querySelector('svg').dispatchEvent(new PointerEvent('pointermove', {clientX: u.x + u.width / 2, clientY: u.y + u.height / 2}));
    const t = document.querySelector('.tip');
    return t.hidden === false && /, length [0-9]+: [0-9.]+/.test(t.textContent)"
check "no text of values is left" returns 0 "return document.querySelectorAll('figure g[fill=\\\"rgb(1,2,3)\\\"] text').length"
check "claims are folded" returns true "return document.querySelector('.claim').closest('details').open === false"
check "the contents lead to sections" returns true "const a = Array.from(document.querySelectorAll('nav a'));
    return a.length > 8 ? a.every(e => document.getElementById(e.hash.slice(1)) !== null) : false"
shot light
run "document.querySelector('figure').scrollIntoView(); return 1" >/dev/null
shot light-figure
run "document.querySelector('main > .wide').scrollIntoView({block: 'center'}); return 1" >/dev/null
shot light-table

start 1280 1000 "--force-dark-mode" "--enable-features=WebUIDarkMode" "--blink-settings=preferredColorScheme=0"
check "dark is dark" returns '"rgb(21, 24, 27)"' "return getComputedStyle(document.body).backgroundColor"
shot dark
run "document.querySelector('figure').scrollIntoView(); return 1" >/dev/null
shot dark-figure

start 500 900 ""
curl -s "$url/session/$session/goog/cdp/execute" -d '{"cmd":"Emulation.setDeviceMetricsOverride","params":{"width":390,"height":844,"deviceScaleFactor":2,"mobile":true}}' >/dev/null
check "a phone shows it without scrolling sideways" returns 390 "return document.documentElement.scrollWidth"
shot phone
check "only boxes scroll sideways" returns 0 "return Array.from(document.querySelectorAll('main > *')).filter(
    e => e.getBoundingClientRect().right > 391).length"
run "document.querySelectorAll('details').forEach(d => { d.open = true; }); return 1" >/dev/null
check "nor with everything unfolded" returns 390 "return document.documentElement.scrollWidth"
run "document.querySelector('main > .wide').scrollIntoView({block: 'center'}); return 1" >/dev/null
shot phone-table
run "document.querySelector('figure').scrollIntoView(); return 1" >/dev/null
shot phone-figure
curl -s "$url/session/$session/print" -d '{"page":{"width":21,"height":29.7},"background":false}' |
    sed 's/^{"value":"\(.*\)"}$/\1/' | base64 -d >"$shots/print.pdf"
check "it prints" [ "$(head -c 4 "$shots/print.pdf")" = "%PDF" ]
check "the console stays quiet" quiet

done_testing
