//! One case of a table: its collections, its steps and what their replies must be.

use bson::{Bson, Document, doc};

use crate::compare::{at, check, succeeded};
use crate::wire::Connection;

/// The database that is empty at the start of every case.
const DATABASE: &str = "convoy_tables";

/// Runs every case of a table; returns their names and outcomes.
pub fn run_table(
    connection: &mut Connection,
    table: &Document,
) -> Vec<(String, Result<(), String>)> {
    let none = Document::new();
    let also = table.get_document("also_with_indexes").ok();
    let mut outcomes = Vec::new();
    for indexes in [Some(&none), also].into_iter().flatten() {
        for case in table.get_array("cases").unwrap() {
            let case = case.as_document().unwrap();
            let name = case.get_str("name").unwrap();
            let name = if indexes.is_empty() {
                name.to_owned()
            } else {
                format!("{name} (with indexes)")
            };
            outcomes.push((name, run_case(connection, table, case, indexes)));
        }
    }
    outcomes
}

fn run_case(
    connection: &mut Connection,
    table: &Document,
    case: &Document,
    indexes: &Document,
) -> Result<(), String> {
    let collections = case.get("collections").or(table.get("collections"));
    let collections = collections.and_then(Bson::as_document);
    set_up(connection, collections, indexes).map_err(|reply| format!("set-up: {reply}"))?;
    let steps = match case.get("steps") {
        Some(steps) => steps.clone(),
        None => filled(table.get("steps").expect("the table has steps"), case),
    };
    let mut reply = Document::new();
    for (number, step) in steps.as_array().unwrap().iter().enumerate() {
        let step = step.as_document().unwrap();
        let command = resolved(step.get("command").expect("a command"), &reply);
        let database = step.get_str("database").unwrap_or(DATABASE);
        reply = connection.run(database, command.as_document().unwrap());
        check(step, &reply).map_err(|problem| format!("step {number}: {problem}"))?;
    }
    Ok(())
}

/// Creates the collections of a case in an empty database; returns the reply that is an error.
fn set_up(
    connection: &mut Connection,
    collections: Option<&Document>,
    indexes: &Document,
) -> Result<(), Document> {
    must(connection, &doc! { "dropDatabase": 1 })?;
    for (name, collection) in collections.into_iter().flatten() {
        let collection = collection.as_document().unwrap();
        let documents = match collection.get("documents") {
            Some(Bson::Int32(count)) => (0..*count).map(|n| doc! { "_id": n }.into()).collect(),
            Some(Bson::Array(documents)) => documents.clone(),
            _ => Vec::new(),
        };
        if !documents.is_empty() {
            must(connection, &doc! { "insert": name, "documents": documents })?;
        }
        let wanted = [collection.get_array("indexes"), indexes.get_array(name)];
        let wanted: Vec<Bson> = wanted.into_iter().flatten().flatten().cloned().collect();
        if !wanted.is_empty() {
            must(
                connection,
                &doc! { "createIndexes": name, "indexes": wanted },
            )?;
        }
    }
    Ok(())
}

fn must(connection: &mut Connection, command: &Document) -> Result<(), Document> {
    let reply = connection.run(DATABASE, command);
    if succeeded(&reply) && !reply.contains_key("writeErrors") {
        Ok(())
    } else {
        Err(reply)
    }
}

/// Replaces each string `<column>` by that column of a row.
fn filled(template: &Bson, row: &Document) -> Bson {
    mapped(template, &|value| {
        let column = value.as_str()?.strip_prefix('<')?.strip_suffix('>')?;
        Some(row.get(column).expect("the row has the column").clone())
    })
}

/// Replaces each `{"$reply": path}` by the value at that path of the reply before.
fn resolved(command: &Bson, reply: &Document) -> Bson {
    mapped(command, &|value| {
        let path = value.as_document()?.get_str("$reply").ok()?;
        Some(at(reply, path).expect("the reply has the path"))
    })
}

/// Copies a value, with those parts replaced for which the function returns another.
fn mapped(value: &Bson, replace: &dyn Fn(&Bson) -> Option<Bson>) -> Bson {
    if let Some(replaced) = replace(value) {
        return replaced;
    }
    match value {
        Bson::Document(document) => {
            let fields = document.iter();
            let fields = fields.map(|(key, value)| (key.clone(), mapped(value, replace)));
            Bson::Document(fields.collect())
        }
        Bson::Array(values) => {
            let values = values.iter().map(|value| mapped(value, replace));
            Bson::Array(values.collect())
        }
        other => other.clone(),
    }
}
