//! Output of `convoy dataset`.

use crate::place::Place;

#[test]
fn schema_has_column_types_or_strings_only() {
    let place = Place::empty();
    std::fs::create_dir(place.path("trucks")).unwrap();
    let place = place.file("trucks/rows.csv", "class,aa_000\nneg,1\npos,na\n");
    let typed = place.convoy("dataset schema trucks");
    assert_eq!((typed.code, typed.stderr.as_str()), (0, ""), "{typed}");
    insta::assert_snapshot!(typed.stdout, @r#"
    {
      "$schema": "http://json-schema.org/draft-07/schema#",
      "title": "trucks",
      "type": "object",
      "properties": {
        "class": {
          "type": "string"
        },
        "aa_000": {
          "type": [
            "integer",
            "null"
          ]
        }
      },
      "required": [
        "class",
        "aa_000"
      ],
      "additionalProperties": false
    }
    "#);
    let strings = place.convoy("dataset schema trucks --all-strings");
    let schema: serde_json::Value = serde_json::from_str(&strings.stdout).unwrap();
    assert_eq!(schema["properties"]["aa_000"]["type"], "string");
    assert_eq!(schema.get("required"), None);
}

#[test]
fn each_topic_has_its_own_schema() {
    let place = Place::empty();
    for topic in ["buses", "trucks"] {
        std::fs::create_dir_all(place.path(format!("rows/{topic}"))).unwrap();
        std::fs::write(place.path(format!("rows/{topic}/a.csv")), "b\n1\n").unwrap();
    }
    let outcome = place.convoy("dataset schema rows");
    let schemas = serde_json::Deserializer::from_str(&outcome.stdout).into_iter();
    let titles: Vec<String> = schemas
        .map(|schema: serde_json::Result<serde_json::Value>| {
            schema.unwrap()["title"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(titles, ["buses", "trucks"], "{outcome}");
}

#[test]
fn inspection_describes_columns_as_text_and_json() {
    let place = Place::empty().file("trips.csv", "_id,zip,at\n1,10001,2024-05-01\n2,02134,NA\n");
    let text = place.convoy("dataset inspect trips.csv");
    assert_eq!((text.code, text.stderr.as_str()), (0, ""), "{text}");
    for expected in [
        "column 1 `_id` is field `_id_`: convoy writes a field of this name",
        "line 3 `02134`",
        "missing values: `NA` (1)",
    ] {
        assert!(text.stdout.contains(expected), "{text}");
    }
    let json = place.convoy("dataset inspect trips.csv --json --rename _id=id");
    let described: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let columns = &described["datasets"][0]["columns"];
    assert_eq!(columns[0]["name"], "id");
    assert_eq!(columns[1]["type"], "text");
    assert_eq!(columns[2]["type"], "date");
    assert_eq!(columns[2]["missing_share"], 0.5);
}

#[test]
fn run_says_once_what_was_assumed_and_counts_rows_without_a_label() {
    let rows = "ok,a.b\ntrue,1\n,x\nFALSE,2\n";
    let place = Place::empty().file("trips.csv", rows);
    let line = "simulate --backend embedded --records all --rate max --vehicles 1 \
                --progress never --dataset trips.csv --label ok";
    let outcome = place.convoy(line);
    assert_eq!(outcome.code, 0, "{outcome}");
    let told = outcome
        .stderr
        .matches("column 2 `a.b` is field `a_b`")
        .count();
    assert_eq!(told, 1, "{outcome}");
    for label in ["(missing)", "false", "true"] {
        let counts = format!("`{label}`: emitted 1 · stored 1");
        assert!(outcome.stdout.contains(&counts), "{outcome}");
    }
}

#[test]
fn unknown_column_of_an_option_is_rejected_with_a_suggestion() {
    let place = Place::empty().file("trips.csv", "speed\n1\n");
    for option in ["--rename sped=v", "--label sped"] {
        let outcome = place.convoy(&format!("dataset inspect trips.csv {option}"));
        assert_eq!(
            (outcome.code, outcome.stdout.as_str()),
            (3, ""),
            "{outcome}"
        );
        assert!(
            outcome.stderr.contains("did you mean `speed`?"),
            "{outcome}"
        );
    }
}
