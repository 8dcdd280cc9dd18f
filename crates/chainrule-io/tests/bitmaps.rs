//! Digit bitmaps: what is written is read; what is damaged is refused with line and column.

mod common;

use chainrule_io::bitmaps::{parse_bitmap, read_bitmap_folder, read_bitmap_zip};
use common::{file, repository, says, zip};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read(rows in 1_usize..9, columns in 1_usize..9, bits: u64, crlf: bool, last: bool) {
        let pixels: Vec<u8> = (0..rows * columns).map(|i| (bits >> (i % 64) & 1) as u8).collect();
        let end = if crlf { "\r\n" } else { "\n" };
        let lines: Vec<String> =
            pixels.chunks(columns).map(|row| row.iter().map(|p| char::from(b'0' + p)).collect()).collect();
        let text = lines.join(end) + if last { end } else { "" };
        prop_assert_eq!(parse_bitmap(&text, "t").unwrap(), (pixels, rows, columns));
    }
}

#[test]
fn damage_is_placed_by_line_and_column() {
    says(
        parse_bitmap("010\n01\n111\n", "3_1.txt"),
        &["3_1.txt: line 2, column 3", "expected 3 characters", "found 2"],
    );
    says(
        parse_bitmap("010\n0111\n", "3_1.txt"),
        &["3_1.txt: line 2, column 4", "expected 3 characters", "found 4"],
    );
    says(
        parse_bitmap("010\r\n0x1\r\n", "3_1.txt"),
        &["3_1.txt: line 2, column 2", "expected 0 or 1", "found 'x'"],
    );
    says(parse_bitmap("010\n\n010\n", "3_1.txt"), &["line 2, column 1", "expected 3 characters", "found 0"]);
    says(parse_bitmap("", "3_1.txt"), &["3_1.txt: line 1", "an empty file"]);
}

#[test]
fn a_folder_is_ordered_by_label_then_number() {
    let (folder, _) = file("9_2.txt", "11\n11\n");
    for (name, text) in
        [("10_1.txt", "01\n11"), ("9_10.txt", "00\n00"), (".hidden.txt", "x"), ("notes.md", "x")]
    {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let bitmaps = read_bitmap_folder(folder.path()).unwrap();
    assert!(bitmaps.test.is_none());
    assert_eq!(bitmaps.train.class_names(), ["9", "10"]);
    assert_eq!(bitmaps.train.labels().unwrap(), [0, 0, 1]);
    let rows: Vec<f64> = (0..3).map(|sample| bitmaps.train.row(sample).iter().sum()).collect();
    assert_eq!(rows, [4.0, 0.0, 3.0]);
}

#[test]
fn parts_share_their_classes() {
    let bytes = zip(&[
        ("d/trainingDigits/1_0.txt", "01"),
        ("d/trainingDigits/2_0.txt", "10"),
        ("d/testDigits/2_0.txt", "11"),
    ]);
    let (_folder, path) = file("d.zip", bytes);
    let bitmaps = read_bitmap_zip(&path).unwrap();
    let test = bitmaps.test.unwrap();
    assert_eq!((bitmaps.train.len(), test.len()), (2, 1));
    assert_eq!(
        (test.class_names(), test.labels().unwrap()),
        (["1".into(), "2".into()].as_slice(), [1].as_slice())
    );
    assert_eq!((bitmaps.train.name(), test.name()), ("d.zip", "d.zip test"));
}

#[test]
fn bad_folders_and_archives_are_refused() {
    let (folder, _) = file("1_0.txt", "01\n10\n");
    std::fs::write(folder.path().join("1_1.txt"), "011\n100\n").unwrap();
    let parts = ["1_1.txt: line 2", "expected 2 rows of 2, as in", "1_0.txt", "found 2 rows of 3"];
    says(read_bitmap_folder(folder.path()), &parts);
    std::fs::write(folder.path().join("1_1.txt"), "0?\n10\n").unwrap();
    says(read_bitmap_folder(folder.path()), &["1_1.txt: line 1, column 2", "expected 0 or 1", "found '?'"]);
    std::fs::write(folder.path().join("1_1.txt"), [b'0', 0xff]).unwrap();
    says(read_bitmap_folder(folder.path()), &["1_1.txt: byte 1", "expected 0 or 1", "not text"]);
    std::fs::write(folder.path().join("readme.txt"), "hello").unwrap();
    says(read_bitmap_folder(folder.path()), &["readme.txt", "expected a name such as '3_12.txt'"]);

    let (_folder, path) = file("d.zip", "PK but not a zip");
    says(read_bitmap_zip(&path), &["d.zip", "expected a zip archive"]);
    let mut whole = std::fs::read(repository("digits/digits.zip")).unwrap();
    let (_folder, path) = file("d.zip", &whole[..whole.len() / 2]);
    says(read_bitmap_zip(&path), &["d.zip", "expected a zip archive"]);
    for byte in &mut whole[1000..1040] {
        *byte ^= 0x77;
    }
    let (_folder, path) = file("d.zip", &whole);
    says(read_bitmap_zip(&path), &["d.zip", "expected a zip archive"]);

    let (_folder, path) = file("d.zip", zip(&[("a/1_0.txt", "01"), ("b/1_0.txt", "01")]));
    says(read_bitmap_zip(&path), &["d.zip", "trainingDigits/ and testDigits/", "found 2 folders: a/, b/"]);
    let (_folder, path) = file("d.zip", zip(&[("a.png", "")]));
    says(read_bitmap_zip(&path), &["d.zip", "expected bitmaps", "found none"]);
}
