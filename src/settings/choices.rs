//! Options with a fixed set of values.

use crate::string_enum::string_enum;

string_enum! {
    /// Kind of servers for both broker and store.
    Backend {
        /// Containers if an engine on this machine has both images, else embedded.
        Auto = "auto",
        /// Servers in this process.
        Embedded = "embedded",
        /// Redpanda and MongoDB in containers that convoy starts.
        Containers = "containers",
        /// Existing servers.
        External = "external",
    }
}

string_enum! {
    /// Destination of the readings.
    Sink {
        /// Through the broker into the store.
        Pipeline = "pipeline",
        /// Readings are only counted, which measures the load generator.
        Null = "null",
    }
}

string_enum! {
    /// Encoding of a message's value.
    Encoding {
        /// Plain JSON.
        Json = "json",
        /// Confluent's wire format: magic byte, schema id, JSON.
        Confluent = "confluent",
    }
}

string_enum! {
    /// Format of the report on stdout.
    Format {
        /// For people.
        Text = "text",
        /// For programs.
        Json = "json",
    }
}

string_enum! {
    /// Form of exported figures.
    ExportForm {
        /// Metric format of Bencher.
        Bencher = "bencher",
        /// Of `github-action-benchmark`: figures of which smaller is better.
        ActionSmaller = "action-smaller",
        /// Of `github-action-benchmark`: figures of which bigger is better.
        ActionBigger = "action-bigger",
    }
}
