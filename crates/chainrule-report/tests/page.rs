//! The page and its charts are well formed and harmless, whatever is in the report.

use chainrule_report::{
    Bitmap, ClassRow, ComparisonReport, ComparisonRow, Confusion, Curve, ExcitedLayer, ExcitedSample,
    ExcitedUnit, FindingRow, Group, Heat, InsideReport, LayerRow, Mistake, NamedChart, RidgePanel, Ridges,
    RunReport, Scale, TextTable, comparison_html, html, inside_html, line_chart, ridge_chart,
};
use roxmltree::{Document, ParsingOptions};

mod support;

const HOSTILE: &str = "<script>alert(1)</script>\"'&]]>--></style>\u{0}\u{1b}[31m$x$ http://example.org";

/// Every element of HTML that has no end, closed as XML wants it.
fn as_xml(page: &str) -> String {
    let mut out = String::new();
    let mut rest = page;
    while let Some(start) = ["<meta", "<img"].iter().filter_map(|tag| rest.find(tag)).min() {
        let end = start + rest[start..].find('>').expect("an end of the tag");
        out.push_str(&rest[..end]);
        out.push('/');
        rest = &rest[end..];
    }
    out + rest
}

/// Parses the page, and checks what holds for every page.
fn check(report: &RunReport) -> String {
    check_page(html(report))
}

fn check_page(page: String) -> String {
    let xml = as_xml(&page);
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(&xml, options).unwrap_or_else(|e| panic!("{e}\n{xml}"));
    let mut ids = std::collections::HashSet::new();
    for node in document.descendants().filter(roxmltree::Node::is_element) {
        assert!(!["script", "link", "iframe", "object"].contains(&node.tag_name().name()));
        for attribute in node.attributes() {
            let (name, value) = (attribute.name(), attribute.value());
            assert!(!name.starts_with("on"), "{name}");
            if name == "src" {
                assert!(value.starts_with("data:image/png;base64,"), "{value}");
            }
            if name == "href" {
                assert!(value.starts_with('#'), "{value}");
            }
            if name == "id" {
                assert!(ids.insert(value.to_owned()), "{value} twice");
            }
        }
        if node.tag_name().name() == "img" {
            assert!(node.attribute("alt").is_some_and(|alt| !alt.is_empty()));
        }
        if node.tag_name().name() == "th" {
            assert!(node.has_attribute("scope"));
        }
        if node.tag_name().name() == "table" {
            assert_eq!(node.first_element_child().map(|n| n.tag_name().name()), Some("caption"));
        }
    }
    for node in document.descendants().filter(|n| n.has_attribute("href")) {
        assert!(ids.contains(&node.attribute("href").unwrap_or_default()[1..]));
    }
    assert!(page.split("url(").skip(1).all(|address| address.starts_with('#')) && !page.contains("@import"));
    assert!(!page.contains("NaN") && !page.contains(">inf<"));
    page
}

fn svg(scale: Scale, curves: &[Curve]) -> String {
    let svg = line_chart(HOSTILE, "epoch", "loss", scale, curves);
    let document = Document::parse(&svg).unwrap_or_else(|e| panic!("{e}\n{svg}"));
    assert_eq!(document.root_element().tag_name().name(), "svg");
    assert!(document.root_element().has_attribute("viewBox"));
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    assert!(!document.descendants().any(|n| n.tag_name().name() == "script"));
    svg
}

#[test]
fn an_empty_report_is_a_page() {
    let page = check(&RunReport::default());
    assert!(page.contains("<title>A run of Chainrule</title>"));
    assert!(page.contains("recorded nothing"));
}

#[test]
fn a_full_report_has_every_part() {
    let digits: Vec<_> = (0..60).map(|i| (i % 10, support::ring(28, i as f64 / 20.0))).collect();
    let page = check(&support::report(20, &digits));
    for id in
        ["curves", "metrics", "confusion", "mistakes", "first-layer", "network", "choices", "conventions"]
    {
        assert!(page.contains(&format!("<section id=\"{id}\"")), "{id}");
    }
    assert_eq!(page.matches("<figcaption>").count(), 2 + 48);
    assert!(page.contains("60 mistakes on 946 test samples; the worst 48 are shown"));
    assert!(page.contains("66,250"));
    assert!(page.contains("prefers-color-scheme: dark"));
    assert_eq!(page, html(&support::report(20, &digits)), "the same report is the same page");
}

#[test]
fn long_runs_stay_small() {
    let digits: Vec<_> = (0..48).map(|i| (i % 10, support::ring(28, i as f64 / 20.0))).collect();
    let mut report = support::report(2000, &digits);
    let third = Curve::new("validation", report.loss[1].points.clone());
    report.loss.push(third);
    let page = check(&report);
    assert!(page.len() < 1_000_000, "{}", page.len());
    let mut report = support::report(200_000, &[]);
    report.first_layer.push(Bitmap::new(500, 500, vec![0.3; 250_000]));
    assert!(check(&report).len() < 1_000_000);
    assert!(svg(Scale::Linear, &report.loss).len() < 200_000);
}

