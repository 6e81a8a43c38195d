//! Compiles filters; rejects malformed and unknown operators with MongoDB's errors.

use std::sync::Arc;

use convoy_server_kit::unix_ms;

use crate::bson::{Doc, Element, Key, Kind, Value, value};
use crate::error::{CommandError, UNSUPPORTED_HERE};
use crate::query::decimal::{self, To};
use crate::query::environment::Environment;
use crate::query::expression::Expression;
use crate::query::filter::{Choices, Comparison, ElementTest, Filter, Test};
use crate::query::parse_operands::{parse_bits, parse_size};
use crate::query::path::Path;
use crate::query::regex::Pattern;
use crate::query::schema::Schema;

/// The position of a filter, which determines the operators that it may contain.
#[derive(Debug, Clone, Copy)]
enum Place<'a> {
    /// The filter applies to whole documents, in which expressions may use these variables.
    Documents(&'a Environment),
    /// The filter applies to a part of a document.
    Within,
}

impl Filter {
    /// Compiles a filter of whole documents.
    pub fn parse(filter: Doc<'_>) -> Result<Self, CommandError> {
        let now_ms = i64::try_from(unix_ms()).unwrap_or(i64::MAX);
        Self::parse_in(filter, &Environment::new(now_ms))
    }

    /// Compiles a filter of whole documents that may use the variables of a command.
    pub fn parse_in(filter: Doc<'_>, environment: &Environment) -> Result<Self, CommandError> {
        parse_in(filter, Place::Documents(environment))
    }

    /// Compiles a filter of a part of a document, in which `$expr` is not allowed.
    pub fn parse_within(filter: Doc<'_>) -> Result<Self, CommandError> {
        parse_in(filter, Place::Within)
    }
}

fn parse_in(filter: Doc<'_>, place: Place<'_>) -> Result<Filter, CommandError> {
    let mut conjuncts = Vec::new();
    for element in filter.elements() {
        let name = element.name();
        if let Some(operator) = name.strip_prefix('$') {
            conjuncts.extend(parse_logical(operator, element, place)?);
        } else {
            parse_field(&Path::new(name), element, &mut conjuncts)?;
        }
    }
    Ok(Filter::And(conjuncts))
}

fn parse_logical(
    operator: &str,
    element: Element<'_>,
    place: Place<'_>,
) -> Result<Option<Filter>, CommandError> {
    let clauses = || parse_clauses(element, place);
    Ok(Some(match operator {
        "and" => Filter::And(clauses()?),
        "or" => Filter::Or(clauses()?),
        "nor" => Filter::Not(Box::new(Filter::Or(clauses()?))),
        "alwaysTrue" => Filter::Constant(true),
        "alwaysFalse" => Filter::Constant(false),
        "comment" => return Ok(None),
        "jsonSchema" => Filter::Schema(Arc::new(Schema::parse(&element.value())?)),
        "expr" => {
            let Place::Documents(environment) = place else {
                return Err(CommandError::bad_value(
                    "$expr can only be applied to the top-level document",
                ));
            };
            let expression = Expression::parse_in(&element.value(), environment)?;
            Filter::Expression {
                implied: equalities(&expression),
                expression,
                now_ms: environment.now_ms,
            }
        }
        _ => {
            return Err(CommandError::bad_value(format!(
                "unknown top level operator: ${operator}. If you have a field name that starts \
                 with a '$' symbol, consider using $getField or $setField.{}",
                unsupported_note(element.name())
            )));
        }
    }))
}

/// Returns tests that a document must pass for an expression to be true, so that it can use indexes.
fn equalities(expression: &Expression) -> Vec<(Path, Test)> {
    let fields = expression.equalities();
    let tests = fields.into_iter().map(|(names, value)| {
        let value = value.clone().into_owned();
        (Path::new(&names.join(".")), Test::Equal(value))
    });
    tests.collect()
}

