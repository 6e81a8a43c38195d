//! `convoy capacity` and `convoy sweep`: trials on shared servers, and what they lead to.

use std::fs;

use serde_json::Value;

use crate::place::Place;

/// Returns the only file of this name in the directories of the runs.
fn result(place: &Place, name: &str) -> Option<String> {
    let runs = fs::read_dir(place.path("runs")).ok()?;
    let mut found = runs.filter_map(|run| fs::read_to_string(run.ok()?.path().join(name)).ok());
    found.next()
}

/// On a busy machine the budget may end first; the answer says so then, and names no number.
#[test]
fn capacity_publishes_what_a_long_trial_confirmed_and_names_the_slow_store() {
    let place = Place::with_rows();
    let outcome = place.convoy(
        "capacity --vehicles 20 --max-vehicles 30 --rate 20 --budget 30s --warmup 0s \
         --max-end-to-end-p99 20s --backend embedded --format json --ui none \
         --faults slow-store=60ms@0s+1h",
    );
    let answer: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let trials = answer["trials"].as_array().unwrap();
    let confirms =
        |trial: &&Value| trial["purpose"] == "confirm" && trial["vehicles"] == answer["vehicles"];
    let confirmed = trials.iter().any(|trial| confirms(&trial));
    if answer["ended"] == "budget" {
        assert_eq!(confirmed, !answer["vehicles"].is_null(), "{answer:#}");
    } else {
        assert_eq!(outcome.code, 0, "{outcome}");
        assert_eq!(answer["vehicles"], 24, "{answer:#}");
        assert_eq!(answer["ended"], "no_fail", "{answer:#}");
        assert_eq!(answer["binding"]["id"], "store", "{answer:#}");
        assert!(confirmed, "{answer:#}");
    }
    let saved = result(&place, "capacity.json").unwrap();
    let saved: Value = serde_json::from_str(&saved).unwrap();
    assert_eq!(saved["trials"], answer["trials"]);
    let page = result(&place, "capacity.html").unwrap();
    if confirmed {
        assert_eq!(page.matches("<svg").count(), 2);
    }
    for foreign in ["src=", "href=", "<link", "@import"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}

#[test]
fn capacity_without_time_for_a_confirmation_says_so() {
    let place = Place::with_rows();
    let outcome =
        place.convoy("capacity --vehicles 20 --rate 1 --budget 3s --backend embedded --ui none");
    assert_eq!(outcome.code, 1, "{outcome}");
    assert!(outcome.stdout.contains("budget is too short"), "{outcome}");
    assert!(outcome.stderr.contains("confirmed"), "{outcome}");
}

#[test]
fn sweep_recommends_the_setting_that_is_better() {
    let place = Place::with_rows();
    let outcome = place.convoy(
        "sweep --over linger=1ms,3s --repeats 2 --objective end-to-end-p50 --vehicles 20 \
         --rate 20 --duration 1s --warmup 0s --backend embedded --ui none",
    );
    assert_eq!(outcome.code, 0, "{outcome}");
    let first = outcome.stdout.lines().next();
    assert_eq!(first, Some("recommended: --linger 1ms"), "{outcome}");
    let saved = result(&place, "sweep.json").unwrap();
    let answer: Value = serde_json::from_str(&saved).unwrap();
    assert_eq!(answer["rounds"], 2);
    assert_ne!(
        answer["candidates"][1]["choice"], "recommended",
        "{answer:#}"
    );
}

#[test]
fn options_that_a_search_cannot_have_are_rejected_before_the_start() {
    for (line, named) in [
        ("capacity --rate max", "--rate max"),
        ("capacity --total-rate 100", "--total-rate"),
        ("capacity --sink null", "--sink null"),
        ("capacity --consumer external", "--consumer external"),
        ("capacity --vehicles 9 --max-vehicles 8", "--max-vehicles"),
        ("capacity --precision 0%", "1%"),
        ("sweep", "--over"),
        (
            "sweep --over linger=1ms --consumer external",
            "--consumer external",
        ),
        ("sweep --over linger", "linger"),
        ("sweep --over lingr=1ms", "lingr"),
        ("sweep --over linger=1x", "1x"),
        ("sweep --over store=a,b", "store"),
        ("sweep --over seed=1,2", "seed"),
    ] {
        let outcome = Place::empty().convoy(line);
        assert_eq!(outcome.code, 2, "{line}\n{outcome}");
        assert!(outcome.stderr.contains(named), "{line}\n{outcome}");
    }
}