#[test]
fn hostile_names_are_text() {
    let text = HOSTILE.to_owned();
    let pairs = vec![(text.clone(), text.clone())];
    let mistake = |bitmap| Mistake {
        bitmap,
        features: text.clone(),
        actual: text.clone(),
        predicted: text.clone(),
        actual_probability: f64::NAN,
        ..Mistake::default()
    };
    let row = LayerRow {
        name: text.clone(),
        units: usize::MAX,
        activation: text.clone(),
        init: text.clone(),
        weights: text.clone(),
        bias: text.clone(),
        parameters: usize::MAX,
    };
    let page = check(&RunReport {
        title: text.clone(),
        summary: pairs.clone(),
        choices: vec![text.clone()],
        conventions: pairs.clone(),
        layers: vec![row.clone(), row],
        profile: Some(TextTable {
            header: vec![text.clone(); 3],
            rows: vec![vec![text.clone(); 3]],
            text_columns: 2,
        }),
        profile_note: text.clone(),
        config_toml: text.clone(),
        loss: vec![Curve::new(HOSTILE, vec![(0.0, 1.0), (1.0, 0.5)])],
        accuracy: vec![Curve::new(HOSTILE, vec![(0.0, 0.5)])],
        metrics: pairs,
        confusion: Some(Confusion { names: vec![text.clone(); 3], counts: vec![vec![u64::MAX; 3], vec![1]] }),
        class_table: vec![ClassRow { name: text.clone(), precision: f64::NAN, ..ClassRow::default() }],
        mistakes: vec![mistake(Some(support::ring(8, 1.0))), mistake(None), mistake(Some(Bitmap::default()))],
        mistakes_total: 0,
        findings: vec![hostile_finding()],
        evaluated_on: text.clone(),
        first_layer: vec![Bitmap::new(2, 2, vec![f64::NAN; 4]), Bitmap::default()],
        first_layer_total: 1,
    });
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script"));
    assert!(page.contains("<section id=\"profile\""));
}

fn hostile_finding() -> FindingRow {
    let text = HOSTILE.to_owned();
    FindingRow { name: text.clone(), cases: vec![text.clone(); 2], meaning: text.clone(), advice: text }
}

#[test]
fn a_comparison_is_a_page() {
    let page = check_page(comparison_html(&ComparisonReport::default()));
    assert!(page.contains("Nothing was compared."));
    let text = HOSTILE.to_owned();
    let curve = Curve {
        spread: vec![0.5, f64::NAN, 1e9, 0.0],
        ..Curve::new(HOSTILE, vec![(0.0, 1.0), (1.0, 2.0), (2.0, 0.5), (3.0, f64::NAN)])
    };
    let chart = |scale| NamedChart { name: text.clone(), scale, curves: vec![curve.clone(); 14] };
    let page = check_page(comparison_html(&ComparisonReport {
        title: text.clone(),
        summary: vec![(text.clone(), text.clone())],
        notes: vec![text.clone()],
        header: vec![text.clone(); 3],
        rows: vec![ComparisonRow { cells: vec![text.clone(); 3], diagnosis: text.clone(), best: true }],
        charts: vec![chart(Scale::Linear), NamedChart::default()],
        diagnosis: vec![
            Group { name: text.clone(), result: text.clone(), findings: vec![hostile_finding()] },
            Group::default(),
        ],
        inside_notes: vec![text.clone()],
        inside: Some(TextTable {
            header: vec![text.clone(); 2],
            rows: vec![vec![text.clone(); 2]],
            text_columns: 1,
        }),
        inside_charts: vec![chart(Scale::Log)],
        plan_toml: text.clone(),
    }));
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script"));
    for id in ["table", "curves", "diagnosis", "inside", "plan"] {
        assert!(page.contains(&format!("<section id=\"{id}\"")), "{id}");
    }
    assert!(page.contains("and 2 more") && page.contains("No rule found anything wrong."));
}

#[test]
fn charts_of_anything_are_drawn() {
    let points =
        |ys: &[f64]| vec![Curve::new(HOSTILE, ys.iter().enumerate().map(|(i, &y)| (i as f64, y)).collect())];
    let nan = f64::NAN;
    for ys in [
        &[][..],
        &[nan],
        &[1.0],
        &[0.0],
        &[nan, 2.0, nan, 1.0, nan],
        &[f64::INFINITY, 1.0, f64::NEG_INFINITY, 0.0],
        &[1e-14, 1e-12, 3.0],
        &[1e300, -1e300, 0.0],
        &[1e-320, 1e-310, 5e-324],
        &[1e9, 1e9],
        &[-3.0, -2.0],
        &[0.5; 3],
    ] {
        for scale in [Scale::Linear, Scale::Log] {
            let svg = svg(scale, &points(ys));
            assert!(svg.len() < 20_000, "{ys:?}: {}", svg.len());
        }
    }
    assert!(svg(Scale::Linear, &[]).contains("no values"));
    assert!(svg(Scale::Log, &points(&[-1.0, 0.0])).contains("no values"));
    let many: Vec<Curve> =
        (0..40).map(|i| Curve::new(format!("curve {i}"), vec![(0.0, 1.0), (1.0, f64::from(i))])).collect();
    svg(Scale::Linear, &many);
    // Epochs that are not finite, and epochs out of order.
    svg(Scale::Linear, &[Curve::new("a", vec![(nan, 1.0), (5.0, 2.0), (3.0, 1.0), (f64::INFINITY, 0.0)])]);
}

