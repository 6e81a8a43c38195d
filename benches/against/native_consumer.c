/* A plain consumer in C: librdkafka and MongoDB's C driver; the variables say where.
 *
 * It does what plain_consumer.py does: stores what one call of the client returns, with `_id`s made of
 * topic, partition and offset and writes that are on disk, and commits the offsets afterwards. */

#include <librdkafka/rdkafka.h>
#include <mongoc/mongoc.h>
#include <signal.h>
#include <stdlib.h>

enum { BATCH = 1000, WAIT_MS = 100, DUPLICATE_KEY = 11000 };

static volatile sig_atomic_t running = 1;

static void stop(int number) {
    (void)number;
    running = 0;
}

static const char *variable(const char *name) {
    const char *value = getenv(name);
    if (value == NULL) {
        fprintf(stderr, "%s is not set\n", name);
        exit(2);
    }
    return value;
}

static rd_kafka_t *subscribe(void) {
    char text[512];
    const char *settings[][2] = {
        {"bootstrap.servers", variable("BOOTSTRAP_SERVER")},
        {"group.id", variable("CONVOY_GROUP")},
        {"auto.offset.reset", "earliest"},
        {"enable.auto.commit", "false"},
    };
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t n = 0; n < sizeof settings / sizeof *settings; n++) {
        if (rd_kafka_conf_set(conf, settings[n][0], settings[n][1], text, sizeof text) != RD_KAFKA_CONF_OK) {
            fprintf(stderr, "%s\n", text);
            exit(2);
        }
    }
    rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    rd_kafka_poll_set_consumer(consumer);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, variable("CONVOY_TOPIC"), RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(consumer, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return consumer;
}

/* Inserts documents; documents that are there already do not matter. */
static void insert(mongoc_collection_t *collection, bson_t **documents, size_t count, const bson_t *options) {
    bson_t reply;
    bson_error_t error;
    if (!mongoc_collection_insert_many(collection, (const bson_t **)documents, count, options, &reply, &error) &&
        error.code != DUPLICATE_KEY) {
        fprintf(stderr, "insert: %s\n", error.message);
        exit(1);
    }
    bson_destroy(&reply);
}

int main(void) {
    signal(SIGTERM, stop);
    mongoc_init();
    mongoc_client_t *client = mongoc_client_new(variable("MONGO_DB_URL"));
    mongoc_collection_t *collection =
        mongoc_client_get_collection(client, variable("CONVOY_DATABASE"), variable("CONVOY_COLLECTION"));
    bson_t *options = BCON_NEW("ordered", BCON_BOOL(false), "writeConcern", "{", "w", "majority", "j", BCON_BOOL(true), "}");
    rd_kafka_t *consumer = subscribe();
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(consumer);
    rd_kafka_message_t *messages[BATCH];
    bson_t *documents[BATCH];
    while (running) {
        ssize_t received = rd_kafka_consume_batch_queue(queue, WAIT_MS, messages, BATCH);
        size_t count = 0;
        for (ssize_t n = 0; n < received; n++) {
            rd_kafka_message_t *message = messages[n];
            if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
                char id[320];
                bson_error_t error;
                bson_t *document = bson_new_from_json(message->payload, (ssize_t)message->len, &error);
                if (document == NULL) {
                    fprintf(stderr, "JSON: %s\n", error.message);
                    exit(1);
                }
                snprintf(id, sizeof id, "%s/%d/%lld", rd_kafka_topic_name(message->rkt), message->partition,
                         (long long)message->offset);
                BSON_APPEND_UTF8(document, "_id", id);
                documents[count++] = document;
            }
            rd_kafka_message_destroy(message);
        }
        if (count > 0) {
            insert(collection, documents, count, options);
            for (size_t n = 0; n < count; n++) {
                bson_destroy(documents[n]);
            }
            rd_kafka_commit(consumer, NULL, 0);
        }
    }
    rd_kafka_consumer_close(consumer);
    return 0;
}
