// franz-go against the broker in the variables of `convoy up`'s `.env`.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

const (
	partitions = 6
	records    = 5000
	deadline   = 60 * time.Second
)

func main() {
	checks := []struct {
		name string
		run  func(context.Context) error
	}{
		{"every mechanism authenticates the user", everyMechanism},
		{"wrong password is rejected", wrongPassword},
		{"every codec keeps the values", everyCodec},
		{"group shares partitions and resumes at its committed offsets", group},
		{"topics, configurations and groups are administered", administer},
		{"transactions move records and offsets exactly once", transactions},
	}
	for _, check := range checks {
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		started := time.Now()
		if err := check.run(ctx); err != nil {
			log.Fatalf("FAIL %s: %v", check.name, err)
		}
		cancel()
		fmt.Printf("ok   %s %.1f s\n", check.name, time.Since(started).Seconds())
	}
}

// connect returns a client; without a mechanism it authenticates by PLAIN.
func connect(mechanism sasl.Mechanism, more ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append(options(mechanism), more...)...)
	if err != nil {
		log.Fatal(err)
	}
	return client
}

// options returns the address and the credentials; without a mechanism those of PLAIN.
func options(mechanism sasl.Mechanism) []kgo.Opt {
	if mechanism == nil {
		mechanism = plain.Auth{User: user(), Pass: password()}.AsMechanism()
	}
	options := []kgo.Opt{kgo.SeedBrokers(os.Getenv("BOOTSTRAP_SERVER")), kgo.SASL(mechanism)}
	if file := os.Getenv("SSL_CA_LOCATION"); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			log.Fatal(err)
		}
		trusted := x509.NewCertPool()
		trusted.AppendCertsFromPEM(pem)
		dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: 10 * time.Second}, Config: &tls.Config{RootCAs: trusted}}
		options = append(options, kgo.Dialer(dialer.DialContext))
	}
	return options
}

func user() string     { return os.Getenv("API_KEY") }
func password() string { return os.Getenv("API_SECRET_KEY") }

func unique(name string) string { return fmt.Sprintf("%s-%d", name, time.Now().UnixNano()) }

func everyMechanism(ctx context.Context) error {
	for _, mechanism := range []sasl.Mechanism{
		plain.Auth{User: user(), Pass: password()}.AsMechanism(),
		scram.Auth{User: user(), Pass: password()}.AsSha256Mechanism(),
		scram.Auth{User: user(), Pass: password()}.AsSha512Mechanism(),
	} {
		client := connect(mechanism)
		err := client.Ping(ctx)
		client.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", mechanism.Name(), err)
		}
	}
	return nil
}

func wrongPassword(ctx context.Context) error {
	client := connect(plain.Auth{User: user(), Pass: "wrong"}.AsMechanism(), kgo.RetryTimeout(5*time.Second))
	defer client.Close()
	if err := client.Ping(ctx); !errors.Is(err, kerr.SaslAuthenticationFailed) {
		return fmt.Errorf("got %v", err)
	}
	return nil
}

// fill creates a topic and produces numbered records, idempotently, as franz-go does by default.
func fill(ctx context.Context, codec kgo.CompressionCodec) (string, error) {
	topic := unique("franz")
	client := connect(nil, kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(5*time.Millisecond))
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(ctx, partitions, 1, nil, topic); err != nil {
		return topic, err
	}
	numbered := make([]*kgo.Record, records)
	for number := range numbered {
		text := fmt.Appendf(nil, "value %d", number)
		numbered[number] = &kgo.Record{Key: fmt.Appendf(nil, "%d", number), Value: text}
	}
	return topic, client.ProduceSync(ctx, numbered...).FirstErr()
}

// read polls clients in turn until the number of distinct values is reached.
func read(ctx context.Context, wanted int, values map[string]bool, clients ...*kgo.Client) error {
	for len(values) < wanted {
		if ctx.Err() != nil {
			return fmt.Errorf("read %d of %d records", len(values), wanted)
		}
		for _, client := range clients {
			short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			fetches := client.PollFetches(short)
			cancel()
			for _, failed := range fetches.Errors() {
				if !errors.Is(failed.Err, context.DeadlineExceeded) {
					return failed.Err
				}
			}
			fetches.EachRecord(func(record *kgo.Record) { values[string(record.Value)] = true })
		}
	}
	return nil
}

