//! IDX: what is written is read; what is damaged is refused with its place.

mod common;

use chainrule::Dataset;
use chainrule_io::idx::{Idx, parse_idx, read_idx, read_idx_pair};
use common::{file, gzip, idx, says};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read(dims in prop::collection::vec(1_u32..6, 1..5), seed in any::<u8>(), packed: bool) {
        let count: u32 = dims.iter().product();
        let values: Vec<u8> = (0..count).map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed)).collect();
        let mut bytes = idx(&dims, &values);
        if packed {
            bytes = gzip(&bytes);
        }
        let dims = dims.iter().map(|&dim| dim as usize).collect();
        prop_assert_eq!(parse_idx(&bytes, "t").unwrap(), Idx { dims, values });
    }

    #[test]
    fn no_damage_goes_unseen_or_panics(cut in 0_usize..200, flip in 0_usize..200, packed: bool) {
        let whole = idx(&[4, 6, 6], &[7; 144]);
        let whole = if packed { gzip(&whole) } else { whole };
        prop_assert!(parse_idx(&whole[..cut % whole.len()], "t").is_err());
        let mut garbled = whole.clone();
        let at = flip % garbled.len();
        garbled[at] ^= 0xff;
        let read = parse_idx(&garbled, "t");
        // Values are not checked in a plain file, nor name and time in a gzip header.
        prop_assert!(read.is_err() || (packed && at < 10) || (!packed && at >= 16));
    }
}

/// Several pieces, whose ends lie within samples: the lists are those that are made of the whole.
#[test]
fn lists_are_made_while_unpacking() {
    let (samples, sides) = (6000_u32, [13, 17]);
    let images = |zeros: u32| {
        let values: Vec<u8> = (0..samples * 13 * 17)
            .map(|i| i.wrapping_mul(2_654_435_761) >> 7)
            .map(|i| if i % 100 < zeros { 0 } else { i as u8 | 1 })
            .collect();
        idx(&[samples, sides[0], sides[1]], &values)
    };
    let (_a, labels) = file("labels", idx(&[samples], &vec![1; samples as usize]));
    for (zeros, listed) in [(80, true), (20, false)] {
        for bytes in [images(zeros), gzip(&images(zeros))] {
            let (_b, path) = file("images", bytes);
            let read = read_idx_pair(&path, &labels, "t").unwrap();
            let (features, targets) = (read.features().clone(), read.targets().clone());
            let again = Dataset::new("t", vec![13, 17], features, targets).unwrap();
            assert!(read.lists() == again.lists(), "{zeros} % zeros");
            assert_eq!(read.lists().is_some(), listed);
        }
    }
}

#[cfg(unix)]
#[test]
fn pipes_are_read_to_their_end() {
    let (folder, _) = file("unused", [0]);
    for bytes in [idx(&[2, 3], &[1, 2, 3, 4, 5, 6]), gzip(&idx(&[2, 3], &[1, 2, 3, 4, 5, 6]))] {
        let path = folder.path().join(format!("pipe-{}", bytes.len()));
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let writer = std::thread::spawn({
            let path = path.clone();
            move || std::fs::write(path, bytes)
        });
        assert_eq!(read_idx(&path).unwrap().values, [1, 2, 3, 4, 5, 6]);
        writer.join().unwrap().unwrap();
    }
}

#[test]
fn a_missing_file_is_named() {
    says(read_idx("no/such.idx".as_ref()), &["no/such.idx", "cannot read", "check the path"]);
}

#[test]
fn short_and_long_files_say_where() {
    let (_folder, path) = file("a.idx", idx(&[2, 3], &[1; 5]));
    says(
        read_idx(&path),
        &["a.idx: byte 12", "expected 2 x 3 = 6 values", "found room for at most 5", "cut short"],
    );
    let (_folder, path) = file("a.idx", idx(&[2, 3], &[1; 7]));
    says(
        read_idx(&path),
        &["a.idx: byte 18", "expected the end, after 2 x 3 = 6 values", "found more bytes"],
    );
    says(parse_idx(&[0, 0, 8], "a.idx"), &["a.idx: byte 3", "expected a header of 4 bytes", "found the end"]);
    says(parse_idx(&[0, 0, 8, 2, 0, 0], "a.idx"), &["a.idx: byte 6", "2 dimensions of 4 bytes each"]);
    says(parse_idx(&[], "a.idx"), &["a.idx: byte 0", "expected a header of 4 bytes"]);
}

