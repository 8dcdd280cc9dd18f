//! Derivations rendered: formulas are well-formed, numbers the same everywhere, names from files harmless.

use chainrule::explain::{Derivation, Record, Wanted, explain, symbolic};
use chainrule::network::Network;
use chainrule::recipe::Settings;
use chainrule::resolve::Resolved;
use chainrule::train::{Sets, Trainer};
use chainrule::{Dataset, Features, Targets};
use chainrule_report::derivation::{Look, html, markdown, number, text};

const LOOK: Look = Look { digits: 9, colour: false };

fn record(settings: Settings, inputs: usize) -> Record {
    let values = (0..inputs * 4).map(|v| (v * 7 % 11) as f64 / 10.0 - 0.4).collect();
    let targets =
        Targets::Classes { labels: vec![0, 1, 2, 1], names: ["a", "b", "c"].map(String::from).to_vec() };
    let data = Dataset::new("t", vec![inputs], Features::Reals(values), targets).unwrap();
    let Resolved { spec, config, .. } = settings.resolve(&data).unwrap();
    let sets = Sets { train: &data, validation: None, test: None };
    Record::next_step(&mut Trainer::<f64>::new(Network::new(spec).unwrap(), config, sets, None).unwrap())
        .unwrap()
}

/// Small and large, every kind of block, every activation and optimizer with formulas of its own.
fn derivations() -> Vec<Derivation> {
    let of = |activation: &str, optimizer: &str, loss: &str, batch: usize| Settings {
        hidden: Some(vec![3, 2]),
        activation: Some(chainrule::recipe::OneOrMany::One(activation.parse().unwrap())),
        optimizer: Some(optimizer.parse().unwrap()),
        loss: Some(loss.parse().unwrap()),
        batch_size: Some(chainrule::config::BatchSize::Count(batch)),
        l1: Some(0.01),
        l2: Some(0.1),
        max_norm: Some(0.5),
        clip_norm: Some(0.1),
        dropout: Some(0.2),
        ..Settings::default()
    };
    let mut all = Vec::new();
    for (activation, optimizer, loss, batch) in [
        ("sigmoid", "adamw", "cross_entropy(label_smoothing=0.1)", 2),
        ("gelu", "rmsprop(momentum=0.5)", "binary_cross_entropy", 1),
        ("silu", "adagrad", "huber(0.1)", 3),
        ("elu", "sgd(0.9)", "mae", 1),
        ("softplus", "sgd", "mse", 1),
        ("tanh", "sgd(0.9,nesterov=true)", "quadratic", 4),
    ] {
        let record = record(of(activation, optimizer, loss, batch), 2);
        all.push(explain("small: step 1", &record, &[]));
        all.push(explain("parts", &record, &[Wanted::Layer(0), Wanted::Layer(2), Wanted::Weight(0, 1, 0)]));
        all.push(symbolic("symbols", &record.spec).unwrap());
    }
    let large = record(Settings { hidden: Some(vec![30]), ..Settings::default() }, 50);
    all.push(explain("large", &large, &[]));
    all.push(explain("large", &large, &[Wanted::Unit(0, 3), Wanted::Layer(0), Wanted::Weight(1, 2, 29)]));
    let worksheet = all[0].clone().blank();
    all.push(worksheet);
    all
}

#[test]
fn text_keeps_to_80_columns() {
    for derivation in derivations() {
        for digits in [3, 9, 17] {
            let shown = text(&derivation, &Look { digits, ..LOOK });
            for line in shown.lines() {
                assert!(
                    line.chars().count() <= 80 && line.trim_end() == line,
                    "{}: '{line}'",
                    derivation.title
                );
            }
        }
        let colours = text(&derivation, &Look { colour: true, ..LOOK });
        let plain: String = colours
            .split('\u{1b}')
            .enumerate()
            .map(|(at, part)| if at == 0 { part } else { part.split_once('m').unwrap().1 })
            .collect();
        assert_eq!(plain, text(&derivation, &LOOK), "colour changes nothing but colour");
    }
}

