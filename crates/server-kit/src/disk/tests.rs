//! Damage to files of frames: told from a torn end, found again, repaired.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use crate::disk::{
    Entry, Error, FILE_HEADER_BYTES, FileList, Format, Journal, Kind, Mark, repair_journal,
    repair_list,
};

const KIND: Kind = Kind {
    format: Format {
        magic: *b"CONVOYT",
        version: b'2',
        earlier: &[b"an old format"],
    },
    unit: "changes",
};

fn entries() -> Vec<Vec<u8>> {
    (0_u8..8).map(|number| vec![number; 40]).collect()
}

/// Writes a journal of all entries.
fn write(path: &Path) -> u64 {
    let mut journal = Journal::open(path, KIND, Mark::default(), |_| true).unwrap();
    for bytes in entries() {
        journal
            .append(&[Entry {
                bytes: &bytes,
                units: 1,
            }])
            .unwrap();
    }
    journal.end()
}

fn read(path: &Path, mark: Mark) -> Result<Vec<Vec<u8>>, Error> {
    let mut found = Vec::new();
    Journal::open(path, KIND, mark, |bytes| {
        found.push(bytes.to_vec());
        true
    })?;
    Ok(found)
}

#[test]
fn journal_cut_anywhere_keeps_its_whole_entries_unless_they_were_synced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    let end = write(&path);
    let whole = fs::read(&path).unwrap();
    let frame = (whole.len() - FILE_HEADER_BYTES) / 8;
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let mark = Mark {
            synced: end,
            clean: true,
        };
        let error = read(&path, mark).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "cut at {cut}");
        assert_eq!(fs::read(&path).unwrap(), &whole[..cut], "nothing changes");
        let kept = read(&path, Mark::default()).unwrap();
        let complete = cut.saturating_sub(FILE_HEADER_BYTES) / frame;
        assert_eq!(kept, entries()[..complete], "cut at {cut}");
        assert_eq!(read(&path, Mark::default()).unwrap().len(), complete);
    }
}

#[test]
fn unwritten_page_at_the_end_is_torn() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    write(&path);
    let mut zeros = fs::read(&path).unwrap();
    zeros.extend([0; 100]);
    fs::write(&path, &zeros).unwrap();
    assert_eq!(read(&path, Mark::default()).unwrap(), entries());
}

#[test]
fn earlier_and_later_formats_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    fs::write(&path, "an old format, and more").unwrap();
    let error = read(&path, Mark::default()).unwrap_err();
    assert!(
        error.to_string().contains("older version of convoy"),
        "{error}"
    );
    fs::remove_file(&path).unwrap();
    let mut later = KIND;
    later.format.version = b'3';
    Journal::open(&path, later, Mark::default(), |_| true).unwrap();
    let error = read(&path, Mark::default()).unwrap_err();
    assert!(
        error.to_string().contains("newer version of convoy"),
        "{error}"
    );
}

#[test]
fn list_misses_a_missing_and_a_cut_file() {
    let directory = tempfile::tempdir().unwrap();
    let list = FileList::open(directory.path(), || Ok(true)).unwrap();
    for name in ["a", "b/c"] {
        fs::create_dir_all(directory.path().join(name).parent().unwrap()).unwrap();
        fs::write(directory.path().join(name), "content").unwrap();
    }
    list.add(&["a", "b/c"]).unwrap();
    list.stop(&[("a".to_owned(), 7)]).unwrap();
    drop(list);
    let check = || {
        let list = FileList::open(directory.path(), || Ok(false))?;
        assert!(list.is_clean());
        list.check(|name| format!("what {name} holds"))
    };
    check().unwrap();
    fs::write(directory.path().join("a"), "short").unwrap();
    assert!(matches!(check(), Err(Error::Damaged { offset: 5, .. })));
    fs::write(directory.path().join("a"), "content").unwrap();
    fs::remove_file(directory.path().join("b/c")).unwrap();
    let error = check().unwrap_err().to_string();
    assert!(error.contains("what b/c holds"), "{error}");
    let losses = repair_list(directory.path(), str::to_owned, Vec::new).unwrap();
    assert_eq!(losses.len(), 1);
    let list = FileList::open(directory.path(), || Ok(false)).unwrap();
    list.check(str::to_owned).unwrap();
    fs::remove_file(directory.path().join("files")).unwrap();
    let error = FileList::open(directory.path(), || Ok(false)).unwrap_err();
    assert!(matches!(error, Error::Missing { .. }));
}

#[test]
fn folder_is_taken_off_with_its_files() {
    let directory = tempfile::tempdir().unwrap();
    let list = FileList::open(directory.path(), || Ok(true)).unwrap();
    list.add(&["t/a", "t/b", "tt"]).unwrap();
    list.remove("t/").unwrap();
    drop(list);
    let list = FileList::open(directory.path(), || Ok(false)).unwrap();
    assert_eq!(list.names(), ["tt"]);
    assert!(list.is_removed("t/a") && !list.is_removed("tt"));
    list.add(&["t/a"]).unwrap();
    assert!(!list.is_removed("t/a"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_flipped_bit_is_noticed_and_repaired(byte: prop::sample::Index, bit in 0_u8..8) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        write(&path);
        let whole = fs::read(&path).unwrap();
        let byte = byte.index(whole.len());
        let mut flipped = whole.clone();
        flipped[byte] ^= 1 << bit;
        fs::write(&path, &flipped).unwrap();
        let error = read(&path, Mark::default()).unwrap_err();
        prop_assert!(matches!(error, Error::Damaged { .. }), "{}", error);
        prop_assert_eq!(fs::read(&path).unwrap(), flipped);

        let loss = repair_journal(&path, directory.path(), KIND).unwrap().unwrap();
        let kept = read(&path, Mark::default()).unwrap();
        if kept.len() == 8 {
            prop_assert_eq!(&kept, &entries());
            prop_assert_eq!(loss.lost, "nothing");
        } else {
            let mut expected = entries();
            expected.remove((byte - FILE_HEADER_BYTES) / (whole.len() / 8));
            prop_assert_eq!(kept, expected);
            prop_assert_eq!(loss.lost, "1 change (72 bytes)");
            prop_assert_eq!(loss.aside.len(), 1);
        }
    }
}
