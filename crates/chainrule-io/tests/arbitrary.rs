//! Whatever a file holds, readers answer with data or an error, never a panic.

mod common;

use chainrule_io::bitmaps::parse_bitmap;
use chainrule_io::png::parse_png;
use chainrule_io::{TableOptions, read_table, read_table_with};
use common::file;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn tables(text in "([-,;\t\"\r\n01.?aé ]|inf|NaN|x,y\n1,2\n){0,40}", target in "(|1|x|input|column 2)") {
        let (_folder, path) = file("t.csv", &text);
        let target = if target.is_empty() { Vec::new() } else { vec![target] };
        match read_table(&path, &TableOptions { target, sample_weight: None }) {
            Ok((data, encoding, notes)) => {
                prop_assert!(!notes.is_empty() && data.inputs() == encoding.input_names().len());
                // What was read once is read again by its encoding.
                let (again, has_targets) = read_table_with(&encoding, text.as_bytes(), "t.csv", true).unwrap();
                prop_assert!(has_targets);
                prop_assert_eq!(again, data);
            }
            Err(error) => prop_assert!(error.to_string().contains("t.csv"), "{error}"),
        }
    }

    #[test]
    fn bitmaps(text in "[01x\r\né]{0,30}") {
        if let Ok((pixels, rows, columns)) = parse_bitmap(&text, "t") {
            prop_assert_eq!(pixels.len(), rows * columns);
            prop_assert!(!pixels.is_empty());
        }
    }

    #[test]
    fn pngs(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        png.extend(bytes);
        prop_assert!(parse_png(&png, "t").is_err());
    }
}