fn parse_clauses(element: Element<'_>, place: Place<'_>) -> Result<Vec<Filter>, CommandError> {
    let name = element.name();
    let wrong = || CommandError::bad_value(format!("{name} must be an array"));
    let value = element.value();
    let array = value.as_array().ok_or_else(wrong)?;
    if array.is_empty() {
        return Err(CommandError::bad_value(
            "$and/$or/$nor must be a nonempty array",
        ));
    }
    array
        .elements()
        .map(|clause| match clause.doc() {
            Some(doc) if clause.kind() == Kind::Document => parse_in(doc, place),
            _ => Err(CommandError::bad_value(
                "$or/$and/$nor entries need to be full objects",
            )),
        })
        .collect()
}

/// Compiles the condition on one path: a value, or operators.
fn parse_field(
    path: &Path,
    element: Element<'_>,
    conjuncts: &mut Vec<Filter>,
) -> Result<(), CommandError> {
    let field = |test| Filter::Field {
        path: path.clone(),
        test,
    };
    let Some(operators) = operators_of(element) else {
        let test = match element.value() {
            Value::Regex { pattern, options } => Test::Matches(Pattern::new(&pattern, &options)?),
            value => Test::Equal(checked_operand(value)?),
        };
        conjuncts.push(field(test));
        return Ok(());
    };
    for parsed in parse_operators(operators)? {
        let filter = match parsed.tests.len() {
            1 => parsed.tests.into_iter().next().map(field),
            _ => Some(Filter::And(parsed.tests.into_iter().map(field).collect())),
        };
        let Some(filter) = filter else { continue };
        conjuncts.push(if parsed.negated {
            Filter::Not(Box::new(filter))
        } else {
            filter
        });
    }
    Ok(())
}

/// Returns the operators of `{ path: { $op: … } }`; `None` if the value is an operand of equality.
fn operators_of(element: Element<'_>) -> Option<Doc<'_>> {
    let doc = element.doc().filter(|_| element.kind() == Kind::Document)?;
    let first = doc.elements().next()?.name();
    let reference = doc.element("$ref").is_some() && doc.element("$id").is_some();
    (first.starts_with('$') && !reference).then_some(doc)
}

/// Compiles the operators on one path.
fn parse_operators(operators: Doc<'_>) -> Result<Vec<ElementTest>, CommandError> {
    let mut parsed = Vec::new();
    for element in operators.elements() {
        let plain = |test| ElementTest {
            negated: false,
            tests: vec![test],
        };
        let negated = |test| ElementTest {
            negated: true,
            tests: vec![test],
        };
        let one = match element.name() {
            "$ne" => negated(Test::Equal(no_pattern(element)?)),
            "$nin" => negated(Test::In(parse_choices(element)?)),
            "$not" => parse_not(element)?,
            "$options" => {
                if operators.element("$regex").is_none() {
                    return Err(CommandError::bad_value("$options needs a $regex"));
                }
                continue;
            }
            "$regex" => plain(parse_regex(element, operators)?),
            "$comment" => continue,
            _ => plain(parse_test(element)?),
        };
        parsed.push(one);
    }
    Ok(parsed)
}

fn parse_test(element: Element<'_>) -> Result<Test, CommandError> {
    let compare = |comparison| Ok(Test::Compare(comparison, no_pattern(element)?));
    match element.name() {
        "$eq" => Ok(Test::Equal(no_pattern(element)?)),
        "$lt" => compare(Comparison::Less),
        "$lte" => compare(Comparison::LessOrEqual),
        "$gt" => compare(Comparison::Greater),
        "$gte" => compare(Comparison::GreaterOrEqual),
        "$in" => Ok(Test::In(parse_choices(element)?)),
        "$exists" => Ok(Test::Exists(element.value().is_truthy())),
        "$type" => parse_type(element),
        "$mod" => parse_modulo(element),
        "$size" => parse_size(element),
        "$all" => parse_all(element),
        "$elemMatch" => parse_element_match(element),
        "$bitsAllSet" => parse_bits(element, true, true),
        "$bitsAllClear" => parse_bits(element, true, false),
        "$bitsAnySet" => parse_bits(element, false, true),
        "$bitsAnyClear" => parse_bits(element, false, false),
        operator => Err(CommandError::bad_value(format!(
            "unknown operator: {operator}{}",
            unsupported_note(operator)
        ))),
    }
}

/// Returns a note for operators that MongoDB has and this server does not.
fn unsupported_note(operator: &str) -> &'static str {
    match operator {
        "$near" | "$nearSphere" | "$geoWithin" | "$geoIntersects" | "$within" | "$where"
        | "$text" | "$sampleRate" => UNSUPPORTED_HERE,
        _ => "",
    }
}

