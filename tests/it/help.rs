//! What the program says about itself.

use crate::place::Place;

#[test]
fn help_goes_to_stdout_and_names_every_exit_code() {
    let outcome = Place::empty().convoy("--help");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    insta::assert_snapshot!(outcome.stdout, @"
    Drives a simulated vehicle fleet through Kafka into MongoDB and proves what arrived, how fast and
    how late

    Usage: convoy <COMMAND>

    Commands:
      simulate  Run the whole thing: provision, warm up, measure, drain, audit, report
      up        Serve Kafka, Schema Registry and MongoDB here until Ctrl-C; prints a `.env` for their
                clients
      produce   Run the producing half against an existing broker: emit the fleet, or a part of it
      consume   Run the consuming half against existing servers, sharing partitions with others
      report    Join reports of several processes, and audit what they did together; or show one again
      dataset   Look at the rows to replay, or make some
      doctor    Say what is missing on this machine, each with its fix; exit 3 if `simulate` would not
                run
      clean     Remove containers and data of runs whose process is provably gone, and nothing else
      help      Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Exit codes:
      0    everything went as asked
      1    the run finished, but its verdict or a threshold failed
      2    the command line, the scenario or an environment variable is wrong
      3    the environment failed: broker, store, file
      4    a bug in convoy
      130  interrupted
    ");
}

#[test]
#[expect(clippy::too_many_lines, reason = "the help is that long")]
fn short_help_of_simulate_fits_a_screen() {
    let outcome = Place::empty().convoy("simulate -h");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    insta::assert_snapshot!(outcome.stdout, @"
    Run the whole thing: provision, warm up, measure, drain, audit, report

    Usage: convoy simulate [OPTIONS]

    Options:
      -h, --help  Print help (see more with '--help')

    Fleet:
      -n, --vehicles <N>       Number of vehicles [default: 50]
      -r, --rate <RATE>        Readings of each vehicle: `2` per second, `30/m`, `3600/h` or `max`
                               [default: 1]
          --total-rate <RATE>  Readings of the whole fleet, instead of `--rate`
          --arrival <SHAPE>    Shape of the arrivals: `uniform`, `poisson`, `burst` or `ramp` [default:
                               uniform]
          --key <KEY>          Key of each message: `vehicle` (keeps a vehicle's order), `uuid` or
                               `none` [default: vehicle]
          --dataset <PATH>     CSV file, folder of them, or folder with one folder per topic; the
                               default is built in [default: sample_data]
          --seed <N>           Seed of every random choice; the same seed emits the same readings
                               [default: 42]

    Length:
      -d, --duration <TIME>         How long to measure, after the warm-up [default: 10s]
          --records <N|all>         How many readings to measure, or `all` rows once, instead of
                                    `--duration`
          --warmup <TIME>           Load before measuring starts [default: 2s; 0s with `--records`]
          --drain-timeout <TIME>    How long to wait until everything emitted is stored [default: 60s]
          --request-timeout <TIME>  How long one request may take until it counts as unanswered and is
                                    sent again [default: 10s]
          --broker-timeout <TIME>   How long the broker may fail to answer before the run gives up
                                    [default: 2m]
          --store-timeout <TIME>    How long the store may fail to answer before the run gives up
                                    [default: 2m]

    Pipeline:
          --topic <NAME>            Topic [default: named by the folder of the dataset]
          --partitions <N>          Partitions of a topic that is created; if given, an existing one
                                    must have as many [default: 4]
          --replication-factor <N>  Replicas of each partition of a topic that is created [default: as
                                    the broker is configured]
          --consumers <N>           Consumers that share the partitions [default: 2, or 1 for one
                                    partition]
          --linger <TIME>           How long the producer gathers a batch [default: 5ms]
          --compression <CODEC>     Compression of record batches: `none`, `gzip`, `lz4`, `snappy` or
                                    `zstd` [default: none]
          --encoding <FORM>         Form of each message: `json`, or `confluent` with a schema id before
                                    it [default: json]
          --batch-records <N>       Most documents of one insert [default: 1000]
          --batch-wait <TIME>       How long the writer gathers an insert [default: 10ms]
          --database <NAME>         Database to write to [default: convoy]
          --collection <NAME>       Collection to write to [default: sensor]
          --sink <SINK>             Where readings go: `pipeline`, or `null` to measure the pacer alone
                                    [default: pipeline]

    Servers:
      -b, --backend <KIND>                Where both servers come from: `auto`, `embedded`, `containers`
                                          or `external` [default: auto]
          --broker <HOST:PORT,…>          Addresses of an existing broker, or `embedded` or `container`
          --security-protocol <PROTOCOL>  How to talk to an existing broker: `plaintext`, `ssl`,
                                          `sasl_plaintext` or `sasl_ssl` [default: `sasl_ssl` with a
                                          user, `plaintext` without]
          --sasl-mechanism <MECHANISM>    How the password is shown to an existing broker: `plain`,
                                          `scram-sha-256` or `scram-sha-512` [default: plain]
          --ca-file <FILE>                Certificate authorities of an existing broker, a PEM file
                                          [default: those of the web]
          --store <URI>                   URI of an existing store (mongodb://…), or `embedded` or
                                          `container`
          --broker-port <PORT>            Port of the embedded broker [default: a free one]
          --store-port <PORT>             Port of the embedded store [default: a free one]
          --data-dir <DIR>                Where the embedded servers keep their data [default: a
                                          temporary directory]
          --redpanda-image <IMAGE>        Image of a broker in a container [default:
                                          redpandadata/redpanda:v25.1.1]
          --mongo-image <IMAGE>           Image of a store in a container [default: mongo:8.0.4]
          --start-timeout <TIME>          How long a container may take until its server answers
                                          [default: 60s]
          --keep[=<BOOL>]                 Leave containers running, and say how to reach and remove them

    Output:
      -o, --output <DIR>               Where the run's directory is made [default: runs]
          --format <FORM>              Form of the report on stdout: `text` or `json` [default: text]
          --max-end-to-end-p99 <TIME>  Fail where the end-to-end p99 is above this
          --min-throughput <RATE>      Fail where fewer records per second are stored
          --max-dead-letters <N>       Fail where more records end as dead letters [default: fail at the
                                       first]
          --progress <WHEN>            Progress on stderr: `auto` draws bars on a terminal, `never`
                                       writes plain lines [default: auto]
          --scenario <FILE>            TOML file with any of these options

    Faults:
          --faults <PLAN>  What goes wrong on purpose, such as
                           `broker-restart@5s,store-cut-after-apply=0.001`, or
                           `chaos`.
    ");
}

#[test]
fn long_help_of_simulate_ends_with_examples() {
    let outcome = Place::empty().convoy("simulate --help");
    assert_eq!(outcome.code, 0);
    assert!(
        outcome
            .stdout
            .contains("$ convoy simulate --vehicles 1000 --rate max")
    );
    assert!(outcome.stdout.contains("CONVOY_VEHICLES=50"));
}

#[test]
fn the_version_is_that_of_the_package() {
    let outcome = Place::empty().convoy("--version");
    let expected = format!("convoy {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!((outcome.code, outcome.stdout), (0, expected));
}

#[test]
fn without_a_command_the_help_goes_to_stderr() {
    let outcome = Place::empty().convoy("");
    assert_eq!((outcome.code, outcome.stdout.as_str()), (2, ""));
    assert!(outcome.stderr.starts_with("error: a command is missing"));
}
