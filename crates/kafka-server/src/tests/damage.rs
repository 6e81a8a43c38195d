//! Files of a data directory with one byte changed, or missing: refused, and repaired with the loss
//! named.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use crate::batch::tests::batch;
use crate::batch::{self, Header};
use crate::cluster::{Cluster, TopicRef};
use crate::error::Error;
use crate::group::{Committed, Identity};
use crate::log::Bounds;
use crate::settings::Settings;
use crate::{Loss, repair};

const PARTITIONS: i32 = 2;
const BATCHES: i64 = 30;
const GROUPS: i64 = 10;

fn open(directory: &Path) -> Result<Cluster, Error> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 9092));
    let settings = Settings {
        segment_bytes: 1_500,
        ..Settings::default()
    };
    Cluster::open(settings, directory.to_owned(), address)
}

/// What a directory holds: groups with their offset, and the offsets of the batches by partition.
#[derive(Debug, Default, PartialEq, Eq)]
struct Content {
    settings: BTreeMap<String, String>,
    groups: BTreeMap<String, i64>,
    batches: Vec<Vec<i64>>,
}

/// Fills a directory, and stops in order or as after a kill.
fn fill(directory: &Path, kill: bool) -> Content {
    let cluster = open(directory).unwrap();
    let settings = BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]);
    let topic = cluster
        .create_topic("readings", PARTITIONS, settings)
        .unwrap();
    for partition in topic.partitions() {
        for number in 0..BATCHES {
            let bytes = batch(3, number, &[7; 60]);
            partition
                .append(&batch::check(&bytes).unwrap(), &bytes)
                .unwrap();
        }
        let unsynced = partition.log().unsynced().unwrap();
        unsynced.sync().unwrap();
        partition.log().mark_synced(unsynced.offset);
        partition.log().save_checkpoint().unwrap();
    }
    for number in 0..GROUPS {
        let committed = Committed {
            offset: number,
            leader_epoch: 0,
            metadata: None,
        };
        let identity = Identity {
            member: "",
            instance: None,
        };
        let group = format!("group-{number}");
        let offsets = [("readings", 0, committed)];
        cluster
            .groups()
            .commit(&group, identity, -1, &offsets)
            .unwrap();
    }
    cluster.next_producer_id().unwrap();
    if !kill {
        cluster.close().unwrap();
    }
    content(&cluster)
}

fn content(cluster: &Cluster) -> Content {
    let topic = cluster.topic(TopicRef::Name("readings")).unwrap();
    let committed = |number| {
        let group = format!("group-{number}");
        let offsets = cluster.groups().offsets(&group);
        let offset = offsets.get("readings", 0)?.offset;
        Some((group, offset))
    };
    let partitions = topic.partitions();
    let batches = partitions.iter().map(|partition| {
        let log = partition.log();
        assert_eq!(
            log.next_offset(),
            BATCHES * 3,
            "no offset is given out again"
        );
        let (mut found, mut offset) = (Vec::new(), log.start_offset());
        let bounds = Bounds {
            max_bytes: 1,
            first_regardless: true,
            before: i64::MAX,
        };
        while let Some(slice) = log.slice(offset, bounds).unwrap() {
            let mut bytes = vec![0; slice.bytes];
            slice.read(&mut bytes).unwrap();
            let header = Header::parse(&bytes).unwrap();
            batch::check(&bytes).unwrap();
            assert_eq!(header.base_offset, header.max_timestamp * 3);
            found.push(header.base_offset);
            offset = header.next_offset();
        }
        found
    });
    Content {
        settings: topic.overrides().into_iter().collect(),
        groups: (0..GROUPS).filter_map(committed).collect(),
        batches: batches.collect(),
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if fs::metadata(&path).unwrap().len() > 0 {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Checks that a repaired directory holds nothing wrong, and that a loss was named.
fn check_repaired(directory: &Path, before: &Content, losses: &[Loss]) {
    assert!(!losses.is_empty());
    let cluster = open(directory).unwrap();
    let after = content(&cluster);
    for (group, offset) in &after.groups {
        assert_eq!(before.groups.get(group), Some(offset));
    }
    for (kept, all) in after.batches.iter().zip(&before.batches) {
        assert!(kept.iter().all(|offset| all.contains(offset)));
    }
    let silent = losses.iter().all(|loss| loss.lost.starts_with("nothing"));
    assert!(after == *before || !silent, "{losses:?}");
    let id = cluster.next_producer_id().unwrap();
    assert!(id >= 1, "an id is given out once");
}

/// Number of flips; `CONVOY_FLIPS` sets another one.
fn cases() -> ProptestConfig {
    let wanted = std::env::var("CONVOY_FLIPS").ok();
    let wanted = wanted.and_then(|text| text.parse().ok());
    ProptestConfig::with_cases(wanted.unwrap_or(32))
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn every_changed_byte_is_refused_and_repaired_with_the_loss_named(
        file: prop::sample::Index, byte: prop::sample::Index, change in 1_u8.., kill: bool,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let before = fill(directory.path(), kill);
        let files = files(directory.path());
        let path = &files[file.index(files.len())];
        let mut bytes = fs::read(path).unwrap();
        let byte = byte.index(bytes.len());
        bytes[byte] ^= change;
        fs::write(path, &bytes).unwrap();
        let refused = open(directory.path());
        prop_assert!(refused.is_err(), "{} at {}", path.display(), byte);
        prop_assert_eq!(&fs::read(path).unwrap(), &bytes, "nothing changes");
        let losses = repair(directory.path()).unwrap();
        check_repaired(directory.path(), &before, &losses);
    }
}

#[test]
fn every_missing_file_is_missed() {
    let whole = tempfile::tempdir().unwrap();
    let before = fill(whole.path(), true);
    for path in files(whole.path()) {
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let refused = open(whole.path());
        let name = path.strip_prefix(whole.path()).unwrap();
        assert!(refused.is_err(), "{}", name.display());
        fs::write(&path, bytes).unwrap();
    }
    for name in [
        "cluster.json",
        "topics/readings/topic.json",
        "groups.journal",
        "files",
    ] {
        let directory = tempfile::tempdir().unwrap();
        fill(directory.path(), false);
        fs::remove_file(directory.path().join(name)).unwrap();
        let losses = repair(directory.path()).unwrap();
        check_repaired(directory.path(), &before, &losses);
    }
}

#[test]
fn earlier_format_is_called_old() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(
        directory.path().join("cluster.json"),
        "\"4L6g3nShT-eMCtK--X86sw\"",
    )
    .unwrap();
    let error = open(directory.path()).unwrap_err().to_string();
    assert!(error.contains("older version of convoy"), "{error}");
}
