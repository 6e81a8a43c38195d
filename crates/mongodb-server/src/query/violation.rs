//! Says why a document does not pass a validator, in the form of MongoDB's `errInfo`.

use std::ops::ControlFlow;

use crate::bson::{ArrayBuilder, Builder, Doc, Element, Kind, Value};
use crate::query::filter::Filter;
use crate::query::path::Path;
use crate::query::schema::Schema;

/// Returns the details of a document that a filter rejects.
pub fn explain_violation(filter: Doc<'_>, doc: Doc<'_>) -> Builder {
    explain(&clauses_of(filter), doc)
}

fn explain(clauses: &[Vec<u8>], doc: Doc<'_>) -> Builder {
    match clauses {
        [only] => explain_clause(Doc::new(only), doc),
        several => Builder::new()
            .string("operatorName", "$and")
            .array("clausesNotSatisfied", clauses_with(several, doc, false)),
    }
}

/// Splits a filter into clauses of one operator each.
fn clauses_of(filter: Doc<'_>) -> Vec<Vec<u8>> {
    let mut clauses = Vec::new();
    for element in filter.elements() {
        let name = element.name();
        let operators = element.doc().filter(|operators| {
            let first = operators.elements().next();
            let operator = first.is_some_and(|first| first.name().starts_with('$'));
            element.kind() == Kind::Document && operator && !name.starts_with('$')
        });
        match operators {
            // `$options` belongs to `$regex`.
            Some(operators) if operators.element("$regex").is_none() => {
                for operator in operators.elements() {
                    let mut condition = Builder::new();
                    condition.push_element(operator);
                    clauses.push(Builder::new().document(name, condition).finish());
                }
            }
            _ => {
                let mut clause = Builder::new();
                clause.push_element(element);
                clauses.push(clause.finish());
            }
        }
    }
    clauses
}

/// Returns the clauses that a document passes, or does not pass, with their numbers.
fn clauses_with(clauses: &[Vec<u8>], doc: Doc<'_>, pass: bool) -> ArrayBuilder {
    let mut found = ArrayBuilder::default();
    for (index, clause) in clauses.iter().enumerate() {
        let clause = Doc::new(clause);
        if Filter::parse(clause).is_ok_and(|filter| filter.matches(doc) == pass) {
            let details = explain(&clauses_of(clause), doc);
            let entry = Builder::new().count("index", index);
            found.push_built(entry.document("details", details));
        }
    }
    found
}

/// Returns the documents of an array.
fn documents_of(element: Element<'_>) -> Vec<Vec<u8>> {
    let clauses = element.doc().unwrap_or(Doc::EMPTY).elements();
    let clauses = clauses.filter_map(Element::doc);
    clauses.map(|clause| clause.bytes().to_vec()).collect()
}

fn explain_clause(clause: Doc<'_>, doc: Doc<'_>) -> Builder {
    let Some(element) = clause.elements().next() else {
        return Builder::new();
    };
    let name = element.name();
    let head = Builder::new().string("operatorName", name);
    match name {
        "$and" | "$or" => head.array(
            "clausesNotSatisfied",
            clauses_with(&documents_of(element), doc, false),
        ),
        "$nor" => head.array(
            "clausesSatisfied",
            clauses_with(&documents_of(element), doc, true),
        ),
        "$jsonSchema" => match Schema::parse(&element.value()) {
            Ok(schema) => schema.explain_document(doc),
            Err(_) => head,
        },
        "$expr" => head
            .raw_document("specifiedAs", clause)
            .string("reason", "expression did not match")
            .bool("expressionResult", false),
        _ => explain_field(clause, element, doc),
    }
}

fn values_at<'a>(path: &Path, doc: Doc<'a>) -> Vec<Value<'a>> {
    let mut values = Vec::new();
    let _ = path.visit(doc, &mut |reached| {
        values.extend(reached.element().map(Element::value));
        ControlFlow::Continue(())
    });
    values
}

fn explain_field(clause: Doc<'_>, element: Element<'_>, doc: Doc<'_>) -> Builder {
    let condition = element.doc().filter(|_| element.kind() == Kind::Document);
    let operator = condition.and_then(|condition| condition.elements().next());
    let operator = operator.map(Element::name);
    let operator = operator
        .filter(|name| name.starts_with('$'))
        .unwrap_or("$eq");
    let values = values_at(&Path::new(element.name()), doc);
    let reason = match operator {
        "$exists" if values.is_empty() => "path does not exist",
        "$exists" => "path does exist",
        "$not" => "$not matched",
        _ if values.is_empty() => "field was missing",
        "$type" => "type did not match",
        "$in" => "no matching value found in array",
        "$nin" => "matching value found in array",
        "$regex" => "regular expression did not match",
        "$size" => "array length was not equal to given size",
        "$mod" => "$mod did not evaluate to expected remainder",
        "$all" => "array did not contain all specified values",
        "$elemMatch" => "array did not satisfy the child predicate",
        "$bitsAllSet" | "$bitsAllClear" | "$bitsAnySet" | "$bitsAnyClear" => {
            "bitwise operator failed to match"
        }
        _ => "comparison failed",
    };
    let details = Builder::new()
        .string("operatorName", operator)
        .raw_document("specifiedAs", clause)
        .string("reason", reason);
    match values.as_slice() {
        [] => details,
        [only] => {
            let details = details.with("consideredValue", only);
            if operator == "$type" {
                return details.string("consideredType", only.kind().alias());
            }
            details
        }
        several => details.array("consideredValues", several.iter().cloned().collect()),
    }
}
