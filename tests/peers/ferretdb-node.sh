# Starts FerretDB with SQLite: `start_ferretdb DIR` sets $FERRETDB to its address; `stop_ferretdb`. Source this file.

peers=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
FERRETDB_VERSION=1.24.0
FERRETDB_PROGRAM=$peers/../../target/peers/ferretdb

# FerretDB reads its version from files that a release contains and the Go module does not.
build_ferretdb() {
    local module=github.com/FerretDB/FerretDB source
    if [ -x "$FERRETDB_PROGRAM" ]; then
        return
    fi
    echo "building FerretDB $FERRETDB_VERSION from the Go module proxy"
    source=$(mktemp -d)
    cp --recursive "$(timeout 300 go mod download -json "$module@v$FERRETDB_VERSION" |
        sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')/." "$source"
    chmod --recursive u+w "$source"
    echo "v$FERRETDB_VERSION" >"$source/build/version/version.txt"
    echo unknown | tee "$source/build/version/commit.txt" "$source/build/version/branch.txt" >"$source/build/version/package.txt"
    mkdir -p "$(dirname "$FERRETDB_PROGRAM")"
    (cd "$source" && GOFLAGS=-mod=mod timeout 1200 go build -o "$source/built" ./cmd/ferretdb)
    mv "$source/built" "$FERRETDB_PROGRAM"
    rm -rf "$source"
}

start_ferretdb() {
    local directory=$1 log=$1/ferretdb.log attempt
    build_ferretdb
    mkdir -p "$directory/ferretdb"
    "$FERRETDB_PROGRAM" --handler=sqlite --sqlite-url="file:$directory/ferretdb/" --state-dir="$directory/ferretdb" \
        --listen-addr=127.0.0.1:0 --telemetry=disable --debug-addr=- --log-level=info >"$log" 2>&1 &
    FERRETDB_PID=$!
    for attempt in $(seq 100); do
        FERRETDB=$(sed -n 's/.*Listening on TCP.*\(127\.0\.0\.1:[0-9]*\).*/\1/p' "$log" | head -1)
        if [ -n "$FERRETDB" ]; then
            return
        fi
        kill -0 "$FERRETDB_PID" 2>/dev/null || break
        sleep 0.1
    done
    echo "FerretDB did not start after $attempt attempts:"
    tail -20 "$log"
    return 1
}

stop_ferretdb() {
    if [ -n "${FERRETDB_PID:-}" ]; then
        kill "$FERRETDB_PID" 2>/dev/null || true
        wait "$FERRETDB_PID" 2>/dev/null || true
        FERRETDB_PID=
    fi
}
