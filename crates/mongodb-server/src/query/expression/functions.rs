//! The table of functions: what each takes and who computes it.

use crate::bson::{Doc, Value};
use crate::error::CommandError;
use crate::query::expression::{
    Expression, arithmetic, array, boolean, conversion, date, object, parse, set, string, sum,
    text_search,
};

/// Computes a value from arguments.
type Compute = fn(&[Value<'_>]) -> Result<Value<'static>, CommandError>;

/// A function of expressions.
pub struct Function {
    /// Its name.
    pub name: &'static str,
    arguments: Arguments,
    compute: Compute,
}

/// How arguments are written.
#[derive(Clone, Copy)]
enum Arguments {
    /// In an array of at least and at most so many; one may stand alone.
    Listed(usize, usize),
    /// By name: those that must be there, then those that need not.
    Named(&'static [&'static str], &'static [&'static str]),
}

use Arguments::{Listed, Named};

/// Any number of arguments.
const MANY: usize = usize::MAX;

const fn function(name: &'static str, arguments: Arguments, compute: Compute) -> Function {
    Function {
        name,
        arguments,
        compute,
    }
}

/// Every function.
static FUNCTIONS: &[Function] = &[
    function("$abs", Listed(1, 1), arithmetic::abs),
    function("$acos", Listed(1, 1), |a| {
        arithmetic::real("$acos", a, f64::acos)
    }),
    function("$add", Listed(0, MANY), arithmetic::add),
    function("$allElementsTrue", Listed(1, 1), set::all_elements_true),
    function("$anyElementTrue", Listed(1, 1), set::any_element_true),
    function("$arrayElemAt", Listed(2, 2), array::element_at),
    function("$arrayToObject", Listed(1, 1), object::from_array),
    function("$asin", Listed(1, 1), |a| {
        arithmetic::real("$asin", a, f64::asin)
    }),
    function("$atan", Listed(1, 1), |a| {
        arithmetic::real("$atan", a, f64::atan)
    }),
    function("$avg", Listed(0, MANY), sum::average),
    function("$binarySize", Listed(1, 1), string::binary_size),
    function("$bsonSize", Listed(1, 1), object::bson_size),
    function("$ceil", Listed(1, 1), arithmetic::ceil),
    function("$cmp", Listed(2, 2), boolean::compare),
    function("$concat", Listed(0, MANY), string::concat),
    function("$concatArrays", Listed(0, MANY), array::concat),
    function(
        "$convert",
        Named(&["input", "to"], &["onError", "onNull"]),
        conversion::convert,
    ),
    function("$cos", Listed(1, 1), |a| {
        arithmetic::real("$cos", a, f64::cos)
    }),
    function(
        "$dateAdd",
        Named(&["startDate", "unit", "amount"], &["timezone"]),
        date::add,
    ),
    function(
        "$dateDiff",
        Named(
            &["startDate", "endDate", "unit"],
            &["timezone", "startOfWeek"],
        ),
        date::difference,
    ),
    function(
        "$dateFromParts",
        Named(
            &["year"],
            &[
                "month",
                "day",
                "hour",
                "minute",
                "second",
                "millisecond",
                "timezone",
            ],
        ),
        date::from_parts,
    ),
    function(
        "$dateFromString",
        Named(
            &["dateString"],
            &["format", "timezone", "onError", "onNull"],
        ),
        date::from_string,
    ),
    function(
        "$dateSubtract",
        Named(&["startDate", "unit", "amount"], &["timezone"]),
        date::subtract,
    ),
    function(
        "$dateToParts",
        Named(&["date"], &["timezone", "iso8601"]),
        date::to_parts,
    ),
    function(
        "$dateToString",
        Named(&["date"], &["format", "timezone", "onNull"]),
        date::to_string,
    ),
    function(
        "$dateTrunc",
        Named(&["date", "unit"], &["binSize", "timezone", "startOfWeek"]),
        date::truncate,
    ),
    function("$dayOfMonth", Listed(1, 1), |a| {
        date::part("$dayOfMonth", a)
    }),
    function("$dayOfWeek", Listed(1, 1), |a| date::part("$dayOfWeek", a)),
    function("$dayOfYear", Listed(1, 1), |a| date::part("$dayOfYear", a)),
    function("$degreesToRadians", Listed(1, 1), |a| {
        arithmetic::real("$degreesToRadians", a, f64::to_radians)
    }),
    function("$divide", Listed(2, 2), arithmetic::divide),
    function("$eq", Listed(2, 2), |a| {
        boolean::ordered(a, std::cmp::Ordering::is_eq)
    }),
    function("$exp", Listed(1, 1), |a| {
        arithmetic::real("$exp", a, f64::exp)
    }),
    function("$first", Listed(1, 1), array::first),
    function("$floor", Listed(1, 1), arithmetic::floor),
    function(
        "$getField",
        Named(&["field"], &["input"]),
        object::get_field,
    ),
    function("$gt", Listed(2, 2), |a| {
        boolean::ordered(a, std::cmp::Ordering::is_gt)
    }),
    function("$gte", Listed(2, 2), |a| {
        boolean::ordered(a, std::cmp::Ordering::is_ge)
    }),
    function("$hour", Listed(1, 1), |a| date::part("$hour", a)),
    function("$in", Listed(2, 2), array::contains),
    function("$indexOfArray", Listed(2, 4), array::index_of),
    function("$indexOfBytes", Listed(2, 4), string::index_of_bytes),
    function("$indexOfCP", Listed(2, 4), string::index_of_code_points),
    function("$isArray", Listed(1, 1), array::is_array),
    function("$isNumber", Listed(1, 1), conversion::is_number),
    function("$isoDayOfWeek", Listed(1, 1), |a| {
        date::part("$isoDayOfWeek", a)
    }),
    function("$isoWeek", Listed(1, 1), |a| date::part("$isoWeek", a)),
    function("$isoWeekYear", Listed(1, 1), |a| {
        date::part("$isoWeekYear", a)
    }),
    function("$last", Listed(1, 1), array::last),
    function("$ln", Listed(1, 1), arithmetic::natural_logarithm),
    function("$log", Listed(2, 2), arithmetic::logarithm),
    function("$log10", Listed(1, 1), arithmetic::decimal_logarithm),
    function("$lt", Listed(2, 2), |a| {
        boolean::ordered(a, std::cmp::Ordering::is_lt)
    }),
    function("$lte", Listed(2, 2), |a| {
        boolean::ordered(a, std::cmp::Ordering::is_le)
    }),
    function("$ltrim", Named(&["input"], &["chars"]), |a| {
        string::trim(a, true, false)
    }),
    function("$max", Listed(0, MANY), |a| {
        arithmetic::extreme(a, std::cmp::Ordering::Greater)
    }),
    function("$mergeObjects", Listed(0, MANY), object::merge),
    function("$millisecond", Listed(1, 1), |a| {
        date::part("$millisecond", a)
    }),
    function("$min", Listed(0, MANY), |a| {
        arithmetic::extreme(a, std::cmp::Ordering::Less)
    }),
    function("$minute", Listed(1, 1), |a| date::part("$minute", a)),
    function("$mod", Listed(2, 2), arithmetic::modulo),
    function("$month", Listed(1, 1), |a| date::part("$month", a)),
    function("$multiply", Listed(0, MANY), arithmetic::multiply),
    function("$ne", Listed(2, 2), |a| {
        boolean::ordered(a, std::cmp::Ordering::is_ne)
    }),
    function("$not", Listed(1, 1), boolean::not),
    function("$objectToArray", Listed(1, 1), object::to_array),
    function("$pow", Listed(2, 2), arithmetic::power),
    function("$radiansToDegrees", Listed(1, 1), |a| {
        arithmetic::real("$radiansToDegrees", a, f64::to_degrees)
    }),
    function("$rand", Listed(0, 0), arithmetic::random),
    function("$range", Listed(2, 3), array::range),
    function(
        "$regexFind",
        Named(&["input", "regex"], &["options"]),
        text_search::find,
    ),
    function(
        "$regexFindAll",
        Named(&["input", "regex"], &["options"]),
        text_search::find_all,
    ),
    function(
        "$regexMatch",
        Named(&["input", "regex"], &["options"]),
        text_search::matches,
    ),
    function(
        "$replaceAll",
        Named(&["input", "find", "replacement"], &[]),
        |a| string::replace(a, true),
    ),
    function(
        "$replaceOne",
        Named(&["input", "find", "replacement"], &[]),
        |a| string::replace(a, false),
    ),
    function("$reverseArray", Listed(1, 1), array::reverse),
    function("$round", Listed(1, 2), arithmetic::round),
    function("$rtrim", Named(&["input"], &["chars"]), |a| {
        string::trim(a, false, true)
    }),
    function("$second", Listed(1, 1), |a| date::part("$second", a)),
    function("$setDifference", Listed(2, 2), set::difference),
    function("$setEquals", Listed(2, MANY), set::equals),
    function(
        "$setField",
        Named(&["field", "input", "value"], &[]),
        object::set_field,
    ),
    function("$setIntersection", Listed(0, MANY), set::intersection),
    function("$setIsSubset", Listed(2, 2), set::is_subset),
    function("$setUnion", Listed(0, MANY), set::union),
    function("$sin", Listed(1, 1), |a| {
        arithmetic::real("$sin", a, f64::sin)
    }),
    function("$size", Listed(1, 1), array::size),
    function("$slice", Listed(2, 3), array::slice),
    function("$sortArray", Named(&["input", "sortBy"], &[]), array::sort),
    function("$split", Listed(2, 2), string::split),
    function("$sqrt", Listed(1, 1), arithmetic::square_root),
    function("$strLenBytes", Listed(1, 1), |a| {
        string::length(a, str::len)
    }),
    function("$strLenCP", Listed(1, 1), |a| {
        string::length(a, |text| text.chars().count())
    }),
    function("$strcasecmp", Listed(2, 2), string::compare_without_case),
    function("$substr", Listed(3, 3), string::substring_bytes),
    function("$substrBytes", Listed(3, 3), string::substring_bytes),
    function("$substrCP", Listed(3, 3), string::substring_code_points),
    function("$subtract", Listed(2, 2), arithmetic::subtract),
    function("$sum", Listed(0, MANY), sum::sum),
    function("$tan", Listed(1, 1), |a| {
        arithmetic::real("$tan", a, f64::tan)
    }),
    function("$toBool", Listed(1, 1), |a| {
        conversion::convert_to(a, "bool")
    }),
    function("$toDate", Listed(1, 1), |a| {
        conversion::convert_to(a, "date")
    }),
    function("$toDouble", Listed(1, 1), |a| {
        conversion::convert_to(a, "double")
    }),
    function("$toInt", Listed(1, 1), |a| conversion::convert_to(a, "int")),
    function("$toLong", Listed(1, 1), |a| {
        conversion::convert_to(a, "long")
    }),
    function("$toLower", Listed(1, 1), |a| {
        string::change_case(a, str::to_ascii_lowercase)
    }),
    function("$toObjectId", Listed(1, 1), |a| {
        conversion::convert_to(a, "objectId")
    }),
    function("$toString", Listed(1, 1), |a| {
        conversion::convert_to(a, "string")
    }),
    function("$toUpper", Listed(1, 1), |a| {
        string::change_case(a, str::to_ascii_uppercase)
    }),
    function("$trim", Named(&["input"], &["chars"]), |a| {
        string::trim(a, true, true)
    }),
    function("$trunc", Listed(1, 2), arithmetic::truncate),
    function("$type", Listed(1, 1), conversion::type_of),
    function(
        "$unsetField",
        Named(&["field", "input"], &[]),
        object::unset_field,
    ),
    function("$week", Listed(1, 1), |a| date::part("$week", a)),
    function("$year", Listed(1, 1), |a| date::part("$year", a)),
    function(
        "$zip",
        Named(&["inputs"], &["useLongestLength", "defaults"]),
        array::zip,
    ),
];

