//! Derivations against themselves: every term's formula gives its value, every step of a symbolic chain gives the same
//! number, and every slip in homework is named.

mod common;

use std::collections::HashMap;

use chainrule::explain::homework::{Answer, Checked, Slip, Verdict, check, lines};
use chainrule::explain::record::LayerRecord;
use chainrule::explain::{Block, Derivation, Expr, Names, Part, Record, Rule, Wanted, explain, symbolic};
use chainrule::recipe::Settings;
use chainrule::train::Ending;
use chainrule::{Dataset, Features, Real, Targets};
use common::{MAZUR, blobs, mazur_data, settings, trainer};

fn record<T: Real>(settings: &Settings, data: &Dataset) -> Record {
    Record::next_step(&mut trainer::<T>(settings, data)).unwrap()
}

fn mazur() -> Record {
    record::<f64>(&settings(MAZUR), &mazur_data())
}

fn recomputes(derivation: &Derivation, tolerance: f64, what: &str) {
    let mut count = 0;
    for term in derivation.terms() {
        let (value, formula) = (term.value.unwrap(), term.formula.eval().unwrap());
        let difference = (value - formula).abs();
        assert!(
            difference <= tolerance * value.abs().max(1.0),
            "{what}: {} = {}: {formula}",
            term.symbol,
            term.formula
        );
        assert_eq!(term.operands, term.formula.operands());
        count += 1;
    }
    assert!(count > 0, "{what}");
}

#[test]
fn every_formula_gives_its_value() {
    let (classes, numbers) = (blobs(12, 3, 3, 5), mazur_data());
    let activations =
        ["identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu", "silu", "softplus"]
            .map(String::from);
    let optimizers =
        ["sgd", "sgd(0.9)", "sgd(0.9,nesterov=true)", "rmsprop(momentum=0.5)", "adagrad", "adam", "adamw"];
    let losses = ["quadratic", "mse", "mae", "huber(0.2)"];
    for (at, activation) in activations.iter().enumerate() {
        let optimizer = optimizers[at % optimizers.len()];
        let bias = ["per-unit", "shared", "none"][at % 3];
        let common = format!(
            "hidden = [3, 2]\nactivation = \"{activation}\"\noptimizer = \"{optimizer}\"\nbias = \"{bias}\"\nseed = {at}\n\
             l2 = 0.1\nclip_norm = 0.05\nmax_norm = 0.7\nbatch_size = 2\ndropout = 0.3\n"
        );
        let loss = losses[at % losses.len()];
        let regression =
            settings(&format!("{common}loss = \"{loss}\"\noutput_activation = \"{activation}\""));
        let classification = settings(&format!("{common}loss = \"cross_entropy(label_smoothing=0.1)\""));
        let labels =
            settings(&format!("{common}loss = \"binary_cross_entropy\"\nclass_weight = [1, 2, 0.5]"));
        for (settings, data) in [(regression, &numbers), (classification, &classes), (labels, &classes)] {
            let what = format!("{activation}, {optimizer}, {:?}", settings.loss);
            recomputes(&explain("", &record::<f64>(&settings, data), &[]), 1e-12, &what);
            recomputes(&explain("", &record::<f32>(&settings, data), &[]), 1e-5, &what);
        }
    }
}

/// Products of more than four samples round their operands in a bf16 run, and their lines say so.
#[test]
fn every_formula_of_bf16_gives_its_value() {
    let data = blobs(12, 3, 3, 5);
    for (batch, rounds) in [(6, true), (3, false)] {
        let settings =
            settings(&format!("hidden = [3, 2]\nbatch_size = {batch}\ndropout = 0.3\ndtype = \"bf16\""));
        let record = record::<f32>(&settings, &data);
        assert_eq!(record.dtype, "bf16");
        let wanted = [Wanted::Weight(0, 1, 2), Wanted::Weight(1, 0, 0), Wanted::Unit(0, 0)];
        for wanted in [&[][..], &wanted] {
            let derivation = explain("", &record, wanted);
            recomputes(&derivation, 1e-5, "bf16");
            assert_eq!(derivation.terms().any(|term| term.formula.to_string().contains("bf16(")), rounds);
            let numbers = &derivation.given.iter().find(|(name, _)| name == "numbers").unwrap().1;
            assert!(numbers.starts_with("bf16: ") && numbers.contains("not rounded") != rounds, "{numbers}");
        }
        if rounds {
            let unrounded = Record {
                layers: record.layers.iter().map(|l| LayerRecord { bf16: false, ..l.clone() }).collect(),
                ..record
            };
            let false_ones = explain("", &unrounded, &[]);
            let off =
                false_ones.terms().filter(|t| (t.value.unwrap() - t.formula.eval().unwrap()).abs() > 1e-5);
            assert!(off.count() > 0, "the rounding must be seen");
        }
    }
}

