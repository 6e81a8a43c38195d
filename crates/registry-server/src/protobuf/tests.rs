//! Text, descriptors and compatibility of Protobuf schemas.

use crate::protobuf::*;

fn parse(schema: &str) -> Result<File, String> {
    File::parse(schema, &References::default())
}

fn written(schema: &str) -> String {
    canonical(schema, false).expect("it is a schema")
}

const COMPLETE: &str = r#"syntax = "proto3";
package foo.bar;

import "google/protobuf/timestamp.proto";
import public "google/protobuf/any.proto";

option java_package = "x.y";
option (custom).a = 3;

message M {
  option deprecated = true;
  reserved 5, 7 to 9, 100 to max;
  reserved "x";
  optional int32 a = 1 [json_name = "AA", deprecated = true, (my.opt) = -1.5];
  map<string, .foo.bar.M> m = 2;
  repeated N ns = 6 [packed = false];
  google.protobuf.Timestamp at = 10;

  oneof o {
    string s = 3;
    N n = 4;
  }

  message N {
  }

  enum E {
    option allow_alias = true;
    reserved 3;
    A = 0;
    B = -1 [deprecated = true];
  }
}

service S {
  option deprecated = true;
  rpc G (M) returns (stream M) {
    option idempotency_level = NO_SIDE_EFFECTS;
  }
  rpc H (M) returns (M.N);
}
"#;

const PROTO2: &str = r#"syntax = "proto2";

message M {
  required string a = 1 [default = "x\n\"\\"];
  optional group G = 2 {
    optional int32 z = 1;
  }
  optional bytes b = 3 [default = "\001\""];
  optional E e = 4 [default = A];
  extensions 100 to 199;
  extensions 300;
  extensions 400 to max;

  enum E {
    A = 1;
  }
}

extend M {
  optional int32 ext = 101;
}
"#;

#[test]
fn canonical_text_is_its_own_canonical_text() {
    for schema in [COMPLETE, PROTO2] {
        assert_eq!(written(schema), schema);
        assert!(parse(schema).is_ok());
    }
    let plain = "message  M{string a=1;/* a */}// b";
    let expected = "syntax = \"proto2\";\n\nmessage M {\n  optional string a = 1;\n}\n";
    assert_eq!(
        written(&plain.replace("string", "optional string")),
        expected
    );
}

