//! The store's BSON writer against another decoder.

use convoy_mongodb_server::bson::Writer;
use proptest::prelude::*;

proptest! {
    #[test]
    fn another_decoder_reads_what_was_written(integer: i64, double: f64, text: String) {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer.integer("integer", integer);
        writer.double("double", double);
        writer.string("text", &text);
        writer.null("null");
        writer.bool("bool", integer > 0);
        writer.date_time("date", integer);
        writer.document("inner", |inner| inner.int64("integer", 1));
        writer.array("list", |list| list.int32("0", 7));
        writer.finish();
        let document = bson::RawDocumentBuf::from_bytes(bytes).unwrap();
        let document = bson::Document::try_from(document).unwrap();
        prop_assert_eq!(document.get_str("text").unwrap(), text.as_str());
        prop_assert_eq!(document.get_datetime("date").unwrap().timestamp_millis(), integer);
        prop_assert_eq!(document.get_array("list").unwrap().len(), 1);
        prop_assert_eq!(document.len(), 8);
    }
}
