# Starts one node of Apache Kafka (KRaft): `start_kafka DIR`, `stop_kafka`. Source this file.
#
# The node listens on 127.0.0.1 in plain text ($KAFKA_PLAIN) and with SASL_SSL ($KAFKA_SECURE). The authority of its
# certificate is $KAFKA_CA. User $KAFKA_USER with $KAFKA_PASSWORD authenticates by PLAIN or SCRAM-SHA-256, and may do
# what no ACL denies; clients in plain text may do everything.
# Needs Java 17 and Maven. Downloads the jars from Maven Central and keeps them in target/peers/kafka ($KAFKA_JARS).

peers=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
KAFKA_JARS=$peers/../../target/peers/kafka
KAFKA_USER=fleet
KAFKA_PASSWORD=sentinel-$RANDOM$RANDOM$RANDOM
KAFKA_VERSION=4.1.0

fetch_kafka() {
    if [ ! -e "$KAFKA_JARS/kafka-clients-$KAFKA_VERSION.jar" ]; then
        echo "fetching Apache Kafka $KAFKA_VERSION from Maven Central"
        timeout 600 mvn --quiet --batch-mode --file "$peers/kafka-pom.xml" \
            org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies -DoutputDirectory="$(realpath -m "$KAFKA_JARS")"
    fi
}

# Prints a free port below the range from which the kernel takes ports for outgoing connections.
free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 10000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port" && return; }
    done
}

# Creates an authority and a certificate for 127.0.0.1.
make_certificates() {
    local directory=$1 password=$2
    local store=(-storetype PKCS12 -storepass "$password" -keyalg RSA -keysize 2048 -validity 2)
    (
        cd "$directory"
        keytool -genkeypair -keystore ca.p12 -alias ca -dname CN=authority -ext bc:c=ca:true "${store[@]}"
        keytool -exportcert -rfc -keystore ca.p12 -storepass "$password" -alias ca >ca.pem
        keytool -genkeypair -keystore node.p12 -alias node -dname CN=localhost "${store[@]}"
        keytool -certreq -keystore node.p12 -storepass "$password" -alias node |
            keytool -gencert -rfc -keystore ca.p12 -storepass "$password" -alias ca \
                -ext san=ip:127.0.0.1,dns:localhost -validity 2 >node.pem
        cat ca.pem node.pem >chain.pem
        keytool -importcert -noprompt -keystore node.p12 -storepass "$password" -alias ca -file ca.pem
        keytool -importcert -noprompt -keystore node.p12 -storepass "$password" -alias node -file chain.pem
    ) >"$directory/keytool.log" 2>&1
}

start_kafka() {
    local directory=$1 keys=keys-$RANDOM
    local plain secure controller
    fetch_kafka
    plain=$(free_port) secure=$(free_port) controller=$(free_port)
    make_certificates "$directory" "$keys"
    local plain_module=org.apache.kafka.common.security.plain.PlainLoginModule
    local scram_module=org.apache.kafka.common.security.scram.ScramLoginModule
    cat >"$directory/server.properties" <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listeners=PLAINTEXT://127.0.0.1:$plain,SASL_SSL://127.0.0.1:$secure,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$plain,SASL_SSL://127.0.0.1:$secure
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256
listener.name.sasl_ssl.plain.sasl.jaas.config=$plain_module required user_$KAFKA_USER="$KAFKA_PASSWORD";
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=$scram_module required;
ssl.keystore.type=PKCS12
ssl.keystore.location=$directory/node.p12
ssl.keystore.password=$keys
log.dirs=$directory/data
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
allow.everyone.if.no.acl.found=true
END
    printf 'log4j.rootLogger=ERROR\n' >"$directory/log4j.properties"
    kafka_java kafka.tools.StorageTool format --cluster-id MkU3OEVBNTcwNTJENDM2Qg \
        --config "$directory/server.properties" \
        --add-scram "SCRAM-SHA-256=[name=$KAFKA_USER,password=$KAFKA_PASSWORD]" >"$directory/format.log" 2>&1
    java -Xmx1g -cp "$KAFKA_JARS/*" kafka.Kafka "$directory/server.properties" >"$directory/kafka.log" 2>&1 &
    KAFKA_PID=$!
    KAFKA_PLAIN=127.0.0.1:$plain
    KAFKA_SECURE=127.0.0.1:$secure
    KAFKA_CA=$directory/ca.pem
    kafka_ready "$directory/kafka.log"
}

kafka_java() { timeout 120 java -Xmx256m -cp "$KAFKA_JARS/*" "$@"; }

# Waits until the node answers requests.
kafka_ready() {
    local attempt
    for attempt in $(seq 60); do
        if ! kill -0 "$KAFKA_PID" 2>/dev/null; then
            break
        fi
        if (exec 3<>"/dev/tcp/${KAFKA_PLAIN/:/\/}") 2>/dev/null &&
            kafka_java org.apache.kafka.tools.TopicCommand --bootstrap-server "$KAFKA_PLAIN" --list >/dev/null 2>&1; then
            return
        fi
        sleep 1
    done
    echo "Apache Kafka did not start after $attempt attempts:"
    tail -20 "$1"
    return 1
}

stop_kafka() {
    if [ -n "${KAFKA_PID:-}" ]; then
        kill "$KAFKA_PID" 2>/dev/null || true
        wait "$KAFKA_PID" 2>/dev/null || true
        KAFKA_PID=
    fi
}
