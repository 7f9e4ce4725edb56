"""Where values land in the texts of shells: what runs them is found, what reads them is none."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentrun.spec.shell_text import Value, commands_in
from rule_files import X, codes_of, shell, tool

SCRIPTS_THAT_RUN = [
    'echo "$X" | sh',
    'printf %s "$X" | bash -s',
    'printf "%s" "$X" | base64 -d | sh',
    "echo $X | base64 -d | bash",
    'sh <<< "$X"',
    "bash <<EOF\nls $X\nEOF",
    "cat <<EOF | sh\nls $X\nEOF",
    "python3 -c \"print('$X')\"",
    'python3 <<EOF\nprint("$X")\nEOF',
    'python3 - <<PY\nprint("$X")\nPY\n',
    "perl -e \"print '$X'\"",
    'node -e "$X"',
    'awk "/$X/ {print}" f',
    'sed -n "/$X/p" f',
    'sed -i -e "s/a/$X/" f',
    'ssh host "ls $X"',
    'ssh -o BatchMode=yes host ls "$X"',
    "ssh host $X",
    '. "$X"',
    'source "$X"',
    "if $X; then ls; fi",
    "while ! $X; do sleep 1; done",
    "out=$($X)",
    "out=`$X`",
    'out="$(sh -c "$X")"',
    "env $X",
    "sudo -n $X",
    "timeout 5 $X",
    'nohup "$X" &',
    'exec "$X"',
    'command "$X"',
    "psql -c \"select '$X'\"",
    "echo \"select '$X'\" | psql",
    "psql <<SQL\nselect '$X'\nSQL",
    "find . -exec $X \\;",
    'find . -exec sh -c "$X" \\;',
    "bash -c \"ls '$X'\"",
    'cmd="ls $X"; eval "$cmd"',
    'cmd="ls $X"\nsh -c "$cmd"',
    'export CMD="$X"\n$CMD',
    'local a="$X"; eval $a',
    'A=1; eval "$A $X"',
    "sh -c 'eval \"$X\"'",
    'docker exec c sh -c "ls $X"',
    'kubectl exec p -- sh -c "ls $X"',
    "docker compose exec -T db psql -U a -c \"select '$X'\"",
    "mysql -e \"select '$X'\"",
    "sqlite3 a.db \"select '$X'\"",
    'git -c core.pager="$X" log',
    'tar --checkpoint-action="$X" -cf a .',
    'ssh -oProxyCommand="$X" h',
    'xargs -I{} sh -c "$X {}"',
    '{ "$X"; }',
    "( $X )",
    'f() { eval "$1"; }\neval "${X}"',
    'eval "${X:-ls}"',
    'eval \\\n  "$X"',
    'ls && "$X"',
    "ls || $X",
    "true; $X",
    'watch "ls $X"',
    'su bob -c "ls $X"',
    'npx "$X"',
    "case a in a) $X ;; esac",
    'jq ".a | select(.b == \\"$X\\")" f',
    'env -S "$X"',
    'set -- $X\neval "$X"',
]
SCRIPTS_THAT_READ = [
    'grep -n \\\n  "$X" f',
    "cat > f <<EOF\n$X\nEOF",
    "cat > f <<'EOF'\n$X\nEOF",
    'curl -d "\n$X\n" https://a.example.com',
    'if [ "$X" = a ]; then ls; fi',
    'if [[ "$X" == a || "$X" == b ]]; then ls; fi',
    "if (( X > 3 )) || (( $X < 3 )); then ls; fi",
    'arr=($X)\nls "${arr[@]}"',
    'arr=("$X" b)',
    'case "$X" in a|b) ls ;; "$X") ls;; *) exit 1;; esac',
    'for f in $X; do ls -- "$f"; done',
    "for f in \\\n  $X\ndo ls; done",
    'test -n "$X" && ls',
    '[ -n "$X" ] || exit 1',
    "printf '%s\\n' \"$X\" | grep -f - f",
    'printf %s "$X" | python3 report.py',
    'printf %s "$X" | python3 -c "import sys; print(sys.stdin.read())"',
    "jq -n --arg s \"$X\" '{a: $s}' | curl -d @- https://a.example.com",
    'curl -d "$(jq -n --arg s "$X" \'{a: $s}\')" https://a.example.com',
    'curl -d "$(jq -n --arg s "a $X b" \'{a: $s}\')" https://a.example.com',
    'curl $(cat flags) -d "$X" https://a.example.com',
    "awk -v \"x=$X\" '$1 == x' f",
    'sed -n 1p "$X"',
    "sed -i 's/a/b/' \"notes/$X.md\"",
    'tail -n 5 "/var/log/$X.log"',
    'rg -n -e "$X" .',
    'ssh host grep foo < "$X"',
    'ssh -i "$X" host uptime',
    'echo "$X" >> f',
    'echo "$X" | tee f',
    'X="${X//[^a-z]/}"; eval "ls $X"',
    'eval "$(ssh-agent -s)"; ls -- "$X"',
    'python3 report.py "$X"',
    "python3 -c 'import sys; print(sys.argv[1])' \"$X\"",
    "python3 - \"$X\" <<'PY'\nimport sys\nprint(sys.argv[1])\nPY",
    "python3 <<'PY'\nimport os\nprint(os.environ[\"X\"])\nPY",
    'sh ./run.sh "$X"',
    'bash -c \'ls -- "$1"\' sh "$X"',
    'git log --grep="$X"',
    'git -C repo log -- "$X"',
    'find . -name "$X" -exec cat {} +',
    'find . -name "$X" -print0 | xargs -0 grep foo',
    'psql -v "x=$X" -f q.sql',
    'kubectl get pods -l "app=$X"',
    'docker exec c ls "$X"',
    'test "$X" || echo "usage: $X" >&2',
    'trap \'rm -f "$TMP"\' EXIT\nTMP=$(mktemp)\nls "$X"',
    'while read -r l; do echo "$l $X"; done < f',
    'msg="hello\n$X\n"\necho "$msg"',
    "# run $X\nls",
    "echo a # $X",
    'make -- "$X"',
    'A="$X" ls',
    'LC_ALL=C sort "$X"',
    'cat "$X" | wc -l',
    'echo "$X" | xargs -n1 echo',
    '[ -f "$X" ] && cat "$X"\n',
    'git commit -m "$X"',
    'git switch -c "$X"',
    'gh issue create --title "$X" --body "$(cat)"',
    'exec grep -- "$X" f',
    'kubectl logs "$X" | grep -c error',
    'vim -es "$X"',
    'tmp=$(mktemp); printf %s "$X" > "$tmp"; pandoc "$tmp"',
    "cat <<-END\n\t$X\n\tEND\nls",
    "cat <<A <<B\n$X\nA\n$X\nB\nls",
    'curl -fsS "https://a.example.com/$X"',
    'U="https://a.example.com/$X"\ncurl "$U"',
    'curl -fsS "localhost:80/$X"',
    'curl -H "X-A: $X" https://a.example.com',
    "echo 'it''s' \"$X\"",
    'openssl dgst -sha256 "$X"',
    'x=$(printf %s "$X" | tr a-z A-Z); ls "$x"',
    "echo $((X + 1))",
    'ls ${X:+"$X"}',
    'set -- "$X"\nls "$@"',
    'if ! grep -q -- "$X" f; then echo no; fi',
    'helm upgrade a b --set "t=$X" ||\n  exit 1',
    'foo |\n  grep "$X"',
    'x=$(cat <<EOF\n$X\nEOF\n)\necho "$x"',
]
SCRIPTS_THAT_FETCH = [
    'curl "$URL"',
    'curl -sS \\\n -o f "$URL"',
    'wget -qO- "$URL"',
    'curl "https://$HOST/x"',
    'ssh "$HOST" uptime',
    'git clone "$URL" w',
    'curl "http://$HOST:80"',
    'u="$URL"; curl "$u"',
    'curl -s "$URL" | jq .',
    'out=$(curl -s "$URL")',
    'out="$(curl -s "$URL")"',
    'timeout 5 curl "$URL"',
    'ssh "ops@$HOST" uptime',
    'for i in 1 2; do curl "$URL"; done',
    'if curl -f "$URL"; then ls; fi',
    'curl -s "$URL" | sh',
]


def codes_of_a_script(folder, script):
    env = {"X": X, "URL": "{{ args.url }}", "HOST": "{{ args.host }}"}
    given = {name: value for name, value in env.items() if name == "X" or name in script}
    return codes_of(folder, tool({"shell": {"script": f"{script}\n", "env": given}}))


@pytest.mark.parametrize("script", SCRIPTS_THAT_RUN)
def test_a_script_that_runs_a_value_is_found_once(script, tmp_path):
    assert codes_of_a_script(tmp_path, script) == ["AR803"]


@pytest.mark.parametrize("script", SCRIPTS_THAT_READ)
def test_a_script_that_reads_a_value_is_none(script, tmp_path):
    assert codes_of_a_script(tmp_path, script) == []


@pytest.mark.parametrize("script", SCRIPTS_THAT_FETCH)
def test_a_script_that_calls_whom_the_model_says_is_found_once(script, tmp_path):
    assert codes_of_a_script(tmp_path, script) == ["AR805"]


@pytest.mark.parametrize("script", ["sh", "bash -s", "python3 -", "cat | sh", "base64 -d | sh", 'sh -c "cat | sh"'])
def test_a_script_that_runs_its_standard_input_is_found(script, tmp_path):
    assert codes_of(tmp_path, tool({"shell": {"script": script, "stdin": X}})) == ["AR803"]


@pytest.mark.parametrize("script", ["cat > f", "wc -w", "python3 report.py", "sh -c 'wc -w'", "echo ls | sh"])
def test_a_script_that_reads_its_standard_input_is_none(script, tmp_path):
    assert codes_of(tmp_path, tool({"shell": {"script": script, "stdin": X}})) == []


def test_a_script_for_another_program_is_not_read_as_one_of_a_shell(tmp_path):
    script = '#!/usr/bin/env python3\neval "$X"\n'
    assert codes_of(tmp_path, tool({"shell": {"script": script, "env": {"X": X}}})) == []


def test_arguments_are_counted_behind_the_text(tmp_path):
    command = ["sh", "-c", 'shift; exec "$1"', "sh", "a", X]
    assert codes_of(tmp_path, shell(command)) == ["AR803"]
    assert codes_of(tmp_path, shell(["sh", "-c", 'grep -- "$1" "$2"', "sh", "--", "{{ args.word }}", X])) == []


PIECES = [
    *"'\"\\`$(){}[]<>|&;#=\n \tXa1@*!",
    "$X",
    "${X",
    "$(",
    "<<E",
    "\nE\n",
    "((",
    "[[ ",
    "eval ",
    "sh -c ",
    "=(",
    "<<<",
]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join) | st.text(max_size=60))
def test_any_text_can_be_read(text):
    for command in commands_in(text, {"X": Value("", "X")}, (Value("", "1"), Value("sh")), Value("", "<")):
        assert command.words


@pytest.mark.parametrize(
    "unit", ["$(", '"$(', "(", "[[ ", "<<E ", "`", "'", '"\\"', "$X ", "a=(", '"$(a "', "A=$A$X;", "\\\n"]
)
def test_long_texts_are_read_in_linear_time(unit):
    start = time.perf_counter()
    commands_in(unit * (60_000 // len(unit)), {"X": Value("", "X")})
    assert time.perf_counter() - start < 10
