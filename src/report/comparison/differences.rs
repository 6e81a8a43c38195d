//! What differs between two sides besides the measurements: most false findings are there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::report::comparison::metric::cpu_roles;
use crate::report::comparison::model::{ComparedRun, Design, Difference};
use crate::report::value::{Report, Status};

/// Settings that do not change what is measured.
const IRRELEVANT: [&str; 13] = [
    "output",
    "junit",
    "events",
    "run_id",
    "format",
    "broker_port",
    "store_port",
    "data_dir",
    "keep",
    "start_timeout_s",
    "max_end_to_end_p99_ms",
    "min_throughput_records_per_second",
    "max_dead_letters",
];

/// A warning that is about the servers, which are compared as such.
const EMBEDDED: &str = "embedded_backend";

/// Values of a side by kind and name.
type Values = BTreeMap<(&'static str, String), BTreeSet<String>>;

/// Returns what differs between the sides.
pub fn between(base: &[ComparedRun<'_>], candidate: &[ComparedRun<'_>]) -> Vec<Difference> {
    let (first, second) = (values(base), values(candidate));
    let names: BTreeSet<_> = first.keys().chain(second.keys()).collect();
    let list = |values: &Values, name| -> Vec<String> {
        let found = values.get(name).into_iter().flatten();
        found.cloned().collect()
    };
    names
        .into_iter()
        .filter(|name| first.get(*name) != second.get(*name))
        .map(|name| Difference {
            kind: name.0,
            name: name.1.clone(),
            base: list(&first, name),
            candidate: list(&second, name),
        })
        .collect()
}

fn values(runs: &[ComparedRun<'_>]) -> Values {
    let mut values = Values::new();
    for run in runs {
        for (kind, name, value) in facts(run.report) {
            values.entry((kind, name)).or_default().insert(value);
        }
    }
    values
}

/// Returns everything that may explain a measurement: kind, name, value.
fn facts(report: &Report) -> Vec<(&'static str, String, String)> {
    let mut facts = Vec::new();
    let settings = report.settings.as_object().into_iter().flatten();
    for (name, value) in settings {
        if !IRRELEVANT.contains(&name.as_str()) {
            add_setting(name, value, &mut facts);
        }
    }
    let machine = &report.machine;
    let topology = &report.topology;
    let durability = &report.durability;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let memory = machine.memory_bytes.map(|it| it.to_string());
    let hash = report.dataset.as_ref().map(|it| it.hash.clone());
    let others = [
        ("build", "convoy", report.run.version.clone()),
        ("build", "profile", machine.build_profile.to_string()),
        ("machine", "system", machine.os.clone()),
        ("machine", "architecture", machine.architecture.clone()),
        ("machine", "kernel", text(&machine.kernel)),
        ("machine", "processor", text(&machine.cpu_model)),
        ("machine", "cores", machine.cores.to_string()),
        ("machine", "memory_bytes", text(&memory)),
        ("servers", "broker", topology.broker.to_string()),
        ("servers", "store", topology.store.to_string()),
        ("servers", "broker_durability", durability.broker.clone()),
        ("servers", "store_durability", durability.store.clone()),
        ("servers", "tls", topology.tls.to_string()),
        ("servers", "cpu_roles", cpu_roles(report).join(", ")),
        ("dataset", "hash", text(&hash)),
    ];
    facts.extend(others.map(|(kind, name, value)| (kind, name.to_owned(), value)));
    facts
}

fn add_setting(name: &str, value: &Value, facts: &mut Vec<(&'static str, String, String)>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                add_setting(&format!("{name}.{field}"), value, facts);
            }
        }
        Value::Null => {}
        Value::String(text) => facts.push(("setting", name.to_owned(), text.clone())),
        other => facts.push(("setting", name.to_owned(), other.to_string())),
    }
}

/// Returns what makes the numbers less trustworthy.
pub fn cautions(
    base: &[ComparedRun<'_>],
    candidate: &[ComparedRun<'_>],
    design: Design,
) -> Vec<String> {
    let mut cautions = Vec::new();
    for (run, side) in base
        .iter()
        .map(|run| (run, "base"))
        .chain(candidate.iter().map(|run| (run, "candidate")))
    {
        let name = run.name;
        match run.report.status {
            Status::Complete => {}
            Status::Interrupted => {
                cautions.push(format!("{side} run `{name}` was interrupted"));
            }
            Status::Invalid => cautions.push(format!(
                "{side} run `{name}` is invalid and was left out: it lost, duplicated or altered readings, or failed"
            )),
        }
    }
    cautions.extend(warnings(base, candidate));
    if design == Design::Independent && in_blocks(base, candidate) {
        cautions.push(
            "one side ran before the other, so a change of the machine in between looks like a difference; `convoy ab` alternates the sides"
                .to_owned(),
        );
    }
    cautions
}

/// Returns how many runs of each side have each warning.
fn warnings(base: &[ComparedRun<'_>], candidate: &[ComparedRun<'_>]) -> Vec<String> {
    let codes: BTreeSet<&str> = base
        .iter()
        .chain(candidate)
        .flat_map(|run| &run.report.warnings)
        .map(|warning| warning.code.as_str())
        .filter(|code| *code != EMBEDDED)
        .collect();
    let warn = |runs: &[ComparedRun<'_>], code| {
        let warned = runs.iter().filter(|run| run.report.warns_of(code));
        format!("{} of {}", warned.count(), runs.len())
    };
    codes
        .into_iter()
        .map(|code| {
            format!(
                "warning `{code}` in {} base and {} candidate runs",
                warn(base, code),
                warn(candidate, code)
            )
        })
        .collect()
}

/// Returns whether all runs of one side, of which there are several, are before those of the other.
fn in_blocks(base: &[ComparedRun<'_>], candidate: &[ComparedRun<'_>]) -> bool {
    // RFC 3339 in UTC sorts by time.
    let starts = |runs: &[ComparedRun<'_>]| -> Option<(String, String)> {
        let times = || runs.iter().map(|run| run.report.run.started_at.clone());
        Some((times().min()?, times().max()?))
    };
    let (Some(first), Some(second)) = (starts(base), starts(candidate)) else {
        return false;
    };
    base.len() + candidate.len() > 2 && (first.1 < second.0 || second.1 < first.0)
}
