# Starts mongo-java-server: `start_java_store DIR [WIRE_VERSION]` sets $JAVA_STORE to its address; `stop_java_store`.
# Source this file. Needs Java 17 and Maven. Keeps the jars in target/peers/mongo-java-server.

peers=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
JAVA_STORE_VERSION=1.47.0
JAVA_STORE_JARS=$peers/../../target/peers/mongo-java-server

fetch_java_store() {
    if [ ! -e "$JAVA_STORE_JARS/mongo-java-server-$JAVA_STORE_VERSION.jar" ]; then
        echo "fetching mongo-java-server $JAVA_STORE_VERSION from Maven Central"
        timeout 600 mvn --quiet --batch-mode --file "$peers/mongo-java-server-pom.xml" \
            org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
            -DoutputDirectory="$(realpath -m "$JAVA_STORE_JARS")"
    fi
}

start_java_store() {
    local directory=$1 attempt
    fetch_java_store
    # The program may be slower than the first look.
    : >"$directory/address"
    java -Xmx512m -cp "$JAVA_STORE_JARS/*" "$peers/MongoJavaServer.java" "${@:2}" \
        >"$directory/address" 2>"$directory/java-store.log" &
    JAVA_STORE_PID=$!
    for attempt in $(seq 300); do
        JAVA_STORE=$(head -1 "$directory/address")
        if [ -n "$JAVA_STORE" ]; then
            return
        fi
        kill -0 "$JAVA_STORE_PID" 2>/dev/null || break
        sleep 0.1
    done
    echo "mongo-java-server did not start after $attempt attempts:"
    tail -20 "$directory/java-store.log"
    return 1
}

stop_java_store() {
    if [ -n "${JAVA_STORE_PID:-}" ]; then
        kill "$JAVA_STORE_PID" 2>/dev/null || true
        wait "$JAVA_STORE_PID" 2>/dev/null || true
        JAVA_STORE_PID=
    fi
}
