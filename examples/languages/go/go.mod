module orders

go 1.23

require (
	github.com/twmb/franz-go v1.18.1
	github.com/twmb/franz-go/pkg/kadm v1.14.0
	go.mongodb.org/mongo-driver v1.16.0
)