#[test]
fn many_classes_become_pairs() {
    let names: Vec<String> = (0..1000).map(|i| format!("class {i}")).collect();
    let mut counts = vec![vec![0u64; 1000]; 1000];
    for (i, row) in counts.iter_mut().enumerate() {
        row[i] = 50;
        row[(i * 7 + 1) % 1000] += i as u64 % 13;
    }
    let class_table =
        names.iter().map(|n| ClassRow { name: n.clone(), recall: 0.5, ..ClassRow::default() }).collect();
    let report =
        RunReport { confusion: Some(Confusion { names, counts }), class_table, ..RunReport::default() };
    let page = check(&report);
    assert!(page.contains("The 20 most frequent of"));
    assert!(page.contains("Precision, recall and F1 of 1,000 classes"));
    assert!(page.len() < 1_000_000, "{}", page.len());
}

#[test]
fn no_mistakes_is_said() {
    let confusion = Confusion { names: vec!["a".into(), "b".into()], counts: vec![vec![3, 0], vec![0, 4]] };
    let report = RunReport {
        confusion: Some(confusion),
        evaluated_on: "7 test samples".into(),
        ..RunReport::default()
    };
    assert!(check(&report).contains("None on 7 test samples."));
    assert!(!check(&RunReport::default()).contains("Worst mistakes"));
}

#[test]
fn a_regression_has_no_classes() {
    let mut report = support::report(1, &[]);
    report.confusion = None;
    report.class_table.clear();
    report.accuracy.clear();
    report.mistakes_total = 0;
    report.first_layer.clear();
    let page = check(&report);
    assert!(
        !page.contains("Confusion") && !page.contains("Accuracy by epoch") && page.contains("Loss by epoch")
    );
}

#[test]
fn the_inside_of_a_network_is_shown_whatever_is_in_it() {
    assert!(check_page(inside_html(&InsideReport::default())).contains("Nothing was looked at"));
    let hostile = || HOSTILE.to_string();
    let panel = |counts: Vec<f64>| RidgePanel {
        name: hostile(),
        low: -1.0,
        high: 1.0,
        rows: vec![("0".into(), counts.clone()), (hostile(), counts)],
    };
    let odd = RidgePanel { low: f64::NAN, high: 0.0, rows: vec![("1".into(), vec![])], ..panel(vec![]) };
    let panels = vec![panel(vec![0.0, 2.0, 1.0]), panel(vec![0.0; 3]), panel(vec![f64::NAN, 1.0]), odd];
    let ridges = |log| Ridges { title: hostile(), row_label: hostile(), log, panels: panels.clone() };
    for log in [false, true] {
        let svg = ridge_chart(&ridges(log));
        let document = Document::parse(&svg).unwrap();
        let paths = document.descendants().filter(|node| node.has_tag_name("path"));
        assert_eq!(paths.count(), 2 * 7); // a ground and a ridge for each moment of each panel
        assert!(svg.contains("viewBox"));
    }
    let sample = |bitmap: Option<Bitmap>, activation| ExcitedSample {
        sample: 7,
        target: hostile(),
        activation,
        bitmap,
        features: hostile(),
    };
    let unit = |sample: ExcitedSample| ExcitedUnit {
        unit: 1,
        weights: sample.bitmap.clone(),
        samples: vec![sample],
    };
    let drawn = || Some(Bitmap::new(1, 2, vec![0.0, 1.0]));
    let page = check_page(inside_html(&InsideReport {
        title: hostile(),
        summary: vec![(hostile(), hostile())],
        notes: vec![hostile()],
        figures: Some(TextTable {
            header: vec![hostile(); 3],
            rows: vec![vec![hostile(); 3]],
            text_columns: 1,
        }),
        ridges: vec![(ridges(false), hostile()), (ridges(true), hostile())],
        heat: Some(Heat {
            inputs: vec![hostile(), "b".into()],
            units: vec![1, 2],
            weights: vec![0.5, -0.25, f64::NAN, 0.0],
            inputs_total: 3,
            units_total: 9,
        }),
        excited: vec![
            ExcitedLayer {
                name: hostile(),
                total: 1280,
                units: vec![unit(sample(drawn(), 2.5)), ExcitedUnit { unit: 2, ..ExcitedUnit::default() }],
            },
            ExcitedLayer {
                name: "told".into(),
                total: 2,
                units: vec![unit(sample(None, 1e-9)), ExcitedUnit { unit: 2, ..ExcitedUnit::default() }],
            },
        ],
        ..InsideReport::default()
    }));
    for part in [
        "The first 2 of 1,280 units",
        "No training sample excites it",
        "2 of 3 inputs",
        "2.500",
        "1.0e-9",
        "-0.25",
    ] {
        assert!(page.contains(part), "{part}");
    }
}