#[test]
fn other_magic_numbers_are_explained() {
    says(parse_idx(b"hello, world", "a"), &["a: byte 0", "expected an IDX header", "found 68 65 6c 6c"]);
    says(parse_idx(&[0, 0, 13, 1, 0, 0, 0, 1], "a"), &["a: byte 2", "type 08", "type 0d (32-bit floats)"]);
    says(parse_idx(&[0, 0, 8, 0], "a"), &["a: byte 3", "expected 1 to 8 dimensions", "found 0"]);
    says(parse_idx(&idx(&[3, 0], &[]), "a"), &["a: byte 8", "expected a dimension of at least 1", "found 0"]);
}

#[test]
fn huge_claims_allocate_nothing() {
    let huge = idx(&[u32::MAX, u32::MAX, u32::MAX], &[1; 8]);
    says(parse_idx(&huge, "a"), &["a: byte 16", "too many values", "room for at most 8"]);
    let huge = gzip(&idx(&[u32::MAX, 100], &[1; 8]));
    says(parse_idx(&huge, "a"), &["a: byte 12", "4294967295 x 100 = 429496729500 values"]);
}

#[test]
fn damaged_gzip_says_where() {
    let values: Vec<u8> = (0..20_000_u32).map(|i| (i * i % 251) as u8).collect();
    let whole = gzip(&idx(&[20_000], &values));
    let (_folder, path) = file("a.gz", &whole[..whole.len() / 2]);
    let place = format!("a.gz: byte {}", whole.len() / 2);
    says(read_idx(&path), &[&place, "expected more compressed data", "found the end of the file"]);

    let mut garbled = whole.clone();
    for byte in &mut garbled[300..360] {
        *byte ^= 0x5a;
    }
    says(parse_idx(&garbled, "a.gz"), &["a.gz: byte", "gzip data", "does not unpack", "damaged"]);

    let mut checksum = whole.clone();
    let at = checksum.len() - 6;
    checksum[at] ^= 1;
    says(parse_idx(&checksum, "a.gz"), &["right checksum"]);

    let long = gzip(&idx(&[4], &[1; 9]));
    says(parse_idx(&long, "a.gz"), &["a.gz: byte 12", "expected the end, after 4 values"]);
    let short = gzip(&idx(&[40], &[1; 9]));
    says(
        parse_idx(&short, "a.gz"),
        &["a.gz: byte 17", "expected 40 values", "the end of the file after 9 of them"],
    );
}

#[test]
fn images_and_labels_must_belong_together() {
    let (_a, images) = file("images", idx(&[2, 2, 2], &[0; 8]));
    let (_b, labels) = file("labels", idx(&[3], &[0, 1, 2]));
    let parts = ["images and", "labels: expected as many labels as images (2)", "found 3 labels"];
    says(read_idx_pair(&images, &labels, "t"), &parts);
    says(
        read_idx_pair(&labels, &labels, "t"),
        &["byte 3", "expected images", "found 1 dimension", "exchanged?"],
    );
    says(
        read_idx_pair(&images, &images, "t"),
        &["byte 3", "expected labels", "found 3 dimensions", "exchanged?"],
    );
    let (_c, labels) = file("labels", idx(&[2], &[3, 200]));
    let parts = ["labels: byte 9", "labels that count from 0 (here: 3, 200)", "found label 200"];
    says(read_idx_pair(&images, &labels, "t"), &parts);
}

#[test]
fn classes_are_counted_from_the_labels() {
    let (_a, images) = file("images", idx(&[2, 2, 2], &[0, 51, 102, 153, 204, 255, 0, 0]));
    let (_b, labels) = file("labels", idx(&[2], &[2, 0]));
    let data = read_idx_pair(&images, &labels, "small").unwrap();
    assert_eq!((data.len(), data.shape(), data.class_names().len()), (2, [2, 2].as_slice(), 3));
    assert_eq!(data.row(0), [0.0, 51.0 / 255.0, 102.0 / 255.0, 153.0 / 255.0]);
    let (_c, images) = file("images", idx(&[2, 28, 28], &[0; 2 * 784]));
    assert_eq!(read_idx_pair(&images, &labels, "t").unwrap().class_names().len(), 10);
}
