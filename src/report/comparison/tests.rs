//! Verdicts on runs with known differences.

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use crate::measure::Stages;
use crate::report::comparison::{
    ComparedRun, Comparison, Design, Strictness, Verdict, compare, confirm, write_markdown,
    write_text,
};
use crate::report::sample;
use crate::report::value::{Report, Status};
use crate::text::Page;

const USUAL: Strictness = Strictness {
    threshold: 0.05,
    confidence: 0.95,
};

/// A run whose latencies and CPU time are those of the sample times a factor.
fn run(factor: f64) -> Report {
    let mut report = sample::report();
    report.warnings.clear();
    let latency = &mut report.summary.stages.end_to_end_latency;
    for value in [&mut latency.p50_us, &mut latency.p99_us] {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "small"
        )]
        let scaled = (value.unwrap() as f64 * factor) as u64;
        *value = Some(scaled);
    }
    report.cpu.consumer_us = report.cpu.consumer_us.map(|us| us * factor);
    report
}

fn runs(factors: &[f64]) -> Vec<Report> {
    factors.iter().map(|factor| run(*factor)).collect()
}

fn side(runs: &[Report]) -> Vec<ComparedRun<'_>> {
    let named = |report| ComparedRun {
        name: "run",
        report,
    };
    runs.iter().map(named).collect()
}

fn compared(base: &[Report], candidate: &[Report], design: Design) -> Comparison {
    compare(&side(base), &side(candidate), design, USUAL)
}

fn verdict(base: &[f64], candidate: &[f64], design: Design) -> Verdict {
    compared(&runs(base), &runs(candidate), design).verdict
}

const NOISE: [f64; 5] = [0.99, 1.0, 1.01, 0.995, 1.005];

fn times(factor: f64) -> Vec<f64> {
    NOISE.iter().map(|noise| noise * factor).collect()
}

#[test]
fn clear_differences_have_a_verdict() {
    let independent = Design::Independent;
    assert_eq!(verdict(&NOISE, &times(1.5), independent), Verdict::Slower);
    assert_eq!(verdict(&NOISE, &times(0.5), independent), Verdict::Faster);
    assert_eq!(verdict(&NOISE, &times(1.001), independent), Verdict::Same);
    let wild = [0.5, 2.0, 1.0, 0.7, 1.4];
    assert_eq!(verdict(&wild, &NOISE, independent), Verdict::Inconclusive);
}

#[test]
fn less_throughput_is_slower() {
    let slow = NOISE.map(|noise| {
        let mut report = run(1.0);
        let throughput = &mut report.summary.throughput_records_per_second;
        *throughput = throughput.map(|it| it * 0.8 * noise);
        report
    });
    let found = compared(&runs(&[1.0; 5]), &slow, Design::Independent);
    assert_eq!(found.verdict, Verdict::Slower);
    assert!(
        found.sentence().starts_with("slower: throughput 0.80×"),
        "{}",
        found.sentence()
    );
    let back = compared(&slow, &runs(&[1.0; 5]), Design::Independent);
    assert_eq!(back.verdict, Verdict::Faster);
}

#[test]
fn pairs_see_what_a_drift_hides() {
    let drift: Vec<f64> = (0..12).map(|slot| 1.0 + f64::from(slot) * 0.3).collect();
    let slower: Vec<f64> = drift.iter().map(|it| it * 1.2).collect();
    assert_eq!(verdict(&drift, &slower, Design::Paired), Verdict::Slower);
    assert_eq!(
        verdict(&drift, &slower, Design::Independent),
        Verdict::Inconclusive
    );
    assert_eq!(verdict(&drift, &drift, Design::Paired), Verdict::Same);
}