/// Where logarithms of activations would lose all digits.
#[test]
fn saturated_outputs_recompute_too() {
    let data = blobs(6, 2, 3, 1);
    for (loss, std) in [("cross_entropy", 300.0), ("binary_cross_entropy", 60.0), ("cross_entropy", 20.0)] {
        let text = format!(
            "hidden = []\nloss = \"{loss}\"\ninit = \"normal({std})\"\nbatch_size = 3\noptimizer = \"sgd\""
        );
        recomputes(&explain("", &record::<f64>(&settings(&text), &data), &[]), 1e-12, loss);
    }
}

#[test]
fn parts_of_large_networks_recompute() {
    let data = blobs(40, 30, 3, 2);
    let record = record::<f64>(&settings("hidden = [20, 10]\nbatch_size = 20"), &data);
    let whole = explain("", &record, &[]);
    assert_eq!(whole.terms().count(), 0);
    assert!(whole.sections[0].blocks.iter().any(|block| matches!(block, Block::Summaries { .. })));
    let parts = [Wanted::Weight(0, 7, 29), Wanted::Weight(2, 1, 3), Wanted::Unit(1, 9), Wanted::Unit(2, 0)];
    recomputes(&explain("", &record, &parts), 1e-12, "parts");
}

/// Every iteration of a run to its minimum: pairs remembered and forgotten, searches that go further, turn back, or fail.
fn to_the_minimum<T: Real>(tolerance: f64) {
    let data = blobs(12, 3, 3, 5);
    let text = "hidden = [3]\nactivation = \"tanh\"\noptimizer = \"lbfgs(history=3)\"\nbatch_size = \"full\"\nl2 = 0.01\n\
                epochs = 500\nseed = 2";
    let mut trainer = trainer::<T>(&settings(text), &data);
    let (mut steps, mut again, mut pairs) = (0, 0, 0);
    while trainer.progress().ending.is_none() {
        let record = Record::next_step(&mut trainer).unwrap();
        recomputes(&explain("", &record, &[]), tolerance, &format!("step {}", record.step));
        recomputes(&explain("", &record, &[Wanted::Weight(0, 1, 2)]), tolerance, "a weight's path");
        let newton = record.newton.unwrap();
        again += usize::from(newton.searches.len() == 2);
        pairs = pairs.max(newton.searches.first().map_or(0, |search| search.down.len()));
        steps += 1;
    }
    assert_eq!(trainer.progress().ending, Some(Ending::Converged));
    assert!(steps > 20 && pairs == 3 && again > 0, "{steps} steps, {pairs} pairs, {again} second searches");
}

#[test]
fn lbfgs_recomputes_from_the_first_step_to_the_minimum() {
    to_the_minimum::<f64>(1e-12);
    to_the_minimum::<f32>(1e-5);
}

#[test]
fn a_large_network_by_lbfgs_has_dot_products_as_numbers() {
    let data = blobs(40, 30, 3, 2);
    let text = "hidden = [20, 10]\noptimizer = \"lbfgs\"\nbatch_size = \"full\"\nepochs = 9";
    let mut trainer = trainer::<f64>(&settings(text), &data);
    for step in 1..=4 {
        let record = Record::next_step(&mut trainer).unwrap();
        let whole = explain("", &record, &[]);
        recomputes(&whole, 1e-12, &format!("step {step}"));
        let alphas = whole.terms().filter(|term| term.symbol.starts_with("alpha")).count();
        assert_eq!(alphas, step - 1);
        recomputes(&explain("", &record, &[Wanted::Weight(1, 7, 19)]), 1e-12, "a weight's path");
    }
}