fn no_pattern(element: Element<'_>) -> Result<Value<'static>, CommandError> {
    let value = element.value();
    let operator = element.name();
    if matches!(value, Value::Regex { .. }) && operator != "$eq" {
        let message = format!("Can't have RegEx as arg to predicate over field with {operator}.");
        return Err(CommandError::bad_value(message));
    }
    checked_operand(value)
}

fn checked_operand(value: Value<'_>) -> Result<Value<'static>, CommandError> {
    if matches!(value, Value::Undefined) {
        return Err(CommandError::bad_value("cannot compare to undefined"));
    }
    Ok(value.into_owned())
}

fn parse_choices(element: Element<'_>) -> Result<Choices, CommandError> {
    let value = element.value();
    let array = value
        .as_array()
        .ok_or_else(|| CommandError::bad_value(format!("{} needs an array", element.name())))?;
    let mut choices = Choices::default();
    for item in array.elements() {
        if operators_of(item).is_some() {
            let message = format!("cannot nest $ under {}", element.name());
            return Err(CommandError::bad_value(message));
        }
        match item.value() {
            Value::Regex { pattern, options } => {
                choices.patterns.push(Pattern::new(&pattern, &options)?);
            }
            value => {
                let value = checked_operand(value)?;
                choices.null |= value.is_nullish();
                choices.keys.insert(Key::of(&value));
                choices.values.push(value);
            }
        }
    }
    Ok(choices)
}

fn parse_not(element: Element<'_>) -> Result<ElementTest, CommandError> {
    if let Value::Regex { pattern, options } = element.value() {
        return Ok(ElementTest {
            negated: true,
            tests: vec![Test::Matches(Pattern::new(&pattern, &options)?)],
        });
    }
    let inner = operators_of(element)
        .ok_or_else(|| CommandError::bad_value("$not needs a regex or a document"))?;
    let parsed = parse_operators(inner)?;
    // Of the negations inside `$not`, only a single one such as `$not: { $ne: … }` is supported.
    if let [only] = parsed.as_slice()
        && only.negated
    {
        return Ok(ElementTest {
            negated: false,
            tests: only.tests.clone(),
        });
    }
    if parsed.iter().any(|test| test.negated) {
        return Ok(ElementTest {
            negated: true,
            tests: vec![Test::Each(parsed)],
        });
    }
    Ok(ElementTest {
        negated: true,
        tests: parsed.into_iter().flat_map(|test| test.tests).collect(),
    })
}

fn parse_regex(element: Element<'_>, operators: Doc<'_>) -> Result<Test, CommandError> {
    let given = operators.get("$options");
    let options = match &given {
        None => "",
        Some(Value::String(options)) => options,
        Some(_) => return Err(CommandError::bad_value("$options has to be a string")),
    };
    let pattern = match element.value() {
        Value::String(pattern) => Pattern::new(&pattern, options)?,
        Value::Regex {
            pattern,
            options: own,
        } => {
            if !options.is_empty() && !own.is_empty() {
                let message = "options set in both $regex and $options";
                return Err(CommandError::location(51_075, message));
            }
            Pattern::new(&pattern, if options.is_empty() { &own } else { options })?
        }
        _ => return Err(CommandError::bad_value("$regex has to be a string")),
    };
    Ok(Test::Matches(pattern))
}

fn parse_type(element: Element<'_>) -> Result<Test, CommandError> {
    let mut kinds = Vec::new();
    let value = element.value();
    match value.as_array() {
        Some(array) if array.is_empty() => {
            return Err(CommandError::failed_to_parse(
                "$type must match at least one type",
            ));
        }
        Some(array) => {
            for item in array.values() {
                add_kinds(&item, &mut kinds)?;
            }
        }
        None => add_kinds(&value, &mut kinds)?,
    }
    Ok(Test::Type(kinds))
}

fn add_kinds(value: &Value<'_>, kinds: &mut Vec<Kind>) -> Result<(), CommandError> {
    if let Some(alias) = value.as_str() {
        if alias == "number" {
            kinds.extend([Kind::Double, Kind::Int32, Kind::Int64, Kind::Decimal128]);
            return Ok(());
        }
        let kind = Kind::from_alias(alias);
        let unknown = || CommandError::bad_value(format!("Unknown type name alias: {alias}"));
        kinds.push(kind.ok_or_else(unknown)?);
        return Ok(());
    }
    if !value.is_number() {
        return Err(CommandError::type_mismatch(
            "type must be represented as a number or a string",
        ));
    }
    let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
    let unknown = || CommandError::bad_value(format!("Invalid numerical type code: {value}"));
    let kind = number.and_then(Kind::from_number).ok_or_else(unknown)?;
    kinds.push(kind);
    Ok(())
}

fn parse_modulo(element: Element<'_>) -> Result<Test, CommandError> {
    let value = element.value();
    let malformed = |what| CommandError::bad_value(format!("malformed mod, {what}"));
    let array = value
        .as_array()
        .ok_or_else(|| malformed("needs to be an array"))?;
    if array.len() < 2 {
        return Err(malformed("not enough elements"));
    }
    if array.len() > 2 {
        return Err(malformed("too many elements"));
    }
    let number = |value: Value<'_>| match value {
        Value::Double(number) => value::integer_of(number.trunc()),
        Value::Decimal128(number) => decimal::whole(number, To::Zero).to_i64(),
        value => value.as_i64(),
    };
    let mut numbers = array.values().map(number);
    let divisor = numbers
        .next()
        .flatten()
        .ok_or_else(|| malformed("divisor is not a number"))?;
    let remainder = numbers
        .next()
        .flatten()
        .ok_or_else(|| malformed("remainder is not a number"))?;
    if divisor == 0 {
        return Err(CommandError::bad_value("divisor cannot be 0"));
    }
    // `i64::MIN % -1` would overflow; the remainder by 1 is the same.
    let divisor = if divisor == -1 { 1 } else { divisor };
    Ok(Test::Modulo { divisor, remainder })
}

fn parse_all(element: Element<'_>) -> Result<Test, CommandError> {
    let value = element.value();
    let array = value
        .as_array()
        .ok_or_else(|| CommandError::bad_value("$all needs an array"))?;
    let matches_elements = |item: Element<'_>| {
        operators_of(item).is_some_and(|operators| operators.element("$elemMatch").is_some())
    };
    let first_matches = array.elements().next().is_some_and(matches_elements);
    let mut tests = Vec::new();
    for item in array.elements() {
        if first_matches && !matches_elements(item) {
            return Err(CommandError::bad_value(
                "$all/$elemMatch has to be consistent",
            ));
        }
        tests.push(match operators_of(item) {
            Some(operators) => match operators.element("$elemMatch") {
                Some(inner) if first_matches => parse_element_match(inner)?,
                _ => return Err(CommandError::bad_value("no $ expressions in $all")),
            },
            None => match item.value() {
                Value::Regex { pattern, options } => {
                    Test::Matches(Pattern::new(&pattern, &options)?)
                }
                value => Test::Equal(checked_operand(value)?),
            },
        });
    }
    Ok(Test::All(tests))
}

/// Compiles `$elemMatch`: tests of the elements themselves, or a filter of documents.
pub fn parse_element_match(element: Element<'_>) -> Result<Test, CommandError> {
    let doc = element
        .doc()
        .filter(|_| element.kind() == Kind::Document)
        .ok_or_else(|| CommandError::bad_value("$elemMatch needs an Object"))?;
    let logical = |name: &str| matches!(name, "$and" | "$or" | "$nor" | "$where" | "$expr");
    match operators_of(element) {
        Some(operators) if !operators.elements().any(|first| logical(first.name())) => {
            Ok(Test::ElementValue(parse_operators(operators)?))
        }
        _ => Ok(Test::ElementDocument(Box::new(Filter::parse_within(doc)?))),
    }
}