#[test]
fn too_few_runs_are_inconclusive_and_say_how_many_are_missing() {
    let found = compared(
        &runs(&[1.0, 1.0, 1.0]),
        &runs(&[9.0, 9.0, 9.0]),
        Design::Independent,
    );
    assert_eq!(
        (found.verdict, found.more),
        (Verdict::Inconclusive, Some(2))
    );
    assert!(
        found
            .sentence()
            .ends_with("bounds need at least 2 more runs a side"),
        "{}",
        found.sentence()
    );
    let pairs = compared(&runs(&[1.0; 6]), &runs(&[9.0; 6]), Design::Paired);
    assert_eq!(
        (pairs.verdict, pairs.more),
        (Verdict::Inconclusive, Some(2))
    );
}

#[test]
fn spread_predicts_the_missing_runs() {
    let near = compared(
        &runs(&[0.9, 0.95, 1.0, 1.05, 1.1, 0.97]),
        &runs(&[1.02, 1.0, 0.93, 1.08, 0.96, 0.99]),
        Design::Independent,
    );
    assert_eq!(near.verdict, Verdict::Inconclusive);
    let more = near.more.unwrap();
    assert!((3..=100).contains(&more), "{more}");
    let hopeless = compared(
        &runs(&[0.1, 9.0, 0.2, 5.0, 1.0]),
        &runs(&[8.0, 0.3, 1.0, 2.0, 0.1]),
        Design::Independent,
    );
    assert_eq!(hopeless.more, None);
    assert!(
        hopeless
            .sentence()
            .contains("not even 100 more runs a side"),
        "{}",
        hopeless.sentence()
    );
}

/// Runs with one factor for the p99 alone.
fn with_tails(factors: &[f64]) -> Vec<Report> {
    let tails = factors.iter().map(|factor| {
        let mut report = run(1.0);
        let p99 = &mut report.summary.stages.end_to_end_latency.p99_us;
        *p99 = run(*factor).summary.stages.end_to_end_latency.p99_us;
        report
    });
    tails.collect()
}

#[test]
fn a_wild_p99_does_not_hide_that_sides_are_the_same() {
    let quiet = [1.0; 10];
    let wild = [1.0, 3.0, 0.9, 1.2, 0.8, 5.0, 1.1, 0.4, 0.95, 1.05];
    let found = compared(&with_tails(&quiet), &with_tails(&wild), Design::Paired);
    assert_eq!((found.verdict, found.more), (Verdict::Same, None));
    let sentence = found.sentence();
    let expected = "same: no difference above 5 % in throughput, end-to-end p50, CPU per record; \
                    not known as exactly: end-to-end p99 1.0";
    assert!(sentence.starts_with(expected), "{sentence}");
}

#[test]
fn a_p99_that_seems_to_differ_keeps_the_verdict_open() {
    let quiet = [1.0; 10];
    let mostly_slower = [1.3, 1.5, 0.9, 1.2, 1.4, 2.0, 1.1, 0.8, 1.3, 1.2];
    let (quiet, tails) = (with_tails(&quiet), with_tails(&mostly_slower));
    let found = compared(&quiet, &tails, Design::Paired);
    assert_eq!(found.verdict, Verdict::Inconclusive, "{}", found.sentence());
    let slower = with_tails(&[1.3; 10]);
    let found = compared(&quiet, &slower, Design::Paired);
    assert_eq!(found.verdict, Verdict::Slower);
}

#[test]
fn candidate_that_loses_readings_is_invalid_whatever_its_speed() {
    let (base, mut fast) = (runs(&times(1.0)), runs(&times(0.1)));
    fast[2].status = Status::Invalid;
    let found = compared(&base, &fast, Design::Independent);
    assert_eq!(found.verdict, Verdict::Invalid);
    assert_eq!(found.candidate.iter().filter(|run| run.used).count(), 4);
    assert_eq!(found.metrics[0].candidate.len(), 4);
    // A lost base run is left out, in pairs with its partner.
    let mut base = runs(&[1.0; 9]);
    base[0].status = Status::Invalid;
    let found = compared(&base, &runs(&[2.0; 9]), Design::Paired);
    assert_eq!(found.verdict, Verdict::Slower);
    assert_eq!(found.metrics[0].base.len(), 8);
}