/// Every `<math>` and the drawing is XML.
#[test]
fn formulas_and_drawing_are_well_formed() {
    let mut drawn = 0;
    for derivation in derivations() {
        let page = html(&derivation, &LOOK);
        let mut formulas = 0;
        for (start, end) in [("<math", "</math>"), ("<svg", "</svg>")] {
            for part in page.split(start).skip(1) {
                let part = format!("{start}{}{end}", part.split(end).next().unwrap());
                let parsed = roxmltree::Document::parse(&part);
                assert!(parsed.is_ok(), "{}: {:?}: {part}", derivation.title, parsed.err());
                // Fractions and powers have two children, sub- and superscripts three.
                for node in parsed.unwrap().descendants() {
                    let children = node.children().filter(roxmltree::Node::is_element).count();
                    let wanted = match node.tag_name().name() {
                        "mfrac" | "msub" | "msup" | "munder" => 2,
                        "msubsup" => 3,
                        _ => children,
                    };
                    assert_eq!(children, wanted, "{part}");
                }
                formulas += 1;
                drawn += usize::from(start == "<svg");
            }
        }
        assert!(formulas > 0, "{}", derivation.title);
        assert!(!page.contains("<script") && !page.contains("http"));
    }
    assert!(drawn > 5);
}

#[test]
fn latex_is_balanced() {
    for derivation in derivations() {
        let page = markdown(&derivation, &LOOK);
        for formula in page.split("$$").skip(1).step_by(2) {
            let count = |what: &str| formula.matches(what).count();
            assert_eq!(count("{"), count("}"), "{formula}");
            assert_eq!(count("\\left"), count("\\right"), "{formula}");
            assert_eq!(count("\\begin"), count("\\end"), "{formula}");
            assert!(!has_double_superscript(formula), "{formula}");
        }
        assert_eq!(page.matches("$$").count() % 2, 0);
    }
}

/// `x^{1}^{2}` is no LaTeX.
fn has_double_superscript(formula: &str) -> bool {
    formula.match_indices("^{").any(|(at, _)| {
        let mut depth = 0;
        let end = formula[at + 1..].find(|c| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            depth == 0
        });
        end.is_some_and(|end| formula[at + 1 + end + 1..].starts_with('^'))
    })
}

/// The values that the forms show, in order, are those of the data.
#[test]
fn all_forms_show_the_same_values() {
    for derivation in derivations() {
        let values: Vec<String> =
            derivation.terms().filter_map(|term| term.value).map(|v| number(v, 9)).collect();
        let page = html(&derivation, &LOOK);
        let results = page.split("<p class=\"term\">").skip(1).filter_map(|p| p.split("<b>").nth(1));
        let plain = |result: &str| -> String {
            let result = result.split("</b>").next().unwrap();
            let text: String =
                result.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text).collect();
            text.replace('−', "-").replace("·10", "e")
        };
        assert_eq!(results.map(plain).collect::<Vec<_>>(), values, "{}", derivation.title);
    }
}

#[test]
fn names_from_files_are_only_text() {
    let mut derivation = derivations().remove(0);
    derivation.title = "<script>alert(1)</script> $x$ [a](b)\u{1b}[31m\nnext".into();
    derivation.given.push(("batch".into(), "*bold* | `code` </style>".into()));
    let page = html(&derivation, &LOOK);
    assert!(!page.contains("<script>") && page.contains("&lt;script&gt;") && page.contains("&lt;/style&gt;"));
    let page = markdown(&derivation, &LOOK);
    let head = page.split("## ").next().unwrap();
    assert!(head.contains("\\$x\\$ \\[a\\](b)") && head.contains("\\*bold\\* \\| \\`code\\`"), "{head}");
    assert_eq!(head.lines().next().unwrap().matches("next").count(), 1, "one line");
    assert!(!text(&derivation, &LOOK).contains('\u{1b}'));
}
