//! A made-up run of a digit recogniser, the same every time.

use chainrule_report::{Bitmap, ClassRow, Confusion, Curve, LayerRow, Mistake, RunReport};

/// Numbers between 0 and 1 that look random (splitmix64).
pub struct Noise(pub u64);

impl Noise {
    /// The next number.
    pub fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A ring of some width: a zero.
pub fn ring(side: usize, width: f64) -> Bitmap {
    let middle = (side as f64 - 1.0) / 2.0;
    let ink = |i: usize| {
        let (y, x) = ((i / side) as f64 - middle, (i % side) as f64 - middle);
        let distance = (y * y + 1.8 * x * x).sqrt() - 0.75 * middle;
        (1.0 + width - distance.abs()).clamp(0.0, 1.0)
    };
    Bitmap::new(side, side, (0..side * side).map(ink).collect())
}

/// A report of `epochs` epochs on these pictures of digits with their classes.
pub fn report(epochs: usize, digits: &[(usize, Bitmap)]) -> RunReport {
    let mut noise = Noise(7);
    let mut curve = |name: &str, first: f64, last: f64, speed: f64| {
        let value = |e: f64, wobble: f64| last + (first - last) * (-e / speed).exp() * (0.95 + 0.1 * wobble);
        Curve::new(name, (0..=epochs).map(|e| (e as f64, value(e as f64, noise.next()))).collect())
    };
    let pace = epochs as f64 / 12.0;
    let loss = vec![curve("train", 2.31, 0.004, pace), curve("test", 2.30, 0.11, pace)];
    let accuracy = vec![curve("train", 0.11, 1.0, pace), curve("test", 0.10, 0.967, pace)];

    let names: Vec<String> = (0..10).map(|d| d.to_string()).collect();
    let mut counts = vec![vec![0u64; 10]; 10];
    for (i, row) in counts.iter_mut().enumerate() {
        row[i] = 80 + (noise.next() * 20.0) as u64;
        row[(i + 6) % 10] = (noise.next() * 4.0) as u64;
        row[(i * 3) % 10] += (noise.next() * 3.0) as u64;
    }
    let class_table = names
        .iter()
        .map(|name| {
            let (precision, recall) = (0.92 + 0.08 * noise.next(), 0.92 + 0.08 * noise.next());
            let f1 = 2.0 * precision * recall / (precision + recall);
            ClassRow {
                name: name.clone(),
                precision,
                recall,
                f1,
                support: 85 + (noise.next() * 15.0) as usize,
            }
        })
        .collect();
    let mistakes = digits
        .iter()
        .enumerate()
        .map(|(i, (class, bitmap))| {
            let sure = 0.999 - 0.012 * i as f64;
            Mistake {
                sample: (noise.next() * 946.0) as usize,
                bitmap: Some(bitmap.clone()),
                features: String::new(),
                actual: class.to_string(),
                predicted: ((class + 1 + (noise.next() * 8.0) as usize) % 10).to_string(),
                actual_probability: (1.0 - sure) * noise.next(),
                predicted_probability: sure,
            }
        })
        .collect();
    let mut blob = |_| {
        let (row, column, sign) =
            (32.0 * noise.next(), 32.0 * noise.next(), (2.0 * noise.next()).floor() * 2.0 - 1.0);
        let weight = |i: usize| {
            let (y, x) = ((i / 32) as f64 - row, (i % 32) as f64 - column);
            sign * (1.0 - (y * y + x * x) / 60.0) * (-(y * y + x * x) / 90.0).exp()
                + 0.3 * (noise.next() - 0.5)
        };
        Bitmap::new(32, 32, (0..1024).map(weight).collect())
    };
    let first_layer = (0..64).map(&mut blob).collect();

    let text = |pairs: &[(&str, &str)]| pairs.iter().map(|&(a, b)| (a.to_owned(), b.to_owned())).collect();
    let layer = |name: &str, units: usize, inputs: usize, activation: &str| LayerRow {
        name: name.to_owned(),
        units,
        activation: activation.to_owned(),
        init: "he normal, biases 0".to_owned(),
        weights: format!("{units} × {inputs}"),
        bias: "per unit".to_owned(),
        parameters: units * (inputs + 1),
    };
    RunReport {
        title: format!("digits: 1024-64-10, {epochs} epochs"),
        summary: text(&[
            ("Test accuracy", "96.72 %"),
            ("Test loss", "0.1138"),
            ("Training accuracy", "100.00 %"),
            ("Time", "2.41 s"),
            ("Parameters", "66,250"),
            ("Training samples", "1,934"),
        ]),
        findings: Vec::new(),
        choices: vec![
            "The target has 10 classes, so the output layer is softmax and the loss cross_entropy.".to_owned(),
            "The data names its own test set of 946 samples; nothing was held out of the 1,934 for training.".to_owned(),
        ],
        conventions: text(&[
            ("Loss", "mean over samples of the sum over outputs"),
            ("Quadratic loss", "has the factor 1/2"),
            ("Weights", "stored as (out, in)"),
            ("L2", "adds lambda/2 · sum of squared weights, without biases"),
        ]),
        layers: vec![layer("hidden 1", 64, 1024, "relu"), layer("output", 10, 64, "softmax")],
        profile: None,
        profile_note: String::new(),
        config_toml: "[network]\nhidden = [64]\nactivation = \"relu\"\n\n[training]\noptimizer = \"adam\"\nlearning_rate = 0.001\nbatch_size = 32\nseed = 1\n".to_owned(),
        loss,
        accuracy,
        metrics: text(&[
            ("Accuracy", "0.9672"),
            ("Top-3 accuracy", "0.9968"),
            ("Log loss", "0.1138"),
            ("Precision (macro)", "0.9670"),
            ("Recall (macro)", "0.9671"),
            ("F1 (macro)", "0.9668"),
        ]),
        confusion: Some(Confusion { names, counts }),
        class_table,
        mistakes,
        mistakes_total: digits.len().max(31),
        evaluated_on: "946 test samples".to_owned(),
        first_layer,
        first_layer_total: 64,
    }
}
