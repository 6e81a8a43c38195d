//! Goal: no decoder of what strangers send panics, hangs or takes memory that is not justified.
//! Method: each is fed its committed corpus, real clients' bytes, and for a moment changes of it;
//! `just fuzz` does the same for as long as one likes.

use std::time::Duration;

use convoy::fuzz::TARGETS;

use crate::campaign::{Campaign, corpus};

/// For each target; the inputs are the same on every run.
const TIME: Duration = Duration::from_millis(700);

const SEED: u64 = 42;

#[test]
fn every_decoder_survives_its_corpus_and_changes_of_it() {
    for target in TARGETS {
        assert!(
            !corpus(target.name).is_empty(),
            "{} has a corpus",
            target.name
        );
        if let Err(finding) = Campaign::new(target, SEED, None).run(TIME) {
            panic!("{}: {} by {:?}", target.name, finding.what, finding.input);
        }
    }
}
