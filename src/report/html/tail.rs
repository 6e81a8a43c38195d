//! The slowest records beside all records.

use std::fmt::Write as _;

use crate::report::html::svg::escape;
use crate::report::tail::TailRecord;
use crate::report::value::Report;
use crate::text::quantity;

/// Records that are listed.
const LISTED: usize = 5;

/// Returns the section, or nothing if the run has too few records for it.
pub fn section(report: &Report) -> String {
    let Some(tail) = report.tail.as_ref().filter(|_| !report.unlimited_rate()) else {
        return String::new();
    };
    let mut html = format!(
        "<h2>Slowest 1 %</h2>\n<p class=\"caption\">{} records from {} on: mean time in each stage, beside all records.</p>\n\
         <div class=\"wide\"><table><tr><th>stage</th><th class=\"n\">all</th><th class=\"n\">slowest 1 %</th></tr>\n",
        quantity::count(tail.records),
        quantity::duration(tail.from_us)
    );
    for (stage, us) in tail.stages() {
        let all = report.summary.stages.get(stage).mean_us;
        let all = all.map_or_else(|| "–".to_owned(), quantity::duration);
        let _ = writeln!(
            html,
            "<tr><td>{stage}</td><td class=\"n\">{all}</td><td class=\"n\">{}</td></tr>",
            quantity::duration(us)
        );
    }
    html.push_str(
        "</table></div>\n<div class=\"wide\"><table><tr><th class=\"n\">vehicle</th><th class=\"n\">reading</th>\
         <th>partition</th><th class=\"n\">offset</th><th class=\"n\">due at</th><th class=\"n\">sent after</th>\
         <th class=\"n\">acknowledged</th><th class=\"n\">fetched</th><th class=\"n\">stored</th></tr>\n",
    );
    for record in tail.worst.iter().take(LISTED) {
        html.push_str(&row(record));
    }
    html + "</table></div>\n"
}

/// Returns a record with the time from its intended instant to each stamp.
fn row(record: &TailRecord) -> String {
    let after = |at_s: f64| microseconds(at_s - record.intended_s);
    let acked = record.acked_s.map_or_else(|| "–".to_owned(), after);
    format!(
        "<tr><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{} {}</td><td class=\"n\">{}</td><td class=\"n\">{:.3} s</td>\
         <td class=\"n\">{}</td><td class=\"n\">{acked}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
        record.vehicle,
        record.sequence,
        escape(&record.topic),
        record.partition,
        record.offset,
        record.intended_s,
        after(record.sent_s),
        after(record.fetched_s),
        after(record.stored_s),
    )
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "stamps follow each other"
)]
fn microseconds(seconds: f64) -> String {
    quantity::duration((seconds.max(0.0) * 1e6).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::report::tail::Tail;

    #[test]
    fn slowest_records_stand_beside_all_with_their_stamps() {
        let mut report = sample::report();
        assert_eq!(section(&report), "");
        report.tail = Some(Tail {
            records: 200,
            from_us: 80_000,
            store_latency_us: 95_000,
            worst: vec![TailRecord {
                vehicle: 7,
                sequence: 3,
                topic: "a<b".to_owned(),
                partition: 2,
                offset: 41,
                intended_s: 4.0,
                sent_s: 4.001,
                acked_s: None,
                fetched_s: 4.01,
                stored_s: 4.1,
            }],
            ..Tail::default()
        });
        let html = section(&report);
        for part in [
            "200 records from 80.0 ms on",
            "95.0 ms",
            "a&lt;b 2",
            "4.000 s",
            "100 ms",
            "1.00 ms",
            "–",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
    }
}
