# Checks that records that are delivered twice are stored once: `check_redelivery STORE DIR`. Source this file.
#
# Needs `convoy`, `step`, `fail` and `clean`. Runs in DIR.

check_redelivery() {
    local store=$1 directory=$2
    step 'readings that the producer appends twice'
    "$convoy" simulate --broker embedded --store "mongodb://$store/" --collection twice --progress never \
        --output "$directory/runs" --faults data=duplicate:0.02 --rate 20 --records 2000 --drain-timeout 120s >"$directory/report" ||
        { cat "$directory/report" && fail 'a run with duplicates failed'; }
    sed -n '2,4p' "$directory/report"
    grep --quiet '^verdict.*: clean' "$directory/report" || { cat "$directory/report" && fail 'the verdict is not clean'; }
    no_dead_letters "$directory/report" 'duplicates became dead letters'

    : >"$directory/up.env"
    "$convoy" up --anonymous --data-dir "$directory/up" --broker-port 0 --registry-port 0 --store-port 0 \
        >"$directory/up.env" 2>"$directory/up.log" &
    UP_PID=$!
    local attempt broker
    for attempt in $(seq 200); do
        broker=$(sed -n 's/^BOOTSTRAP_SERVER=//p' "$directory/up.env" | head -1)
        [ -n "$broker" ] && break
        sleep 0.1
    done
    [ -n "$broker" ] || fail "convoy up printed no broker after $attempt attempts"
    local at=(--broker "$broker" --security-protocol plaintext --topic trucks --progress never)
    local to=("${at[@]}" --store "mongodb://$store/" --collection trucks --session-timeout 6s)

    step 'a consumer is killed, and another one takes over'
    mkdir -p "$directory/first" "$directory/second" "$directory/producer" "$directory/again"
    (cd "$directory/first" && exec "$convoy" consume "${to[@]}" >report 2>talk) &
    local killed=$!
    (cd "$directory/second" && exec "$convoy" consume "${to[@]}" --idle 8s >report 2>talk) &
    local survivor=$! producer
    (cd "$directory/producer" && exec "$convoy" produce "${at[@]}" --vehicles 100 --rate 3 --warmup 0s \
        --records 3000 >report 2>talk) &
    producer=$!
    sleep 6
    kill -9 "$killed"
    wait "$producer" || { cat "$directory/producer/talk" && fail 'the producer failed'; }
    wait "$survivor" || { cat "$directory/second/talk" && fail 'the surviving consumer failed'; }
    grep '^counts' "$directory/second/report"
    no_dead_letters "$directory/second/report" 'a takeover made dead letters'
    grep --quiet '^lag at the end: 0 ' "$directory/second/report" || fail 'records are unread'

    step 'the group starts again at the earliest record'
    (cd "$directory/again" && "$convoy" consume "${to[@]}" --from earliest --idle 5s >report 2>talk) ||
        { cat "$directory/again/talk" && fail 'the second reading failed'; }
    grep '^counts' "$directory/again/report"
    grep --quiet 'stored 0 · replayed 3,000' "$directory/again/report" || fail 'not every record was known'
    no_dead_letters "$directory/again/report" 'known records became dead letters'

    step 'audit of the producer and both consumers'
    "$convoy" report merge "$directory"/producer/runs/* "$directory"/second/runs/* "$directory"/again/runs/* \
        --store "mongodb://$store/" --collection trucks >"$directory/report" || { cat "$directory/report" && fail 'the audit failed'; }
    grep --quiet '^verdict.*: clean' "$directory/report" || { cat "$directory/report" && fail 'the verdict is not clean'; }
    sed -n '2,4p' "$directory/report"
    stop_up
}

# Reports leave counts of zero out.
no_dead_letters() {
    if grep --quiet 'dead-lettered' "$1"; then
        cat "$1"
        fail "$2"
    fi
}

stop_up() {
    if [ -n "${UP_PID:-}" ]; then
        kill "$UP_PID" 2>/dev/null || true
        wait "$UP_PID" 2>/dev/null || true
        UP_PID=
    fi
}
