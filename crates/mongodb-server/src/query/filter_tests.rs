//! Laws that hold between operators of filters, for any document.

use proptest::prelude::*;

use crate::bson::{ArrayBuilder, Builder, Doc, Value, order};
use crate::query::filter::Filter;
use crate::query::strategies::{array, document, name, path, scalar, value};

/// Returns whether a document passes `{ path: { operator: operand } }`.
fn passes(doc: &[u8], path: &str, operator: &str, operand: &Value<'_>) -> bool {
    let condition = Builder::new().document(path, Builder::new().with(operator, operand));
    matches(doc, &condition.finish())
}

fn matches(doc: &[u8], filter: &[u8]) -> bool {
    let filter = Filter::parse(Doc::new(filter)).expect("a valid filter");
    filter.matches(Doc::new(doc))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn negated_operators_are_the_negation_of_the_operator(
        doc in document(), path in path(), one in value(), other in value()
    ) {
        let list = array(vec![one.clone(), other]);
        let equal = passes(&doc, &path, "$eq", &one);
        prop_assert_eq!(passes(&doc, &path, "$ne", &one), !equal);
        prop_assert_eq!(passes(&doc, &path, "$nin", &list), !passes(&doc, &path, "$in", &list));
        let greater = Builder::new().with("$gt", &one).finish();
        let not = passes(&doc, &path, "$not", &Value::Document(greater.into()));
        prop_assert_eq!(not, !passes(&doc, &path, "$gt", &one));
        let exists = passes(&doc, &path, "$exists", &Value::Bool(true));
        prop_assert_eq!(passes(&doc, &path, "$exists", &Value::Bool(false)), !exists);
    }

    #[test]
    fn inclusive_comparison_is_the_strict_one_or_equality(
        doc in document(), path in path(), operand in value()
    ) {
        let equal = passes(&doc, &path, "$eq", &operand);
        for (inclusive, strict) in [("$gte", "$gt"), ("$lte", "$lt")] {
            let expected = equal || passes(&doc, &path, strict, &operand);
            prop_assert_eq!(passes(&doc, &path, inclusive, &operand), expected, "{}", inclusive);
        }
    }

    #[test]
    fn in_is_equality_with_one_of_the_values(
        doc in document(), path in path(), values in proptest::collection::vec(value(), 0..3)
    ) {
        let expected = values.iter().any(|value| passes(&doc, &path, "$eq", value));
        prop_assert_eq!(passes(&doc, &path, "$in", &array(values)), expected);
    }

    #[test]
    fn all_is_equality_with_each_of_the_values(
        doc in document(), path in path(), values in proptest::collection::vec(value(), 1..3)
    ) {
        let expected = values.iter().all(|value| passes(&doc, &path, "$eq", value));
        prop_assert_eq!(passes(&doc, &path, "$all", &array(values)), expected);
    }

    #[test]
    fn logical_operators_combine_the_results_of_their_clauses(
        doc in document(), one in (path(), value()), other in (path(), value())
    ) {
        let clause = |(path, value): &(String, Value<'static>)| {
            Builder::new().document(path, Builder::new().with("$lte", value))
        };
        let (left, right) = (clause(&one).finish(), clause(&other).finish());
        let (left, right) = (matches(&doc, &left), matches(&doc, &right));
        let combined = |operator: &str| {
            let mut clauses = ArrayBuilder::default();
            clauses.push_built(clause(&one));
            clauses.push_built(clause(&other));
            matches(&doc, &Builder::new().array(operator, clauses).finish())
        };
        prop_assert_eq!(combined("$and"), left && right);
        prop_assert_eq!(combined("$or"), left || right);
        prop_assert_eq!(combined("$nor"), !(left || right));
    }

    #[test]
    fn position_is_the_first_element_that_passes(
        items in proptest::collection::vec(scalar(), 0..5), field in name(), wanted in scalar()
    ) {
        let doc = Builder::new().with(&field, &array(items.clone())).finish();
        let filter = Builder::new().with(&field, &wanted).finish();
        let filter = Filter::parse(Doc::new(&filter)).expect("a valid filter");
        let expected = items.iter().position(|item| order::equal(item, &wanted));
        prop_assert_eq!(filter.position(Doc::new(&doc)), expected);
    }
}