func everyCodec(ctx context.Context) error {
	codecs := []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()}
	for _, codec := range codecs {
		topic, err := fill(ctx, codec)
		if err != nil {
			return err
		}
		client := connect(nil, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		err = read(ctx, records, map[string]bool{}, client)
		client.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func group(ctx context.Context) error {
	balancers := []kgo.GroupBalancer{kgo.RangeBalancer(), kgo.RoundRobinBalancer(), kgo.StickyBalancer(), kgo.CooperativeStickyBalancer()}
	for _, balancer := range balancers {
		if err := groupWith(ctx, balancer); err != nil {
			return fmt.Errorf("%s: %w", balancer.ProtocolName(), err)
		}
	}
	return nil
}

func groupWith(ctx context.Context, balancer kgo.GroupBalancer) error {
	topic, err := fill(ctx, kgo.ZstdCompression())
	if err != nil {
		return err
	}
	name := unique("group")
	join := func() *kgo.Client {
		return connect(nil, kgo.ConsumerGroup(name), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
			kgo.Balancers(balancer), kgo.SessionTimeout(6*time.Second), kgo.HeartbeatInterval(300*time.Millisecond))
	}
	first, second := join(), join()
	if err := read(ctx, records, map[string]bool{}, first, second); err != nil {
		return err
	}
	for _, member := range []*kgo.Client{first, second} {
		if err := member.CommitUncommittedOffsets(ctx); err != nil {
			return err
		}
		member.Close()
	}
	client := connect(nil)
	defer client.Close()
	lags, err := kadm.NewClient(client).Lag(ctx, name)
	if err != nil {
		return err
	}
	if lag := lags[name].Lag.Total(); lag != 0 {
		return fmt.Errorf("the group lags by %d", lag)
	}
	return nil
}

func administer(ctx context.Context) error {
	client := connect(nil)
	defer client.Close()
	admin := kadm.NewClient(client)
	topic := unique("admin")
	retention := "1000"
	if _, err := admin.CreateTopic(ctx, 2, 1, map[string]*string{"retention.ms": &retention}, topic); err != nil {
		return err
	}
	configs, err := admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return err
	}
	found := ""
	for _, config := range configs[0].Configs {
		if config.Key == "retention.ms" {
			found = config.MaybeValue()
		}
	}
	if found != retention {
		return fmt.Errorf("retention.ms is %q", found)
	}
	if _, err := admin.CreatePartitions(ctx, 3, topic); err != nil {
		return err
	}
	details, err := admin.ListTopics(ctx, topic)
	if err != nil {
		return err
	}
	if grown := len(details[topic].Partitions); grown != 5 {
		return fmt.Errorf("%d partitions", grown)
	}
	if _, err := admin.ListGroups(ctx); err != nil {
		return err
	}
	_, err = admin.DeleteTopics(ctx, topic)
	return err
}

// transactions moves records from one topic to another; every third transaction aborts.
func transactions(ctx context.Context) error {
	source, target, group := unique("source"), unique("target"), unique("movers")
	plain := connect(nil)
	defer plain.Close()
	admin := kadm.NewClient(plain)
	if _, err := admin.CreateTopics(ctx, partitions, 1, nil, source, target); err != nil {
		return err
	}
	for number := range records {
		record := &kgo.Record{Topic: source, Value: fmt.Appendf(nil, "%d", number)}
		plain.Produce(ctx, record, nil)
	}
	if err := plain.Flush(ctx); err != nil {
		return err
	}
	if err := move(ctx, source, target, group); err != nil {
		return err
	}
	reader := connect(nil, kgo.ConsumeTopics(target), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	defer reader.Close()
	seen := make(map[string]bool)
	for len(seen) < records {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		for _, record := range fetches.Records() {
			if seen[string(record.Value)] {
				return fmt.Errorf("%s was moved twice", record.Value)
			}
			seen[string(record.Value)] = true
		}
	}
	return nil
}

func move(ctx context.Context, source, target, group string) error {
	session, err := kgo.NewGroupTransactSession(append(options(nil),
		kgo.TransactionalID(unique("mover")), kgo.ConsumerGroup(group), kgo.ConsumeTopics(source),
		kgo.RequireStableFetchOffsets(), kgo.FetchIsolationLevel(kgo.ReadCommitted()))...)
	if err != nil {
		return err
	}
	defer session.Close()
	for moved, round := 0, 0; moved < records; round++ {
		fetches := session.PollRecords(ctx, records/10)
		if err := fetches.Err(); err != nil {
			return err
		}
		if err := session.Begin(); err != nil {
			return err
		}
		for _, record := range fetches.Records() {
			session.Produce(ctx, &kgo.Record{Topic: target, Value: record.Value}, nil)
		}
		committed, err := session.End(ctx, kgo.TransactionEndTry(round%3 != 2))
		if err != nil {
			return err
		}
		if committed {
			moved += fetches.NumRecords()
		}
	}
	return nil
}
