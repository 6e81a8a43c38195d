//! Transactions across kills: what is committed stays, what is not does not appear.

use super::*;

/// A decided end whose markers are still missing is what a kill leaves behind.
fn decide(fixture: &Fixture, client: &Client, commits: bool) {
    let transactions = fixture.cluster.transactions();
    transactions.decide(&client.id, commits).unwrap();
}

#[test]
fn open_transaction_continues_after_a_restart() {
    let fixture = Fixture::new();
    let mut client = Client::init(&fixture, ID);
    client.add(&fixture, &[0, 1]);
    client.send(&fixture, 0, "before");
    let fixture = fixture.reopen();
    assert!(isolation::committed(&fixture, 0, 0).is_empty());
    assert_eq!(client.send(&fixture, 0, "after").0, 0);
    assert_eq!(client.send(&fixture, 1, "first").0, 0);
    assert_eq!(client.end(&fixture, true), 0);
    let fixture = fixture.reopen();
    assert_eq!(isolation::committed(&fixture, 0, 0), ["before", "after"]);
    assert_eq!(isolation::committed(&fixture, 1, 0), ["first"]);
}

#[test]
fn decided_transaction_is_finished_on_the_next_start() {
    for commits in [true, false] {
        for written in [0, 1] {
            let fixture = Fixture::new();
            let mut client = Client::init(&fixture, ID);
            client.add(&fixture, &[0, 1]);
            client.send(&fixture, 0, "zero");
            client.send(&fixture, 1, "one");
            decide(&fixture, &client, commits);
            for index in 0..written {
                let partition = fixture.cluster.partition(TopicRef::Name("known"), index);
                let marker = crate::log::Marker {
                    producer_id: client.producer,
                    producer_epoch: client.epoch,
                    commits,
                    timestamp: 7,
                };
                partition.unwrap().end_transaction(&marker).unwrap();
            }
            let fixture = fixture.reopen();
            let expected: [&[&str]; 2] = if commits {
                [&["zero"], &["one"]]
            } else {
                [&[], &[]]
            };
            for (index, expected) in (0..).zip(expected) {
                assert_eq!(isolation::committed(&fixture, index, 0), expected);
                assert_eq!(isolation::offsets(&fixture, index).stable, 2);
            }
            assert_eq!(client.end(&fixture, commits), 0, "a repeated request");
            assert_eq!(client.add(&fixture, &[0]), 0);
        }
    }
}

#[test]
fn requests_during_the_end_are_told_to_repeat_until_it_is_finished() {
    let fixture = Fixture::new();
    let client = Client::init(&fixture, ID);
    client.add(&fixture, &[0]);
    decide(&fixture, &client, true);
    assert_eq!(client.add(&fixture, &[1]), 51);
    assert_eq!(client.end(&fixture, true), 51);
    assert_eq!(client.add_group(&fixture, "readers", 4), 51);
    fixture.cluster.transactions().expire(&fixture.cluster, 0);
    assert_eq!(client.end(&fixture, true), 0);
}

#[test]
fn epochs_survive_a_restart() {
    let fixture = Fixture::new();
    let old = Client::init(&fixture, ID);
    Client::init(&fixture, ID);
    let fixture = fixture.reopen();
    assert_eq!(old.add(&fixture, &[0]), 90);
    assert_eq!(Client::init(&fixture, ID).epoch, 2);
}

#[test]
fn transaction_that_the_coordinator_does_not_know_is_aborted_on_start() {
    let fixture = Fixture::new();
    let mut client = Client::init(&fixture, ID);
    client.add(&fixture, &[0]);
    client.send(&fixture, 0, "orphan");
    let journal = fixture.cluster.directory().join("transactions.journal");
    std::fs::remove_file(journal).unwrap();
    let fixture = fixture.reopen();
    assert!(isolation::committed(&fixture, 0, 0).is_empty());
    assert_eq!(isolation::offsets(&fixture, 0).stable, 2);
}

/// One step of a producer or of the broker.
#[derive(Debug, Clone, Copy)]
enum Step {
    Send {
        client: usize,
        partition: i32,
    },
    SendPlain {
        partition: i32,
    },
    End {
        client: usize,
        commits: bool,
    },
    /// The broker is killed between the decision and the markers.
    Decide {
        client: usize,
        commits: bool,
    },
    Restart,
    /// The producer restarts.
    Init {
        client: usize,
    },
    Expire,
}