/// BP1 of softmax: the sum over all outputs, through the Jacobian, is out - target, sample weights or not.
#[test]
fn the_jacobian_of_softmax_gives_the_delta() {
    let data = blobs(12, 3, 3, 5);
    for rest in ["", "class_weight = [1, 2, 0.5]\n", "loss = \"cross_entropy(label_smoothing=0.2)\"\n"] {
        for n in [1, 2, 12] {
            let record = record::<f64>(&settings(&format!("{rest}hidden = [4]\nbatch_size = {n}")), &data);
            let parts: Vec<Wanted> = (0..3).map(|j| Wanted::Unit(1, j)).collect();
            for derivation in [explain("", &record, &[]), explain("", &record, &parts)] {
                let mut sums = 0;
                for term in
                    derivation.terms().filter(|term| term.rule == Rule::CarriedBack && term.layer == 2)
                {
                    let delta =
                        derivation.terms().find(|delta| delta.aliases.contains(&term.symbol)).unwrap();
                    let off = (delta.value.unwrap() - term.value.unwrap()).abs();
                    assert!(off <= 1e-15, "{}: off by {off}", term.symbol);
                    sums += 1;
                }
                assert!(sums >= 3 * n.min(8), "{sums} sums of {n} samples");
                let slopes = derivation.terms().filter(|term| term.rule == Rule::Jacobian).count();
                assert!(slopes >= sums, "{slopes} derivatives");
            }
        }
    }
}

/// A matrix: (rows, columns) and its cells row by row.
type Numbers = ((usize, usize), Vec<f64>);

/// The right side of a matrix equation; none if it is in words.
fn right_side(
    parts: &[Part],
    columns: usize,
    (eta, n): (f64, f64),
    number: &dyn Fn(&Expr) -> f64,
) -> Option<Numbers> {
    let mut total: Option<Numbers> = None;
    let (mut sign, mut factor, mut product) = (1.0, 1.0, None::<Numbers>);
    let mut hadamard = false;
    let cell = |m: &Numbers, r: usize, c: usize| m.1[r * m.0.1 + if m.0.1 == 1 { 0 } else { c }];
    let mut finish = |product: &mut Option<Numbers>, by: f64| {
        let Some(term) = product.take() else { return };
        let rows = term.0.0;
        let sum = total.get_or_insert(((rows, columns), vec![0.0; rows * columns]));
        for at in 0..rows * columns {
            sum.1[at] += by * cell(&term, at / columns, at % columns);
        }
    };
    for part in parts {
        match part {
            Part::Sign(text) => match text.as_str() {
                "*" => hadamard = false,
                "⊙" => hadamard = true,
                "eta" => factor *= eta,
                "1/n" => factor /= n,
                "+" | "-" => {
                    finish(&mut product, sign * factor);
                    (sign, factor) = (if text == "-" { -1.0 } else { 1.0 }, 1.0);
                }
                _ => return None,
            },
            Part::Matrix(matrix) => {
                let values: Vec<f64> = matrix.cells.iter().map(number).collect();
                let right: Numbers = (matrix.shape, values);
                product = Some(match product.take() {
                    None => right,
                    Some(left) if hadamard => {
                        assert_eq!(left.0, right.0, "{}", matrix.symbol);
                        (left.0, left.1.iter().zip(&right.1).map(|(a, b)| a * b).collect())
                    }
                    Some(left) => {
                        assert_eq!(left.0.1, right.0.0, "shapes at {}", matrix.symbol);
                        let (rows, inner, columns) = (left.0.0, left.0.1, right.0.1);
                        let at = |r: usize, c: usize| {
                            (0..inner).map(|i| left.1[r * inner + i] * right.1[i * columns + c]).sum::<f64>()
                        };
                        ((rows, columns), (0..rows * columns).map(|k| at(k / columns, k % columns)).collect())
                    }
                });
            }
        }
    }
    finish(&mut product, sign * factor);
    total
}