#[test]
fn descriptor_has_full_names_and_reads_as_the_same_schema() {
    for schema in [COMPLETE, PROTO2] {
        let serialized = parse(schema).expect("it is a schema").serialized("x.proto");
        let again = parse(&serialized).expect("a descriptor is a schema");
        let bytes = STANDARD
            .decode(again.serialized("x.proto"))
            .expect("it is base64");
        let file = FileDescriptorProto::decode(bytes.as_slice()).expect("it is a descriptor");
        assert_eq!(file.name(), "x.proto");
        for field in file.message_type.iter().flat_map(|message| &message.field) {
            assert!(field.r#type.is_some(), "{}", field.name());
            assert!(field.type_name().is_empty() || field.type_name().starts_with('.'));
        }
        assert_eq!(findings(&parse(schema).expect("a schema"), &again), []);
    }
    let normalized = |schema: &str| canonical(schema, true).expect("it is a schema");
    let enumeration = "syntax = \"proto3\"; enum E { option allow_alias = true; A = 0; B = 0; }";
    let serialized = parse(enumeration).expect("a schema").serialized("e.proto");
    assert_eq!(normalized(&serialized), normalized(enumeration));
}

#[test]
fn normalization_qualifies_names_and_sorts_fields_and_imports() {
    let one = r#"syntax = "proto3"; package p; import "b"; import "a";
        message M { N n = 2; string s = 1; message N {} }"#;
    let other = r#"syntax = "proto3"; package p; import "a"; import "b";
        message M { string s = 1; .p.M.N n = 2; message N {} }"#;
    assert_ne!(canonical(one, false), canonical(other, false));
    assert_eq!(canonical(one, true), canonical(other, true));
}

#[test]
fn invalid_schema_is_rejected() {
    let proto3 = |rest: &str| format!("syntax = \"proto3\"; {rest}");
    for wrong in [
        "",
        "{}",
        "message",
        "message M {",
        "bm90IGEgZGVzY3JpcHRvcg==",
        "edition = \"2023\"; message M {}",
        &proto3("message M { None n = 1; }"),
        &proto3("message M { string a = 1; string b = 1; }"),
        &proto3("message M { string a = 1; string a = 2; }"),
        &proto3("message M { string a = 0; }"),
        &proto3("message M { string a = 19500; }"),
        &proto3("message M { reserved 1; string a = 1; }"),
        &proto3("message M { reserved \"a\"; string a = 1; }"),
        &proto3("message M {} message M {}"),
        &proto3("message M {} enum M { A = 0; }"),
        &proto3("enum E { A = 1; }"),
        &proto3("import \"other.proto\"; message M {}"),
        &proto3("message M { google.protobuf.Timestamp t = 1; }"),
        &proto3("message M {} service S { rpc R (M) returns (N); }"),
    ] {
        // An empty file is a file.
        assert_eq!(parse(wrong).is_ok(), wrong.is_empty(), "{wrong}");
    }
}

#[test]
fn deeply_nested_schema_is_rejected_or_accepted_without_a_crash() {
    let nested = |depth: usize| format!("{}{}", "message M { ".repeat(depth), "}".repeat(depth));
    for depth in [10, 20_000] {
        let checked = std::thread::Builder::new()
            .stack_size(64 << 20)
            .spawn(move || parse(&nested(depth)).is_ok())
            .expect("a thread starts")
            .join();
        assert_eq!(checked.ok(), Some(depth < 100), "{depth}");
    }
}

/// Kinds of the differences between an old schema and a new one that are not compatible.
fn kinds(old: &str, new: &str) -> Vec<String> {
    let parsed = |schema: &str| parse(schema).expect("it is a schema");
    let found = findings(&parsed(new), &parsed(old));
    found
        .into_iter()
        .map(|finding| finding.kind.into_owned())
        .collect()
}

#[track_caller]
fn assert_pairs(syntax: &str, pairs: &[(&str, &str, &[&str])]) {
    for (old, new, expected) in pairs {
        let with = |schema: &str| format!("syntax = \"{syntax}\"; {schema}");
        let (old, new) = (with(old), with(new));
        assert_eq!(kinds(&old, &new), *expected, "{old} -> {new}");
        assert_eq!(kinds(&old, &old), [""; 0], "{old}");
        assert_eq!(kinds(&new, &new), [""; 0], "{new}");
    }
}

#[test]
fn types_must_keep_their_encoding_on_the_wire() {
    let groups: [&[&str]; 7] = [
        &["int32", "int64", "uint32", "uint64", "bool", "E"],
        &["sint32", "sint64"],
        &["string", "bytes"],
        &["fixed32", "sfixed32"],
        &["fixed64", "sfixed64"],
        &["float"],
        &["double"],
    ];
    let of = |kind: &str| {
        format!("syntax = \"proto3\"; message M {{ {kind} a = 1; }} enum E {{ A = 0; }}")
    };
    let all = groups.iter().enumerate();
    let all: Vec<_> = all
        .flat_map(|(group, kinds)| kinds.iter().map(move |kind| (group, *kind)))
        .collect();
    for (one_group, one) in &all {
        for (other_group, other) in &all {
            let compatible = kinds(&of(one), &of(other)).is_empty();
            assert_eq!(compatible, one_group == other_group, "{one} {other}");
        }
        assert_eq!(kinds(&of(one), &of("M")), ["FIELD_KIND_CHANGED"], "{one}");
        assert_eq!(
            kinds(&of(one), &of("map<string, string>")),
            ["FIELD_KIND_CHANGED"]
        );
    }
}

#[test]
fn fields_may_come_and_go() {
    assert_pairs(
        "proto3",
        &[
            (
                "message M { string a = 1; }",
                "message M { string a = 1; string b = 2; }",
                &[],
            ),
            (
                "message M { string a = 1; string b = 2; }",
                "message M { string a = 1; }",
                &[],
            ),
            (
                "message M { string a = 1; }",
                "message M { string b = 1; }",
                &[],
            ),
            (
                "message M { string a = 1; }",
                "message M { string a = 2; }",
                &[],
            ),
            (
                "message M { string a = 1; }",
                "message M { repeated string a = 1; }",
                &[],
            ),
            (
                "message M { optional string a = 1; }",
                "message M { repeated string a = 1; }",
                &[],
            ),
            (
                "message M { optional int32 a = 1; }",
                "message M { repeated int32 a = 1; }",
                &["FIELD_NUMERIC_LABEL_CHANGED"],
            ),
            (
                "message M { map<string, int32> a = 1; }",
                "message M { map<string, string> a = 1; }",
                &["FIELD_SCALAR_KIND_CHANGED"],
            ),
        ],
    );
    assert_pairs(
        "proto2",
        &[
            (
                "message M { }",
                "message M { required string a = 1; }",
                &["REQUIRED_FIELD_ADDED"],
            ),
            (
                "message M { required string a = 1; }",
                "message M { }",
                &["REQUIRED_FIELD_REMOVED"],
            ),
            (
                "message M { required int32 a = 1; }",
                "message M { optional int32 a = 1; }",
                &["FIELD_NUMERIC_LABEL_CHANGED"],
            ),
        ],
    );
}

#[test]
fn messages_must_stay_and_enums_may_change() {
    assert_pairs(
        "proto3",
        &[
            ("message M {}", "message N {} message M {}", &[]),
            (
                "message M {} message N {}",
                "message M {}",
                &["MESSAGE_REMOVED"],
            ),
            (
                "message M { message N {} }",
                "message M {}",
                &["MESSAGE_REMOVED"],
            ),
            (
                "package a; message M {}",
                "package b; message M {}",
                &["PACKAGE_CHANGED"],
            ),
            (
                "message M {} enum E { A = 0; B = 1; }",
                "message M {} enum E { A = 0; C = 1; }",
                &[],
            ),
            ("message M {} enum E { A = 0; }", "message M {}", &[]),
            (
                "message M { N n = 1; } message N {} message O {}",
                "message M { O n = 1; } message N {} message O {}",
                &["FIELD_NAMED_TYPE_CHANGED"],
            ),
            (
                "package p; message M { N n = 1; message N {} }",
                "package p; message M { .p.M.N n = 1; message N {} }",
                &[],
            ),
            (
                "message M { M next = 1; string a = 2; }",
                "message M { M next = 1; int32 a = 2; }",
                &["FIELD_SCALAR_KIND_CHANGED"],
            ),
        ],
    );
}

#[test]
fn fields_move_between_oneofs_as_data_allows() {
    assert_pairs(
        "proto3",
        &[
            (
                "message M { string a = 1; string b = 2; }",
                "message M { string a = 1; oneof o { string b = 2; int32 c = 3; } }",
                &[],
            ),
            (
                "message M { string a = 1; string b = 2; }",
                "message M { oneof o { string a = 1; string b = 2; } }",
                &["MULTIPLE_FIELDS_MOVED_TO_ONEOF"],
            ),
            (
                "message M { string a = 1; oneof o { string b = 2; } }",
                "message M { oneof o { string a = 1; string b = 2; } }",
                &["FIELD_MOVED_TO_EXISTING_ONEOF"],
            ),
            (
                "message M { oneof o { string a = 1; } oneof p { string b = 2; } }",
                "message M { oneof q { string a = 1; string b = 2; } }",
                &["FIELD_MOVED_TO_EXISTING_ONEOF"],
            ),
            (
                "message M { oneof o { string a = 1; string b = 2; } }",
                "message M { oneof o { string a = 1; } }",
                &["ONEOF_FIELD_REMOVED"],
            ),
            (
                "message M { oneof o { string a = 1; string b = 2; } }",
                "message M { oneof p { string a = 1; } }",
                &["ONEOF_FIELD_REMOVED"],
            ),
            (
                "message M { oneof o { string a = 1; string b = 2; } }",
                "message M { }",
                &[],
            ),
            (
                "message M { oneof o { string a = 1; string b = 2; } }",
                "message M { string a = 1; string b = 2; }",
                &[],
            ),
            (
                "message M { oneof o { int32 a = 1; } }",
                "message M { oneof p { string a = 1; } }",
                &["FIELD_SCALAR_KIND_CHANGED"],
            ),
            (
                "message M { optional int32 a = 1; }",
                "message M { oneof o { int32 a = 1; } }",
                &[],
            ),
        ],
    );
}

#[test]
fn imported_messages_are_compared_too() {
    let file = |kind: &str, package: &str| {
        let import =
            format!("syntax = \"proto3\"; package {package}; message N {{ {kind} a = 1; }}");
        let references = References([("n.proto".to_owned(), document(&import))].into());
        let schema =
            format!("syntax = \"proto3\"; import \"n.proto\"; message M {{ {package}.N n = 1; }}");
        File::parse(&schema, &references).expect("it is a schema")
    };
    let old = file("int32", "p");
    assert_eq!(findings(&file("int64", "p"), &old), []);
    assert_eq!(findings(&file("int32", "q"), &old), []);
    let changed = findings(&file("string", "p"), &old);
    let kinds: Vec<_> = changed
        .iter()
        .map(|finding| finding.kind.as_ref())
        .collect();
    assert_eq!(
        kinds,
        ["FIELD_SCALAR_KIND_CHANGED", "FIELD_NAMED_TYPE_CHANGED"]
    );
    assert_eq!(changed[0].path, "M/1/1");
}

#[test]
fn editions_are_refused_by_name() {
    for text in [
        "edition = \"2023\"; message M {}",
        "// edition\n/* = */ edition=\"2024\";",
    ] {
        let error = parse(text).expect_err(text);
        assert!(error.starts_with("editions are not supported"), "{error}");
    }
    let named = "syntax = \"proto3\"; message edition { string edition = 1; }";
    assert_eq!(parse(named).map(drop), Ok(()));
}
