#!/usr/bin/env bash
# test_sql.sh: the SQL in src/ uses no feature newer than SQLite 3.37, the oldest supported version. Newer features
# are listed below with their version; the test finds an example of each. `make test-releases` runs every statement on
# old releases.
. "$(dirname "$0")/../tools/shell.sh"

# newer FILE...: prints each construct newer than 3.37 in the string literals of C files, as FILE: CONSTRUCT.
newer() {
    perl -0777 -ne '
        sub enclosing { # the text since the parenthesis that is open at the end
            my $depth = 0;
            for (my $i = length($_[0]) - 1; $i >= 0; $i--) {
                my $c = substr($_[0], $i, 1);
                $depth++ if $c eq ")";
                return substr($_[0], $i) if $c eq "(" && $depth-- == 0;
            }
            return $_[0];
        }
        s{//[^\n]*|/\*.*?\*/}{}gs;
        s/"(?:\s|\\\n|\b[A-Z][A-Z_]*\b(?:\("[^"]*"\))?)*"//g; # literals in a row, with macros between them
        while (/"((?:[^"\\]|\\.)*)"/g) {
            my $sql = $1;
            next unless $sql =~ /\b(SELECT|INSERT|UPDATE|DELETE|CREATE|PRAGMA|HAVING|JOIN)\b/;
            while ($sql =~ /\bHAVING\b/g) {
                my $before = enclosing(substr($sql, 0, pos($sql) - 6));
                1 while $before =~ s/\([^()]*\)(?=.)//s;
                print "$ARGV: HAVING without GROUP BY (3.39)\n" unless $before =~ /GROUP\s+BY/;
            }
            print "$ARGV: $1 (3.38)\n" while $sql =~ /(->>?|\bunixepoch\b|\bformat\(|\bauto\b)/g;
            print "$ARGV: $1 (3.39)\n" while $sql =~ /\b((?:RIGHT|FULL)(?: OUTER)? JOIN|IS (?:NOT )?DISTINCT FROM)\b/g;
            print "$ARGV: $1 (3.41 or later)\n"
                while $sql =~ /\b(unhex\(|octet_length\(|timediff\(|string_agg\(|concat(?:_ws)?\(|jsonb\w*\(|json_pretty\(|json_error_position\(|if\(|median\(|percentile\w*\()/g;
            print "$ARGV: ORDER BY in an aggregate (3.44)\n" while $sql =~ /\b(?:group_concat|sum|count|min|max|avg)\((?:[^()]|\([^()]*\))*\bORDER BY/g;
        }' "$@"
}

newer "$root"/src/*/*.[ch] >found
[ ! -s found ]
result $? "the SQL in src/ needs no SQLite later than 3.37" found

# Each construct is found, and similar valid SQL is not.
while IFS='|' read -r expected sql; do
    printf 'static const char sql[] = "%s";\n' "$sql" >sample.c
    found=$(newer sample.c)
    [[ $expected = none && -z $found || $expected != none && $found == *"$expected"* ]]
    result $? "$sql" <(echo "${found:-nothing} found, not $expected")
done <<'END'
HAVING|SELECT a FROM (SELECT DISTINCT b FROM t) HAVING count(*) > 1
HAVING|SELECT (SELECT max(b) FROM t HAVING count(*) > 1) FROM u GROUP BY c
HAVING|SELECT a FROM (SELECT b FROM t GROUP BY b) HAVING count(*) > 1
none|SELECT a FROM t GROUP BY a HAVING count(*) > 1
none|SELECT a FROM t GROUP BY (a + 1) HAVING (SELECT 1) > 1
->>|SELECT config ->> '$.a' FROM run
JOIN|SELECT 1 FROM a FULL JOIN b
DISTINCT FROM|SELECT 1 FROM a WHERE b IS NOT DISTINCT FROM c
ORDER BY in|SELECT group_concat(a, ',' ORDER BY b) FROM t
none|SELECT group_concat(a) FROM (SELECT a FROM t ORDER BY b)
string_agg|SELECT string_agg(a, ',') FROM t
END
done_testing
