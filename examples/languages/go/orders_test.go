package orders

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

func connect(t *testing.T, more ...kgo.Opt) *kgo.Client {
	auth := plain.Auth{User: os.Getenv("API_KEY"), Pass: os.Getenv("API_SECRET_KEY")}
	opts := []kgo.Opt{kgo.SeedBrokers(os.Getenv("BOOTSTRAP_SERVER")), kgo.SASL(auth.AsMechanism())}
	client, err := kgo.NewClient(append(opts, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func TestOrdersAreStoredOnce(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	topic := fmt.Sprintf("orders-%d", time.Now().UnixNano())
	producer := connect(t)
	if _, err := kadm.NewClient(producer).CreateTopic(ctx, 3, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	const count = 20
	for number := range count {
		key := fmt.Appendf(nil, "%d", number)
		record := &kgo.Record{Topic: topic, Key: key, Value: []byte("paid")}
		if err := producer.ProduceSync(ctx, record).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}

	// The code under test.
	store, err := mongo.Connect(ctx, options.Client().ApplyURI(os.Getenv("MONGO_DB_URL")))
	if err != nil {
		t.Fatal(err)
	}
	orders := store.Database("shop").Collection(topic)
	consumer := connect(t, kgo.ConsumerGroup(topic), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
	for stored := 0; stored < count; {
		fetches := consumer.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			id, order := bson.M{"_id": string(record.Key)}, bson.M{"state": string(record.Value)}
			if _, err := orders.ReplaceOne(ctx, id, order, options.Replace().SetUpsert(true)); err != nil {
				t.Fatal(err)
			}
			stored++
		})
		if err := consumer.CommitUncommittedOffsets(ctx); err != nil {
			t.Fatal(err)
		}
	}

	found, err := orders.CountDocuments(ctx, bson.M{"state": "paid"})
	if err != nil || found != count {
		t.Fatalf("%d orders are stored: %v", found, err)
	}
}