#[test]
fn metrics_without_a_meaning_are_left_out() {
    let (mut base, candidate) = (runs(&NOISE), runs(&NOISE));
    let metrics = |base: &[Report]| -> Vec<String> {
        let found = compared(base, &candidate, Design::Independent).metrics;
        found.iter().map(|it| it.metric.to_string()).collect()
    };
    assert_eq!(metrics(&base).len(), 4);
    // CPU times of different roles do not compare.
    base[0].cpu.store_us = Some(3.0);
    assert_eq!(
        metrics(&base),
        [
            "throughput",
            "end_to_end_latency_p50",
            "end_to_end_latency_p99"
        ]
    );
    base[1].summary.stages = Stages::default();
    assert_eq!(metrics(&base), ["throughput"]);
    base[1].summary.throughput_records_per_second = None;
    let nothing = compared(&base, &candidate, Design::Independent);
    assert_eq!(nothing.verdict, Verdict::Inconclusive);
    assert_eq!(
        nothing.sentence(),
        "inconclusive: no metric was measured in every run"
    );
    assert_eq!(
        compared(&[], &[], Design::Independent).verdict,
        Verdict::Inconclusive
    );
}

/// Slower runs of another linger, one on another machine, and one that was interrupted.
fn different() -> Comparison {
    let (mut base, mut candidate) = (runs(&times(1.0)), runs(&times(1.5)));
    for (index, report) in base.iter_mut().chain(&mut candidate).enumerate() {
        let linger = if index < 5 { 5 } else { 50 };
        report.settings = json!({
            "linger_ms": linger, "seed": index % 5, "output": format!("runs/{index}"),
            "bound": {"records": 10},
        });
        report.run.started_at = format!("2026-11-23T04:28:{index:02}.000Z");
    }
    candidate[0].machine.cores = 8;
    candidate[0].warnings = sample::report().warnings;
    candidate[0].warnings[0].code = "busy_machine".to_owned();
    candidate[1].status = Status::Interrupted;
    compared(&base, &candidate, Design::Independent)
}