/// The matrix form is true as it stands, with its shapes.
#[test]
fn matrix_equations_hold() {
    let (classes, numbers) = (blobs(5, 3, 3, 5), mazur_data());
    let targets = Targets::Classes { labels: vec![0, 1, 0], names: vec!["a".into(), "b".into()] };
    let weighted =
        Dataset::new("w", vec![2], Features::Reals(vec![0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), targets).unwrap();
    let weighted = weighted.with_sample_weights(vec![0.5, 2.0, 1.5]).unwrap();
    for (text, data) in [
        ("loss = \"quadratic\"\noutput_activation = \"tanh\"\noptimizer = \"sgd\"", &numbers),
        ("loss = \"cross_entropy(label_smoothing=0.2)\"\nclass_weight = [1, 2, 0.5]", &classes),
        ("loss = \"mse\"\noutput_activation = \"sigmoid\"\ndropout = 0.4", &weighted),
        (
            "loss = \"binary_cross_entropy\"\nupdate_order = \"output-first\"\noptimizer = \"sgd\"\nl2 = 0.1",
            &weighted,
        ),
    ] {
        let settings =
            settings(&format!("{text}\nhidden = [4, 2]\nactivation = \"sigmoid\"\nbatch_size = 3"));
        let record = record::<f64>(&settings, data);
        let derivation = explain("", &record, &[Wanted::Layer(0), Wanted::Layer(1), Wanted::Layer(2)]);
        let mut held = 0;
        for block in derivation.sections.iter().flat_map(|section| &section.blocks) {
            let Block::Equation { parts } = block else { continue };
            let [Part::Matrix(left), Part::Sign(_), right @ ..] = parts.as_slice() else { continue };
            let (eta, n) = (record.learning_rate, record.total_weight);
            let Some((shape, values)) =
                right_side(right, left.shape.1, (eta, n), &|cell| cell.eval().unwrap())
            else {
                continue;
            };
            assert_eq!(left.shape, shape, "{text}: {}", left.symbol);
            for (cell, value) in left.cells.iter().zip(values) {
                let difference = (cell.eval().unwrap() - value).abs();
                assert!(difference <= 1e-12, "{text}: {} is off by {difference}", left.symbol);
            }
            held += 1;
        }
        assert!(held >= 12, "{text}: {held}");
    }
}

#[test]
fn a_worksheet_gives_nothing_away() {
    let blank = explain("", &mazur(), &[]).blank();
    for term in blank.terms() {
        assert!(term.value.is_none() && term.formula.eval().is_none(), "{}", term.symbol);
        assert!(term.operands.iter().all(|operand| operand.value.is_none()));
    }
}

/// Puts the numbers of a record into the symbols of a symbolic derivation.
fn numbers(record: &Record) -> HashMap<String, f64> {
    let mut found = HashMap::new();
    let sizes: Vec<usize> =
        std::iter::once(record.spec.inputs()).chain(record.spec.layers.iter().map(|l| l.units)).collect();
    let number = |c: usize, j: usize| sizes[..c].iter().sum::<usize>() + j + 1;
    let single = sizes.iter().sum::<usize>() < 10;
    let outputs = sizes.len() - 1;
    for (i, x) in record.x.iter().enumerate() {
        found.insert(format!("x{}", i + 1), *x);
    }
    for (j, y) in record.y.iter().enumerate() {
        found.insert(format!("y{}", number(outputs, j)), *y);
        found.insert("y".into(), *y);
    }
    let mut biases = 0;
    for (l, layer) in record.layers.iter().enumerate() {
        for j in 0..sizes[l + 1] {
            let n = number(l + 1, j);
            let (z, a) = (layer.z.before[j], layer.a.before[j]);
            found.insert(format!("z{n}"), z);
            found.insert(format!("a{n}"), a);
            found.insert(format!("delta_{n}"), layer.delta[j]);
            found.insert(format!("dE/dz{n}"), layer.delta[j]);
            let slope = record.spec.layers[l].activation.derivative(z, a);
            found.insert(format!("da{n}/dz{n}"), slope);
            if l + 1 == outputs {
                found.insert(format!("dE/da{n}"), layer.delta[j] / slope);
            }
            for i in 0..sizes[l] {
                let m = number(l, i);
                let w = if single { format!("w{m}{n}") } else { format!("w[{m},{n}]") };
                let at = j * sizes[l] + i;
                found.insert(format!("dz{n}/d{w}"), record.input(l, 0, i));
                found.insert(format!("dz{n}/da{m}"), layer.params.before.w[at]);
                found.insert(format!("dE/d{w}"), layer.gradient.w[at]);
                found.insert(w, layer.params.before.w[at]);
            }
            let b = format!("b{}", biases + j + 1);
            found.insert(format!("dz{n}/d{b}"), 1.0);
            found.insert(format!("dE/d{b}"), layer.gradient.b[j]);
            found.insert(b, layer.params.before.b[j]);
        }
        biases += sizes[l + 1];
    }
    found.insert("E".into(), record.loss.before);
    found
}

#[test]
fn every_step_of_a_symbolic_chain_is_the_same_number() {
    let (classes, two) = (blobs(4, 2, 3, 5), mazur_data());
    for (text, data) in [
        (
            "hidden = [3]\nactivation = \"sigmoid\"\noutput_activation = \"sigmoid\"\nloss = \"quadratic\"",
            &two,
        ),
        ("hidden = [2, 3]\nactivation = \"tanh\"\noutput_activation = \"softplus\"\nloss = \"mse\"", &two),
        ("hidden = [3]\nactivation = \"silu\"\noutput_activation = \"gelu\"\nloss = \"mse\"", &two),
        ("hidden = [2]\nactivation = \"sigmoid\"\nloss = \"cross_entropy\"", &classes),
        ("hidden = [2]\nactivation = \"tanh\"\nloss = \"binary_cross_entropy\"", &classes),
    ] {
        let record = record::<f64>(&settings(&format!("{text}\nbatch_size = 1")), data);
        let known = numbers(&record);
        let derivation = symbolic("", &record.spec).unwrap();
        let mut chains = 0;
        // f and f' are derived for any z: a is what the definition before gives.
        let (z, mut a) = (0.7, f64::NAN);
        for block in derivation.sections.iter().flat_map(|section| &section.blocks) {
            let Block::Chain { symbol, steps } = block else { continue };
            let own = |name: &str| match name {
                "z" => Some(z),
                "a" => Some(a),
                name => known.get(name).copied(),
            };
            // Softmax's a and f' have no formula of one unit alone.
            let values: Vec<f64> =
                steps.iter().filter_map(|step| step.eval_with(&|q| own(&q.symbol))).collect();
            for (value, step) in values.iter().zip(steps) {
                let expected =
                    if ["a", "da/dz"].contains(&symbol.as_str()) { values[0] } else { known[symbol] };
                assert!(
                    (value - expected).abs() <= 1e-12,
                    "{text}: {symbol} = {step} is {value}, not {expected}"
                );
                chains += 1;
            }
            if symbol == "a" {
                a = values[0];
            }
        }
        assert!(chains > 30, "{text}: {chains}");
        // The matrix forms, as columns and as rows, put the same numbers together.
        let number = |cell: &Expr| cell.eval_with(&|q| known.get(&q.symbol).copied()).unwrap_or(f64::NAN);
        let mut held = 0;
        for block in derivation.sections.iter().flat_map(|section| &section.blocks) {
            let Block::Equation { parts } = block else { continue };
            let [Part::Matrix(left), Part::Sign(_), right @ ..] = parts.as_slice() else { continue };
            let (shape, values) = right_side(right, left.shape.1, (0.0, 1.0), &number).unwrap();
            assert_eq!(left.shape, shape, "{text}: {}", left.symbol);
            for (cell, value) in left.cells.iter().zip(values) {
                assert!((number(cell) - value).abs() <= 1e-12, "{text}: {} is {value}", left.symbol);
            }
            held += 1;
        }
        assert_eq!(held, 2 * 3 * record.layers.len(), "{text}");
    }
}

/// Checks answers written to nine decimals.
fn checked(record: &Record, answers: &[(&str, f64)]) -> Vec<Checked> {
    let terms = lines(record, &[]);
    let answers: Vec<Answer> = answers
        .iter()
        .enumerate()
        .map(|(at, (symbol, value))| Answer::new(at + 2, symbol, &format!("{value:.9}")).unwrap())
        .collect();
    check(&terms, &Names::new(&record.spec), record.dtype, &answers)
}

fn named(record: &Record, answers: &[(&str, f64)], slip: Slip) {
    let found = checked(record, answers);
    let first = found.iter().find(|checked| checked.verdict != Verdict::Right).expect("something is wrong");
    match &first.verdict {
        Verdict::Wrong { slip: Some(found), .. } if *found == slip => {}
        other => panic!("{}: {slip:?} is taken for {other:?}", first.answer.symbol),
    }
    for later in &found[first.answer.line - 1..] {
        assert!(!matches!(later.verdict, Verdict::Unknown { .. }), "{later:?}");
    }
}

/// The worked example by hand, in plain arithmetic, with one thing done wrong.
#[derive(Clone, Copy, Default, PartialEq)]
struct Hand {
    plus_in_update: bool,
    error_turned: bool,
    no_slope_out: bool,
    no_slope_hidden: bool,
    no_bias: bool,
    no_half: bool,
    updated: bool,
    transposed: bool,
    wrong_input: bool,
}

impl Hand {
    /// Every line in order, as a learner would hand it in.
    fn work(self) -> Vec<(&'static str, f64)> {
        let f = |z: f64| 1.0 / (1.0 + (-z).exp());
        let (i, t) = ([0.05, 0.10], [0.01, 0.99]);
        let v = [[0.15, 0.20], [0.25, 0.30]];
        let w: [[f64; 2]; 2] = [[0.40, 0.45], [0.50, 0.55]];
        let (b1, b2) = if self.no_bias { (0.0, 0.0) } else { (0.35, 0.60) };
        let net = [0, 1].map(|j| v[j][0] * i[0] + v[j][1] * i[1] + b1);
        let out = net.map(f);
        let net_o = [0, 1].map(|k| w[k][0] * out[0] + w[k][1] * out[1] + b2);
        let o = net_o.map(f);
        let half = if self.no_half { 1.0 } else { 0.5 };
        let e = [0, 1].map(|k| half * (t[k] - o[k]) * (t[k] - o[k]));
        let sign = if self.error_turned { -1.0 } else { 1.0 };
        let slope = if self.no_half { 2.0 } else { 1.0 };
        let de = [0, 1].map(|k| sign * slope * (o[k] - t[k]));
        let delta = [0, 1].map(|k| de[k] * if self.no_slope_out { 1.0 } else { o[k] * (1.0 - o[k]) });
        let read = if self.wrong_input { [out[1], out[0]] } else { out };
        let dw = [0, 1].map(|k| [delta[k] * read[0], delta[k] * read[1]]);
        let eta = if self.plus_in_update { -0.5 } else { 0.5 };
        let new_w = [0, 1].map(|k| [w[k][0] - eta * dw[k][0], w[k][1] - eta * dw[k][1]]);
        let back = if self.updated { new_w } else { w };
        let through = |k: usize, j: usize| delta[k] * if self.transposed { back[j][k] } else { back[k][j] };
        let carried = [0, 1].map(|j| through(0, j) + through(1, j));
        let dh =
            [0, 1].map(|j| carried[j] * if self.no_slope_hidden { 1.0 } else { out[j] * (1.0 - out[j]) });
        let dv = [0, 1].map(|j| [dh[j] * i[0], dh[j] * i[1]]);
        vec![
            ("net_h1", net[0]),
            ("out_h1", out[0]),
            ("net_h2", net[1]),
            ("out_h2", out[1]),
            ("net_o1", net_o[0]),
            ("out_o1", o[0]),
            ("net_o2", net_o[1]),
            ("out_o2", o[1]),
            ("E_o1", e[0]),
            ("E_o2", e[1]),
            ("E_total", e[0] + e[1]),
            ("dE/dout_o1", de[0]),
            ("dE/dout_o2", de[1]),
            ("delta_o1", delta[0]),
            ("delta_o2", delta[1]),
            ("dE_o1/dout_h1", through(0, 0)),
            ("dE_o2/dout_h1", through(1, 0)),
            ("dE/dout_h1", carried[0]),
            ("delta_h1", dh[0]),
            ("delta_h2", dh[1]),
            ("dE/dw5", dw[0][0]),
            ("dE/dw6", dw[0][1]),
            ("dE/dw7", dw[1][0]),
            ("dE/dw8", dw[1][1]),
            ("dE/dw1", dv[0][0]),
            ("dE/dw2", dv[0][1]),
            ("dE/dw3", dv[1][0]),
            ("dE/dw4", dv[1][1]),
            ("w5+", new_w[0][0]),
            ("w6+", new_w[0][1]),
            ("w1+", v[0][0] - eta * dv[0][0]),
            ("w4+", v[1][1] - eta * dv[1][1]),
        ]
    }

    fn only(self, symbols: &[&str]) -> Vec<(&'static str, f64)> {
        self.work().into_iter().filter(|(symbol, _)| symbols.contains(symbol)).collect()
    }
}

#[test]
fn right_homework_is_right_and_each_slip_is_named() {
    let record = mazur();
    let right = checked(&record, &Hand::default().work());
    assert!(right.iter().all(|checked| checked.verdict == Verdict::Right), "{right:?}");

    let base = Hand::default();
    let slips = [
        (Hand { plus_in_update: true, ..base }, Slip::Sign),
        (Hand { error_turned: true, ..base }, Slip::Sign),
        (Hand { no_slope_out: true, ..base }, Slip::ForgottenDerivative),
        (Hand { no_slope_hidden: true, ..base }, Slip::ForgottenDerivative),
        (Hand { no_bias: true, ..base }, Slip::ForgottenBias),
        (Hand { no_half: true, ..base }, Slip::FactorHalf),
        (Hand { updated: true, ..base }, Slip::UpdatedWeights),
        (Hand { transposed: true, ..base }, Slip::SwappedIndex),
        (Hand { wrong_input: true, ..base }, Slip::SwappedIndex),
    ];
    for (hand, slip) in slips {
        named(&record, &hand.work(), slip);
        // Only the last lines handed in: the slip lies on a line that nobody sees.
        for symbols in
            [&["dE/dw5", "dE/dw1"][..], &["w5+", "w1+"], &["dE/dw1"], &["delta_o1", "delta_h1"], &["E_total"]]
        {
            let answers = hand.only(symbols);
            let wrong = checked(&record, &answers);
            if wrong.iter().any(|checked| checked.verdict != Verdict::Right) {
                named_or_another(&record, &answers, slip);
            }
        }
    }
}

/// As [`named`], but a number that is the right one of another line may be called that.
fn named_or_another(record: &Record, answers: &[(&str, f64)], slip: Slip) {
    let found = checked(record, answers);
    let first = found.iter().find(|checked| checked.verdict != Verdict::Right).unwrap();
    let Verdict::Wrong { slip: Some(named), how, .. } = &first.verdict else {
        panic!("{answers:?}: {slip:?} is not named: {first:?}")
    };
    let near = |value: Option<f64>| value.is_some_and(|v| (v - first.answer.value).abs() <= 2e-9);
    let another = *named == Slip::SwappedIndex && lines(record, &[]).iter().any(|term| near(term.value));
    assert!(*named == slip || another, "{answers:?}: {slip:?} is taken for {named:?} ({how:?})");
}

#[test]
fn later_lines_follow_from_the_first_slip() {
    let hand = Hand { no_bias: true, ..Hand::default() };
    let found = checked(&mazur(), &hand.work());
    let wrong: Vec<&str> = found
        .iter()
        .filter(|checked| matches!(checked.verdict, Verdict::Wrong { .. }))
        .map(|checked| checked.answer.symbol.as_str())
        .collect();
    assert_eq!(wrong, ["net_h1", "net_h2", "net_o1", "net_o2"], "only the lines with the slip are wrong");
}

#[test]
fn an_unknown_symbol_is_not_a_slip() {
    let found = checked(&mazur(), &[("net_h9", 0.5), ("dE/dw5", 0.123)]);
    assert!(
        matches!(&found[0].verdict, Verdict::Unknown { closest: Some(name) } if name.starts_with("net_h"))
    );
    assert!(matches!(&found[1].verdict, Verdict::Wrong { slip: None, .. }), "{:?}", found[1]);
}

#[test]
fn inputs_with_weights_and_one_class_only() {
    let targets = Targets::Classes { labels: vec![0, 1, 0], names: vec!["a".into(), "b".into()] };
    let data =
        Dataset::new("w", vec![2], Features::Reals(vec![0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), targets).unwrap();
    let data = data.with_sample_weights(vec![0.5, 2.0, 0.0]).unwrap();
    let text = "hidden = [2]\nbatch_size = 3\nseed = 3\noptimizer = \"sgd\"";
    recomputes(&explain("", &record::<f64>(&settings(text), &data), &[]), 1e-12, "weights");
    let mut of_one = trainer::<f64>(&settings(text), &data);
    assert!(Record::step_on(&of_one, &[2]).unwrap_err().to_string().contains("weigh nothing"));
    recomputes(&explain("", &Record::step_on(&of_one, &[1]).unwrap(), &[]), 1e-12, "one weighted sample");
    assert!(Record::next_step(&mut of_one).is_ok());
}