/// Returns the function of a name.
pub fn find(name: &str) -> Option<&'static Function> {
    let at = FUNCTIONS.binary_search_by(|function| function.name.cmp(name));
    FUNCTIONS.get(at.ok()?)
}

impl std::fmt::Debug for Function {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name)
    }
}

impl Function {
    /// Computes the value.
    pub fn call(&self, arguments: &[Value<'_>]) -> Result<Value<'static>, CommandError> {
        (self.compute)(arguments)
    }

    /// Returns whether a call of constants may be kept as its value: equal arguments always give
    /// the same, and nothing much larger.
    pub fn is_constant(&self) -> bool {
        !matches!(self.name, "$rand" | "$range" | "$replaceAll")
    }

    /// Compiles what stands behind the name.
    pub fn parse_arguments(
        &self,
        argument: &Value<'_>,
        names: &[&str],
    ) -> Result<Vec<Expression>, CommandError> {
        match self.arguments {
            Listed(least, most) => self.parse_list(argument, (least, most), names),
            Named(required, optional) => self.parse_named(argument, required, optional, names),
        }
    }

    fn parse_list(
        &self,
        argument: &Value<'_>,
        (least, most): (usize, usize),
        names: &[&str],
    ) -> Result<Vec<Expression>, CommandError> {
        let arguments = match argument.as_array() {
            Some(array) => array
                .values()
                .map(|value| parse::parse_with(&value, names))
                .collect::<Result<Vec<_>, _>>()?,
            // `{ $rand: {} }` takes nothing.
            None if most == 0 => Vec::new(),
            None => vec![parse::parse_with(argument, names)?],
        };
        let passed = arguments.len();
        if (least..=most).contains(&passed) {
            return Ok(arguments);
        }
        let name = self.name;
        Err(if least == most {
            CommandError::location(
                16_020,
                format!(
                    "Expression {name} takes exactly {least} arguments. {passed} were passed in."
                ),
            )
        } else {
            CommandError::location(
                28_667,
                format!(
                    "Expression {name} takes at least {least} arguments, and at most {most}, but \
                     {passed} were passed in."
                ),
            )
        })
    }

    fn parse_named(
        &self,
        argument: &Value<'_>,
        required: &[&str],
        optional: &[&str],
        names: &[&str],
    ) -> Result<Vec<Expression>, CommandError> {
        let name = self.name;
        // `{ $getField: "a" }` is short for the one argument that must be there.
        if name == "$getField" && argument.as_document().is_none_or(is_operator) {
            let root = Expression::Field {
                variable: crate::query::expression::Variable::Root,
                names: Vec::new(),
            };
            return Ok(vec![parse::parse_with(argument, names)?, root]);
        }
        let Some(doc) = argument.as_document() else {
            return Err(CommandError::failed_to_parse(format!(
                "{name} only supports an object as its argument"
            )));
        };
        for element in doc.elements() {
            let known = [required, optional].concat();
            if !known.contains(&element.name()) {
                return Err(CommandError::failed_to_parse(format!(
                    "Unrecognized argument to {name}: {}",
                    element.name()
                )));
            }
        }
        let missing = || Expression::Constant(Value::Undefined);
        let mut parsed = Vec::new();
        for (position, parameter) in required.iter().chain(optional).enumerate() {
            let given = doc.get(parameter);
            parsed.push(match given {
                Some(value) if *parameter == "sortBy" => Expression::Constant(value.into_owned()),
                Some(value) => parse::parse_with(&value, names)?,
                None if position < required.len() => {
                    return Err(CommandError::failed_to_parse(format!(
                        "Missing '{parameter}' parameter to {name}"
                    )));
                }
                None if name == "$getField" => Expression::Field {
                    variable: crate::query::expression::Variable::Root,
                    names: Vec::new(),
                },
                None => missing(),
            });
        }
        Ok(parsed)
    }
}

fn is_operator(doc: Doc<'_>) -> bool {
    let first = doc.elements().next();
    first.is_some_and(|element| element.name().starts_with('$'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_found_by_its_name() {
        for function in FUNCTIONS {
            assert!(
                find(function.name).is_some(),
                "{} is out of order",
                function.name
            );
        }
    }
}
