//! The table of functions: the parameters of each and the code that computes it.

use std::cmp::Ordering;

use crate::query::expression::function::{Compute, Function, Parameters};
use crate::query::expression::{
    arithmetic, array, boolean, conversion, date, date_arithmetic, object, rounding, set, string,
    sum, text_search,
};

/// Any number of arguments.
const MANY: usize = usize::MAX;

const fn listed(least: usize, most: usize) -> Parameters {
    Parameters::Listed { least, most }
}

const fn named(required: &'static [&'static str], optional: &'static [&'static str]) -> Parameters {
    Parameters::Named { required, optional }
}

/// A date, or `{ date, timezone }`.
const DATE: Parameters = Parameters::Date;

const fn function(name: &'static str, parameters: Parameters, compute: Compute) -> Function {
    Function::new(name, parameters, compute)
}

/// All functions, in the order of their names.
static FUNCTIONS: &[Function] = &[
    function("$abs", listed(1, 1), arithmetic::abs),
    function("$acos", listed(1, 1), |a| {
        arithmetic::real("$acos", a, f64::acos)
    }),
    function("$add", listed(0, MANY), arithmetic::add),
    function("$allElementsTrue", listed(1, 1), set::all_elements_true),
    function("$anyElementTrue", listed(1, 1), set::any_element_true),
    function("$arrayElemAt", listed(2, 2), array::element_at),
    function("$arrayToObject", listed(1, 1), object::from_array),
    function("$asin", listed(1, 1), |a| {
        arithmetic::real("$asin", a, f64::asin)
    }),
    function("$atan", listed(1, 1), |a| {
        arithmetic::real("$atan", a, f64::atan)
    }),
    function("$avg", listed(0, MANY), sum::average),
    function("$binarySize", listed(1, 1), string::binary_size),
    function("$bsonSize", listed(1, 1), object::bson_size),
    function("$ceil", listed(1, 1), rounding::ceil),
    function("$cmp", listed(2, 2), boolean::compare),
    function("$concat", listed(0, MANY), string::concat),
    function("$concatArrays", listed(0, MANY), array::concat),
    function(
        "$convert",
        named(&["input", "to"], &["onError", "onNull"]),
        conversion::convert,
    ),
    function("$cos", listed(1, 1), |a| {
        arithmetic::real("$cos", a, f64::cos)
    }),
    function(
        "$dateAdd",
        named(&["startDate", "unit", "amount"], &["timezone"]),
        date_arithmetic::add,
    ),
    function(
        "$dateDiff",
        named(
            &["startDate", "endDate", "unit"],
            &["timezone", "startOfWeek"],
        ),
        date_arithmetic::difference,
    ),
    function(
        "$dateFromParts",
        named(
            &[],
            &[
                "year",
                "month",
                "day",
                "hour",
                "minute",
                "second",
                "millisecond",
                "timezone",
                "isoWeekYear",
                "isoWeek",
                "isoDayOfWeek",
            ],
        ),
        date::from_parts,
    ),
    function(
        "$dateFromString",
        named(
            &["dateString"],
            &["format", "timezone", "onError", "onNull"],
        ),
        date::from_string,
    ),
    function(
        "$dateSubtract",
        named(&["startDate", "unit", "amount"], &["timezone"]),
        date_arithmetic::subtract,
    ),
    function(
        "$dateToParts",
        named(&["date"], &["timezone", "iso8601"]),
        date::to_parts,
    ),
    function(
        "$dateToString",
        named(&["date"], &["format", "timezone", "onNull"]),
        date::to_string,
    ),
    function(
        "$dateTrunc",
        named(&["date", "unit"], &["binSize", "timezone", "startOfWeek"]),
        date_arithmetic::truncate,
    ),
    function("$dayOfMonth", DATE, |a| date::part("$dayOfMonth", a)),
    function("$dayOfWeek", DATE, |a| date::part("$dayOfWeek", a)),
    function("$dayOfYear", DATE, |a| date::part("$dayOfYear", a)),
    function("$degreesToRadians", listed(1, 1), |a| {
        arithmetic::real("$degreesToRadians", a, f64::to_radians)
    }),
    function("$divide", listed(2, 2), arithmetic::divide),
    function("$eq", listed(2, 2), |a| {
        boolean::ordered(a, Ordering::is_eq)
    }),
    function("$exp", listed(1, 1), arithmetic::exponential),
    function("$first", listed(1, 1), array::first),
    function("$floor", listed(1, 1), rounding::floor),
    function(
        "$getField",
        named(&["field"], &["input"]),
        object::get_field,
    ),
    function("$gt", listed(2, 2), |a| {
        boolean::ordered(a, Ordering::is_gt)
    }),
    function("$gte", listed(2, 2), |a| {
        boolean::ordered(a, Ordering::is_ge)
    }),
    function("$hour", DATE, |a| date::part("$hour", a)),
    function("$in", listed(2, 2), array::contains),
    function("$indexOfArray", listed(2, 4), array::index_of),
    function("$indexOfBytes", listed(2, 4), string::index_of_bytes),
    function("$indexOfCP", listed(2, 4), string::index_of_code_points),
    function("$isArray", listed(1, 1), array::is_array),
    function("$isNumber", listed(1, 1), conversion::is_number),
    function("$isoDayOfWeek", DATE, |a| date::part("$isoDayOfWeek", a)),
    function("$isoWeek", DATE, |a| date::part("$isoWeek", a)),
    function("$isoWeekYear", DATE, |a| date::part("$isoWeekYear", a)),
    function("$last", listed(1, 1), array::last),
    function("$ln", listed(1, 1), arithmetic::natural_logarithm),
    function("$log", listed(2, 2), arithmetic::logarithm),
    function("$log10", listed(1, 1), arithmetic::decimal_logarithm),
    function("$lt", listed(2, 2), |a| {
        boolean::ordered(a, Ordering::is_lt)
    }),
    function("$lte", listed(2, 2), |a| {
        boolean::ordered(a, Ordering::is_le)
    }),
    function("$ltrim", named(&["input"], &["chars"]), |a| {
        string::trim(a, true, false)
    }),
    function("$max", listed(0, MANY), |a| {
        arithmetic::extreme(a, Ordering::Greater)
    }),
    function("$mergeObjects", listed(0, MANY), object::merge),
    function("$millisecond", DATE, |a| date::part("$millisecond", a)),
    function("$min", listed(0, MANY), |a| {
        arithmetic::extreme(a, Ordering::Less)
    }),
    function("$minute", DATE, |a| date::part("$minute", a)),
    function("$mod", listed(2, 2), arithmetic::modulo),
    function("$month", DATE, |a| date::part("$month", a)),
    function("$multiply", listed(0, MANY), arithmetic::multiply),
    function("$ne", listed(2, 2), |a| {
        boolean::ordered(a, Ordering::is_ne)
    }),
    function("$not", listed(1, 1), boolean::not),
    function("$objectToArray", listed(1, 1), object::to_array),
    function("$pow", listed(2, 2), arithmetic::power),
    function("$radiansToDegrees", listed(1, 1), |a| {
        arithmetic::real("$radiansToDegrees", a, f64::to_degrees)
    }),
    function("$rand", listed(0, 0), arithmetic::random),
    function("$range", listed(2, 3), array::range),
    function(
        "$regexFind",
        named(&["input", "regex"], &["options"]),
        text_search::find,
    ),
    function(
        "$regexFindAll",
        named(&["input", "regex"], &["options"]),
        text_search::find_all,
    ),
    function(
        "$regexMatch",
        named(&["input", "regex"], &["options"]),
        text_search::matches,
    ),
    function(
        "$replaceAll",
        named(&["input", "find", "replacement"], &[]),
        |a| string::replace(a, true),
    ),
    function(
        "$replaceOne",
        named(&["input", "find", "replacement"], &[]),
        |a| string::replace(a, false),
    ),
    function("$reverseArray", listed(1, 1), array::reverse),
    function("$round", listed(1, 2), rounding::round),
    function("$rtrim", named(&["input"], &["chars"]), |a| {
        string::trim(a, false, true)
    }),
    function("$second", DATE, |a| date::part("$second", a)),
    function("$setDifference", listed(2, 2), set::difference),
    function("$setEquals", listed(2, MANY), set::equals),
    function(
        "$setField",
        named(&["field", "input", "value"], &[]),
        object::set_field,
    ),
    function("$setIntersection", listed(0, MANY), set::intersection),
    function("$setIsSubset", listed(2, 2), set::is_subset),
    function("$setUnion", listed(0, MANY), set::union),
    function("$sin", listed(1, 1), |a| {
        arithmetic::real("$sin", a, f64::sin)
    }),
    function("$size", listed(1, 1), array::size),
    function("$slice", listed(2, 3), array::slice),
    function("$sortArray", named(&["input", "sortBy"], &[]), array::sort),
    function("$split", listed(2, 2), string::split),
    function("$sqrt", listed(1, 1), arithmetic::square_root),
    function("$strLenBytes", listed(1, 1), |a| {
        string::length("$strLenBytes", a, str::len)
    }),
    function("$strLenCP", listed(1, 1), |a| {
        string::length("$strLenCP", a, |text| text.chars().count())
    }),
    function("$strcasecmp", listed(2, 2), string::compare_without_case),
    function("$substr", listed(3, 3), string::substring_bytes),
    function("$substrBytes", listed(3, 3), string::substring_bytes),
    function("$substrCP", listed(3, 3), string::substring_code_points),
    function("$subtract", listed(2, 2), arithmetic::subtract),
    function("$sum", listed(0, MANY), sum::sum),
    function("$tan", listed(1, 1), |a| {
        arithmetic::real("$tan", a, f64::tan)
    }),
    function("$toBool", listed(1, 1), |a| {
        conversion::convert_to(a, "bool")
    }),
    function("$toDate", listed(1, 1), |a| {
        conversion::convert_to(a, "date")
    }),
    function("$toDecimal", listed(1, 1), |a| {
        conversion::convert_to(a, "decimal")
    }),
    function("$toDouble", listed(1, 1), |a| {
        conversion::convert_to(a, "double")
    }),
    function("$toInt", listed(1, 1), |a| conversion::convert_to(a, "int")),
    function("$toLong", listed(1, 1), |a| {
        conversion::convert_to(a, "long")
    }),
    function("$toLower", listed(1, 1), |a| {
        string::change_case(a, str::to_ascii_lowercase)
    }),
    function("$toObjectId", listed(1, 1), |a| {
        conversion::convert_to(a, "objectId")
    }),
    function("$toString", listed(1, 1), |a| {
        conversion::convert_to(a, "string")
    }),
    function("$toUpper", listed(1, 1), |a| {
        string::change_case(a, str::to_ascii_uppercase)
    }),
    function("$trim", named(&["input"], &["chars"]), |a| {
        string::trim(a, true, true)
    }),
    function("$trunc", listed(1, 2), rounding::truncate),
    function("$type", listed(1, 1), conversion::type_of),
    function(
        "$unsetField",
        named(&["field", "input"], &[]),
        object::unset_field,
    ),
    function("$week", DATE, |a| date::part("$week", a)),
    function("$year", DATE, |a| date::part("$year", a)),
    function(
        "$zip",
        named(&["inputs"], &["useLongestLength", "defaults"]),
        array::zip,
    ),
];

/// Returns the function with a name.
pub fn find(name: &str) -> Option<&'static Function> {
    let at = FUNCTIONS.binary_search_by(|function| function.name.cmp(name));
    FUNCTIONS.get(at.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted_so_that_find_finds_every_function() {
        for function in FUNCTIONS {
            assert!(
                find(function.name).is_some(),
                "{} is out of order",
                function.name
            );
        }
    }
}
