//! Writes the report of a made-up run, its loss chart, and draws samples in the terminal:
//!
//! ```text
//! cargo run -p chainrule-report --example report -- OUT [BITMAPS]
//! ```
//!
//! `OUT` is a folder for the files, `BITMAPS` one with pictures of digits as text (`7_25.txt`, rows of 0 and 1);
//! without it the pictures are rings.

use chainrule_report::{Bitmap, choose_scale, draw, html, line_chart};
use std::error::Error;
use std::path::Path;

#[path = "../tests/support/mod.rs"]
mod support;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let out = arguments.next().ok_or("expected: report OUT [BITMAPS]")?;
    let digits = match arguments.next() {
        Some(folder) => bitmaps(Path::new(&folder))?,
        None => (0..20).map(|i| (0, support::ring(28, f64::from(i) / 5.0))).collect(),
    };
    let report = support::report(20, &digits);
    std::fs::create_dir_all(&out)?;
    let out = Path::new(&out);
    std::fs::write(out.join("report.html"), html(&report))?;
    let loss = line_chart(&report.title, "epoch", "loss", choose_scale(&report.loss), &report.loss);
    std::fs::write(out.join("loss.svg"), loss)?;
    let accuracy =
        line_chart(&report.title, "epoch", "accuracy", choose_scale(&report.accuracy), &report.accuracy);
    std::fs::write(out.join("accuracy.svg"), accuracy)?;

    let samples: Vec<Bitmap> = digits.iter().take(4).map(|(_, bitmap)| bitmap.clone()).collect();
    let labels: Vec<String> = digits.iter().map(|(class, _)| class.to_string()).collect();
    print!("{}\n{}", draw(&samples, &labels, 100, false), draw(&samples, &labels, 100, true));
    Ok(())
}

/// Every 40th picture of a folder with its class.
fn bitmaps(folder: &Path) -> Result<Vec<(usize, Bitmap)>, Box<dyn Error>> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    files.sort();
    let mut digits = Vec::new();
    for file in files.iter().step_by(40) {
        let text = std::fs::read_to_string(file)?;
        let class =
            file.file_name().and_then(|n| n.to_str()).and_then(|n| n.split('_').next()).unwrap_or("0");
        let rows = text.lines().count();
        let values: Vec<f64> =
            text.chars().filter(char::is_ascii_digit).map(|c| if c == '1' { 1.0 } else { 0.0 }).collect();
        digits.push((class.parse()?, Bitmap::new(rows, values.len() / rows.max(1), values)));
    }
    Ok(digits)
}