#[test]
fn differences_and_cautions_come_before_the_verdict() {
    let found = different();
    let mut text = Vec::new();
    write_text(&found, &Page::default(), &mut text).unwrap();
    insta::assert_snapshot!(String::from_utf8(text).unwrap(), @"
    5 base runs, 5 candidate runs; these differ:
      machine cores: 2 → 2 | 8
      setting linger_ms: 5 → 50
    caution: candidate run `run` was interrupted
    caution: warning `busy_machine` in 0 of 5 base and 1 of 5 candidate runs
    caution: one side ran before the other, so a change of the machine in between looks like a difference; `convoy ab` alternates the sides

    verdict: slower
      end-to-end p50 1.50× (1.47–1.53), end-to-end p99 1.50× (1.47–1.53), CPU per record 1.23× (1.22–1.24)

    metric             base  candidate  ratio
    throughput       49.9/s     49.9/s  1.00× (1.00–1.00)  same
    end-to-end p50  17.1 ms    25.6 ms  1.50× (1.47–1.53)  slower
    end-to-end p99  20.9 ms    31.4 ms  1.50× (1.47–1.53)  slower
    CPU per record  21.5 µs    26.4 µs  1.23× (1.22–1.24)  slower
    Ratios are candidate ÷ base; their bounds hold together with a confidence of 95 % (Mann and Whitney's test). A metric is slower or faster if its bounds are beyond 5 %, and the same if two one-sided tests leave bounds within it. A p99 that seems equal does not keep the verdict open.

    metric                  base  candidate  ratio
    end-to-end mean      17.1 ms    17.1 ms  1.00× (1.00–1.00)
    end-to-end max       31.2 ms    31.2 ms  1.00× (1.00–1.00)
    publish delay p99     412 µs     412 µs  1.00× (1.00–1.00)
    publish latency p50  5.48 ms    5.48 ms  1.00× (1.00–1.00)
    publish latency p99  6.93 ms    6.93 ms  1.00× (1.00–1.00)
    fetch latency p50     180 µs     180 µs  1.00× (1.00–1.00)
    fetch latency p99     640 µs     640 µs  1.00× (1.00–1.00)
    store latency p50    11.2 ms    11.2 ms  1.00× (1.00–1.00)
    store latency p99    13.8 ms    13.8 ms  1.00× (1.00–1.00)
    peak memory          48.3 MB    48.3 MB  1.00× (1.00–1.00)
    These are shown only: the verdict does not use them.
    ");
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["verdict"], "slower");
    assert_eq!(json["threshold"], 0.05);
    assert_eq!(json["metrics"][1]["metric"], "end_to_end_latency_p50");
    assert_eq!(json["differences"][1]["name"], "linger_ms");
}

#[test]
fn markdown_escapes_what_is_not_code() {
    let found = different();
    let mut markdown = Vec::new();
    write_markdown(&found, &mut markdown).unwrap();
    insta::assert_snapshot!(String::from_utf8(markdown).unwrap(), @r#"
    ### ❌ slower: end-to-end p50 1.50× (1.47–1.53), end-to-end p99 1.50× (1.47–1.53), CPU per record 1.23× (1.22–1.24)

    5 base runs, 5 candidate runs; these differ:

    - machine cores: 2 → 2 \| 8
    - setting linger\_ms: 5 → 50
    - **caution:** candidate run `run` was interrupted
    - **caution:** warning `busy_machine` in 0 of 5 base and 1 of 5 candidate runs
    - **caution:** one side ran before the other, so a change of the machine in between looks like a difference; `convoy ab` alternates the sides

    | metric | base | candidate | ratio | |
    |---|--:|--:|---|---|
    | throughput | 49.9/s | 49.9/s | 1.00× (1.00–1.00) | same |
    | end-to-end p50 | 17.1 ms | 25.6 ms | 1.50× (1.47–1.53) | slower |
    | end-to-end p99 | 20.9 ms | 31.4 ms | 1.50× (1.47–1.53) | slower |
    | CPU per record | 21.5 µs | 26.4 µs | 1.23× (1.22–1.24) | slower |

    Ratios are candidate ÷ base; their bounds hold together with a confidence of 95 % (Mann and Whitney's test). A metric is slower or faster if its bounds are beyond 5 %, and the same if two one-sided tests leave bounds within it. A p99 that seems equal does not keep the verdict open.

    <details><summary>Other metrics, which are shown only</summary>

    | metric | base | candidate | ratio | |
    |---|--:|--:|---|---|
    | end-to-end mean | 17.1 ms | 17.1 ms | 1.00× (1.00–1.00) |  |
    | end-to-end max | 31.2 ms | 31.2 ms | 1.00× (1.00–1.00) |  |
    | publish delay p99 | 412 µs | 412 µs | 1.00× (1.00–1.00) |  |
    | publish latency p50 | 5.48 ms | 5.48 ms | 1.00× (1.00–1.00) |  |
    | publish latency p99 | 6.93 ms | 6.93 ms | 1.00× (1.00–1.00) |  |
    | fetch latency p50 | 180 µs | 180 µs | 1.00× (1.00–1.00) |  |
    | fetch latency p99 | 640 µs | 640 µs | 1.00× (1.00–1.00) |  |
    | store latency p50 | 11.2 ms | 11.2 ms | 1.00× (1.00–1.00) |  |
    | store latency p99 | 13.8 ms | 13.8 ms | 1.00× (1.00–1.00) |  |
    | peak memory | 48.3 MB | 48.3 MB | 1.00× (1.00–1.00) |  |

    </details>
    "#);
}

#[test]
fn difference_holds_only_if_further_runs_show_it() {
    let base = runs(&[1.0; 12]);
    let slow = runs(&[1.5; 12]);
    let judged = |further: f64| {
        let mut all = compared(&base, &slow, Design::Paired);
        let further = compared(&runs(&[1.0; 4]), &runs(&[further; 4]), Design::Paired);
        confirm(&mut all, &further);
        all
    };
    assert_eq!(judged(1.4).verdict, Verdict::Slower);
    let taken_back = judged(1.02);
    assert_eq!(taken_back.verdict, Verdict::Inconclusive);
    assert_eq!(taken_back.more, Some(4));
    assert!(
        taken_back
            .cautions
            .iter()
            .any(|it| it.contains("did not show"))
    );
    assert_eq!(judged(0.5).verdict, Verdict::Inconclusive);
}

#[test]
fn further_pairs_that_disagree_confirm_nothing() {
    let base = runs(&[1.0; 12]);
    let slow = runs(&[1.5; 12]);
    let judged = |further: [f64; 4]| {
        let mut all = compared(&base, &slow, Design::Paired);
        let further = compared(&runs(&[1.0; 4]), &runs(&further), Design::Paired);
        confirm(&mut all, &further);
        all.verdict
    };
    assert_eq!(judged([1.4, 1.5, 1.3, 1.2]), Verdict::Slower);
    // One that hardly differs to the other side is chance, two are doubt.
    assert_eq!(judged([1.4, 1.5, 1.3, 1.04]), Verdict::Slower);
    assert_eq!(judged([2.0, 2.0, 0.9, 0.7]), Verdict::Inconclusive);
}

/// Equal sides with wild noise that several metrics of a run share.
#[test]
fn equal_sides_rarely_differ() {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let mut wrong = [0, 0];
    for _ in 0..1_000 {
        let mut noise = |count: usize| -> Vec<f64> {
            (0..count).map(|_| random.random_range(0.8..1.25)).collect()
        };
        for (index, (design, count)) in [(Design::Independent, 5), (Design::Paired, 12)]
            .into_iter()
            .enumerate()
        {
            let found = verdict(&noise(count), &noise(count), design);
            wrong[index] += i32::from(!matches!(found, Verdict::Same | Verdict::Inconclusive));
        }
    }
    // Five in a hundred are allowed.
    assert!(wrong.iter().all(|wrong| *wrong <= 25), "{wrong:?}");
}

/// Sides that differ by exactly the threshold are rarely called the same; equal ones mostly are.
#[test]
fn sides_that_differ_by_the_threshold_are_rarely_the_same() {
    let mut random = ChaCha8Rng::seed_from_u64(12);
    let mut same = |factor: f64| -> usize {
        let called_same = (0..1_000).filter(|_| {
            let mut side = |factor: f64| -> Vec<f64> {
                let noise = (0..12).map(|_| factor * random.random_range(0.96..1.0416));
                noise.collect()
            };
            verdict(&side(1.0), &side(factor), Design::Paired) == Verdict::Same
        });
        called_same.count()
    };
    // Five in a hundred are allowed.
    let (different, equal) = (same(1.0 + USUAL.threshold), same(1.0));
    assert!(different <= 65, "{different}");
    assert!(equal >= 950, "{equal}");
}

proptest! {
    #[test]
    fn sides_can_be_exchanged(
        base in prop::collection::vec(0.5..2.0f64, 1..9),
        candidate in prop::collection::vec(0.5..2.0f64, 1..9),
    ) {
        let there = verdict(&base, &candidate, Design::Independent);
        let back = verdict(&candidate, &base, Design::Independent);
        let mirrored = match there {
            Verdict::Slower => Verdict::Faster,
            Verdict::Faster => Verdict::Slower,
            other => other,
        };
        prop_assert_eq!(back, mirrored);
    }
}
