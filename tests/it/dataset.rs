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