fn step() -> impl Strategy<Value = Step> {
    let client = || 0..3_usize;
    prop_oneof![
        8 => (client(), 0..2_i32).prop_map(|(client, partition)| Step::Send { client, partition }),
        2 => (0..2_i32).prop_map(|partition| Step::SendPlain { partition }),
        4 => (client(), any::<bool>()).prop_map(|(client, commits)| Step::End { client, commits }),
        1 => (client(), any::<bool>()).prop_map(|(client, commits)| Step::Decide { client, commits }),
        2 => Just(Step::Restart),
        1 => client().prop_map(|client| Step::Init { client }),
        1 => Just(Step::Expire),
    ]
}

/// What the records of a partition have become: value, client and whether they are committed.
#[derive(Debug, Default)]
struct Model {
    records: Vec<(String, Option<usize>, Option<bool>)>,
    open: std::collections::BTreeSet<usize>,
}

impl Model {
    fn end(models: &mut [Self], client: usize, commits: bool) {
        for model in models {
            model.open.remove(&client);
            for (_, owner, outcome) in &mut model.records {
                if *owner == Some(client) && outcome.is_none() {
                    *outcome = Some(commits);
                }
            }
        }
    }

    /// Returns the committed records before the first one of an open transaction.
    fn committed(&self) -> Vec<String> {
        let stable = self.records.iter();
        let stable = stable.take_while(|(_, _, outcome)| outcome.is_some());
        stable
            .filter(|(_, _, outcome)| *outcome == Some(true))
            .map(|(value, _, _)| value.clone())
            .collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn readers_see_exactly_the_committed_records(
        steps in proptest::collection::vec(step(), 1..60),
        from: prop::sample::Index,
    ) {
        let mut fixture = Fixture::new();
        let mut clients: Vec<Client> = ["a", "b", "c"].map(|id| Client::init(&fixture, id)).into();
        let mut models = [Model::default(), Model::default()];
        for (number, step) in steps.into_iter().enumerate() {
            let value = format!("value-{number}");
            match step {
                Step::Send { client, partition } => {
                    prop_assert_eq!(clients[client].add(&fixture, &[partition]), 0);
                    let sent = clients[client].send(&fixture, partition, &value);
                    prop_assert_eq!(sent.0, 0);
                    let model = &mut models[usize::try_from(partition).unwrap()];
                    model.open.insert(client);
                    model.records.push((value, Some(client), None));
                }
                Step::SendPlain { partition } => {
                    send_plain(&fixture, partition, &value);
                    let model = &mut models[usize::try_from(partition).unwrap()];
                    model.records.push((value, None, Some(true)));
                }
                Step::End { client, commits } => {
                    if clients[client].end(&fixture, commits) == 0 {
                        Model::end(&mut models, client, commits);
                    }
                }
                Step::Decide { client, commits } => {
                    if models.iter().any(|model| model.open.contains(&client)) {
                        decide(&fixture, &clients[client], commits);
                        Model::end(&mut models, client, commits);
                        fixture = fixture.reopen();
                    }
                }
                Step::Restart => fixture = fixture.reopen(),
                Step::Init { client } => {
                    let id = clients[client].id.clone();
                    clients[client] = Client::init(&fixture, &id);
                    Model::end(&mut models, client, false);
                }
                Step::Expire => {
                    expire(&fixture);
                    for (index, client) in clients.iter_mut().enumerate() {
                        Model::end(&mut models, index, false);
                        *client = Client::init(&fixture, &client.id);
                    }
                }
            }
        }
        for reopened in [false, true] {
            if reopened {
                fixture = fixture.reopen();
            }
            for (index, model) in (0..).zip(&models) {
                let all = isolation::committed(&fixture, index, 0);
                prop_assert_eq!(&all, &model.committed());
                let stable = isolation::offsets(&fixture, index).stable;
                let from = i64::try_from(from.index(usize::try_from(stable).unwrap() + 1)).unwrap();
                let tail = isolation::committed(&fixture, index, from);
                prop_assert!(all.ends_with(&tail));
            }
        }
    }
}
