//! Laws of expressions, for any document.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::bson::{ArrayBuilder, Builder, Doc, Element, Value, order};
use crate::error::{Code, CommandError};
use crate::query::environment::Environment;
use crate::query::expression::{Expression, Scope};
use crate::query::path::Path;
use crate::query::strategies::{array, document_without_arrays, path, scalar, value};

/// Returns the expression `{ operator: [arguments] }`.
fn call(operator: &str, arguments: Vec<Value<'static>>) -> Value<'static> {
    let arguments: ArrayBuilder = arguments.into_iter().collect();
    Value::Document(Builder::new().array(operator, arguments).finish().into())
}

fn literal(value: &Value<'_>) -> Value<'static> {
    Value::Document(Builder::new().with("$literal", value).finish().into())
}

fn evaluate(expression: &Value<'_>, doc: &[u8]) -> Result<Value<'static>, CommandError> {
    let expression = Expression::parse_in(expression, &Environment::default())?;
    let value = expression.evaluate(&Scope::new(Doc::new(doc), 0))?;
    Ok(value.into_owned())
}

fn evaluated(expression: &Value<'_>) -> Value<'static> {
    evaluate(expression, Doc::EMPTY.bytes()).expect("a valid expression")
}

/// Returns a date between the years 1 and 9999.
fn date() -> impl Strategy<Value = i64> {
    -62_000_000_000_000_i64..253_000_000_000_000
}

fn unit() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("year"),
        Just("quarter"),
        Just("month"),
        Just("week"),
        Just("day"),
        Just("hour"),
        Just("minute"),
        Just("second"),
        Just("millisecond"),
    ]
}

fn date_call(operator: &str, date_name: &str, date: i64, rest: Builder) -> Value<'static> {
    let arguments = Builder::new().with(date_name, &Value::DateTime(date));
    let arguments = arguments.extended(Doc::new(&rest.finish()));
    Value::Document(Builder::new().document(operator, arguments).finish().into())
}

fn as_date(value: &Value<'_>) -> i64 {
    match value {
        Value::DateTime(milliseconds) => *milliseconds,
        other => panic!("not a date: {other}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn field_path_has_the_value_at_the_path(doc in document_without_arrays(), path in path()) {
        let found = evaluate(&Value::from(format!("${path}")), &doc).expect("a valid path");
        let expected = Path::new(&path).get(Doc::new(&doc)).map(Element::value);
        let expected = expected.unwrap_or(Value::Undefined);
        prop_assert_eq!(found.kind(), expected.kind());
        prop_assert!(order::equal(&found, &expected));
    }

    #[test]
    fn call_with_constants_has_the_value_of_the_call_with_fields(
        left in value(), right in value()
    ) {
        let doc = Builder::new().with("l", &left).with("r", &right).finish();
        let operators = [
            "$add", "$subtract", "$multiply", "$divide", "$mod", "$pow", "$cmp", "$eq", "$max",
            "$concat", "$concatArrays", "$setUnion", "$mergeObjects", "$and", "$ifNull",
        ];
        for operator in operators {
            let constants = call(operator, vec![literal(&left), literal(&right)]);
            let fields = call(operator, vec![Value::from("$l"), Value::from("$r")]);
            let shown = |outcome: Result<Value<'_>, CommandError>| {
                outcome.map(|value| value.to_string()).map_err(|error| error.to_string())
            };
            let constants = shown(evaluate(&constants, &doc));
            prop_assert_eq!(constants, shown(evaluate(&fields, &doc)), "{}", operator);
        }
    }

    #[test]
    fn comparison_operators_agree_with_the_sort_order(left in value(), right in value()) {
        let result = |operator: &str| {
            evaluated(&call(operator, vec![literal(&left), literal(&right)])).is_truthy()
        };
        let ordering = order::compare(&left, &right);
        prop_assert_eq!(result("$lt"), ordering.is_lt());
        prop_assert_eq!(result("$lte"), ordering.is_le());
        prop_assert_eq!(result("$eq"), ordering.is_eq());
        prop_assert_eq!(result("$ne"), ordering.is_ne());
        prop_assert_eq!(result("$gte"), ordering.is_ge());
        prop_assert_eq!(result("$gt"), ordering.is_gt());
    }

    #[test]
    fn sum_and_average_of_integers_are_exact(numbers in vec(any::<i32>(), 1..6)) {
        let values: Vec<_> = numbers.iter().copied().map(Value::Int32).collect();
        let exact: i64 = numbers.iter().copied().map(i64::from).sum();
        prop_assert_eq!(evaluated(&call("$sum", values.clone())).as_i64(), Some(exact));
        let average = exact as f64 / numbers.len() as f64;
        prop_assert_eq!(evaluated(&call("$avg", values)).as_f64(), Some(average));
    }

    #[test]
    fn rounding_twice_is_rounding_once(number in -1e9_f64..1e9, place in 0_i32..4) {
        let rounded = evaluated(&call("$round", vec![Value::Double(number), Value::Int32(place)]));
        let again = evaluated(&call("$round", vec![rounded.clone(), Value::Int32(place)]));
        prop_assert_eq!(again.as_f64(), rounded.as_f64());
        for operator in ["$ceil", "$floor", "$trunc"] {
            let once = evaluated(&call(operator, vec![Value::Double(number)]));
            let twice = evaluated(&call(operator, vec![once.clone()]));
            prop_assert_eq!(twice.as_f64(), once.as_f64(), "{}", operator);
        }
    }

    #[test]
    fn reversing_twice_restores_an_array(items in vec(value(), 0..5)) {
        let items = array(items);
        let once = call("$reverseArray", vec![literal(&items)]);
        let twice = call("$reverseArray", vec![once]);
        prop_assert_eq!(evaluated(&twice).to_string(), items.to_string());
    }

    #[test]
    fn sorted_array_is_in_order(items in vec(value(), 0..6)) {
        let arguments = Builder::new()
            .with("input", &literal(&array(items.clone())))
            .int32("sortBy", 1);
        let sort = Builder::new().document("$sortArray", arguments).finish();
        let sorted = evaluated(&Value::Document(sort.into()));
        let sorted: Vec<_> = sorted.as_array().expect("an array").values().collect();
        prop_assert_eq!(sorted.len(), items.len());
        prop_assert!(sorted.is_sorted_by(|one, other| order::compare(one, other).is_le()));
    }

    #[test]
    fn union_contains_both_sets_and_nothing_else(
        one in vec(scalar(), 0..5), other in vec(scalar(), 0..5)
    ) {
        let (one, other) = (literal(&array(one)), literal(&array(other)));
        let union = call("$setUnion", vec![one.clone(), other.clone()]);
        let holds = |expression: Value<'static>| evaluated(&expression).is_truthy();
        for set in [&one, &other] {
            prop_assert!(holds(call("$setIsSubset", vec![set.clone(), union.clone()])));
        }
        let rest = call("$setDifference", vec![union, one]);
        prop_assert!(holds(call("$setIsSubset", vec![rest, other])));
    }

    #[test]
    fn date_parsed_from_its_text_is_the_same(milliseconds in date()) {
        let text = date_call("$dateToString", "date", milliseconds, Builder::new());
        let arguments = Builder::new().with("dateString", &text);
        let parsed = Builder::new().document("$dateFromString", arguments).finish();
        prop_assert_eq!(as_date(&evaluated(&Value::Document(parsed.into()))), milliseconds);
    }

    #[test]
    fn date_made_from_its_parts_is_the_same(milliseconds in date()) {
        let parts = evaluated(&date_call("$dateToParts", "date", milliseconds, Builder::new()));
        let made = Builder::new().with("$dateFromParts", &parts).finish();
        prop_assert_eq!(as_date(&evaluated(&Value::Document(made.into()))), milliseconds);
    }

    #[test]
    fn truncated_date_is_the_latest_start_of_a_unit(milliseconds in date(), unit in unit()) {
        let truncate = |milliseconds: i64| {
            let rest = Builder::new().string("unit", unit);
            as_date(&evaluated(&date_call("$dateTrunc", "date", milliseconds, rest)))
        };
        let start = truncate(milliseconds);
        prop_assert!(start <= milliseconds);
        prop_assert_eq!(truncate(start), start);
        let next = date_call(
            "$dateAdd",
            "startDate",
            start,
            Builder::new().string("unit", unit).int32("amount", 1),
        );
        prop_assert!(as_date(&evaluated(&next)) > milliseconds);
    }

    #[test]
    fn difference_of_a_date_and_its_unit_start_is_zero(milliseconds in date(), unit in unit()) {
        let start = date_call("$dateTrunc", "date", milliseconds, Builder::new().string("unit", unit));
        let rest = Builder::new().with("endDate", &start).string("unit", unit);
        let difference = date_call("$dateDiff", "startDate", milliseconds, rest);
        prop_assert_eq!(evaluated(&difference).as_i64(), Some(0));
    }
}

#[test]
fn variables_are_visible_only_inside_the_expression_that_defines_them() {
    let inner = call("$add", vec![Value::from("$$x"), Value::Int32(1)]);
    let arguments = Builder::new()
        .document("vars", Builder::new().int32("x", 1))
        .with("in", &inner);
    let expression = Builder::new().document("$let", arguments).finish();
    let value = evaluated(&Value::Document(expression.into()));
    assert_eq!(value.as_i64(), Some(2));
    let outside = Expression::parse_in(&inner, &Environment::default()).map(|_| ());
    assert_eq!(
        outside.map_err(|error| error.code()),
        Err(Code::location(17_276))
    );
}
