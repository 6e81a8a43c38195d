# Starts `convoy up` on free ports: `start_up CONVOY DIR`, `stop_up`. Source this file.
#
# The broker is $UP_BROKER and the store $UP_STORE, without users. Data and log are in DIR/up and DIR/up.log.

start_up() {
    local convoy=$1 directory=$2 _attempt
    : >"$directory/up.env"
    "$convoy" up --anonymous --data-dir "$directory/up" --broker-port 0 --registry-port 0 --store-port 0 \
        >"$directory/up.env" 2>"$directory/up.log" &
    UP_PID=$!
    for _attempt in $(seq 300); do
        UP_STORE=$(sed -n 's/^MONGO_DB_URL=//p' "$directory/up.env" | head -1)
        UP_BROKER=$(sed -n 's/^BOOTSTRAP_SERVER=//p' "$directory/up.env" | head -1)
        [ -n "$UP_STORE" ] && return
        kill -0 "$UP_PID" 2>/dev/null || break
        sleep 0.1
    done
    echo 'convoy up did not start:'
    tail -5 "$directory/up.log"
    return 1
}

stop_up() {
    if [ -n "${UP_PID:-}" ]; then
        kill "$UP_PID" 2>/dev/null || true
        wait "$UP_PID" 2>/dev/null || true
        UP_PID=
    fi
}
