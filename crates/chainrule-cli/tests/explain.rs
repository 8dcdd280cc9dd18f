//! `chainrule explain`: the worked example's figures in every format, parts by name, runs replayed, and refusals.

mod common;

use std::sync::LazyLock;

use common::{Place, repository_data};
use serde_json::Value;

/// `explain mazur` in its four formats: (text, Markdown, HTML, JSON).
static MAZUR: LazyLock<[String; 4]> = LazyLock::new(|| all_formats("explain mazur"));

fn all_formats(line: &str) -> [String; 4] {
    let place = Place::new();
    ["text", "markdown", "html", "json"].map(|format| place.done(&format!("{line} --format {format}")).out)
}

fn terms(json: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(json).unwrap();
    let blocks =
        document["sections"].as_array().unwrap().iter().flat_map(|s| s["blocks"].as_array().unwrap().clone());
    blocks.filter(|block| block["kind"] == "term").collect()
}

/// Where the term of this symbol, or of this other name, stands.
fn position(terms: &[Value], symbol: &str) -> usize {
    let named = |term: &Value| {
        term["symbol"] == symbol
            || term["aliases"].as_array().is_some_and(|names| names.iter().any(|n| n == symbol))
    };
    terms.iter().position(named).unwrap_or_else(|| panic!("no {symbol}"))
}

/// The value that the text gives: after the last `=` of the lines that belong to the symbol.
fn in_text(text: &str, index: usize) -> String {
    let mut found: Vec<String> = Vec::new();
    for line in text.lines() {
        if line.starts_with(' ')
            && line.contains("= ")
            && !line.contains("(l)")
            && !line.contains("(L)")
            && !found.is_empty()
        {
            found.last_mut().unwrap().push_str(line);
        } else if line.contains(" = ") && !line.starts_with(' ') && !line.contains("eta = ") {
            found.push(line.to_string());
        }
    }
    found[index].rsplit("= ").next().unwrap().trim().to_string()
}

fn in_markdown(markdown: &str, index: usize) -> String {
    let block = markdown.split("\\begin{aligned}").nth(index + 1).unwrap();
    let block = block.split("\\end{aligned}").next().unwrap();
    block.rsplit("&= ").next().unwrap().trim().to_string()
}

fn in_html(html: &str, index: usize) -> String {
    let paragraph = html.split("<p class=\"term\">").nth(index + 1).unwrap();
    let result = paragraph.split("<b>").nth(1).unwrap().split("</b>").next().unwrap();
    let mut text = String::new();
    let mut inside = false;
    for c in result.chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            '−' => text.push('-'),
            c if !inside => text.push(c),
            _ => {}
        }
    }
    text
}

/// The figure of `symbol` is `printed`, to its digits, in all four formats.
fn printed_in(formats: &[String; 4], symbol: &str, printed: &str) {
    let [text, markdown, html, json] = formats;
    let terms = terms(json);
    let index = position(&terms, symbol);
    let decimals = printed.split_once('.').unwrap().1.len();
    let same = |format: &str, found: &str| {
        let value: f64 = found.parse().unwrap_or_else(|_| panic!("{symbol} in {format}: '{found}'"));
        assert_eq!(format!("{value:.decimals$}"), printed, "{symbol} in {format}");
    };
    same("json", &terms[index]["value"].to_string());
    same("text", &in_text(text, index));
    same("markdown", &in_markdown(markdown, index));
    same("html", &in_html(html, index));
}

/// A test for each figure that the worked example prints (S3), with its printed digits.
macro_rules! figures {
    ($($test:ident: $symbol:literal = $printed:literal,)*) => {
        $(#[test]
        fn $test() {
            printed_in(&MAZUR, $symbol, $printed);
        })*
    };
}

figures! {
    net_h1: "net_h1" = "0.3775",
    out_h1: "out_h1" = "0.593269992",
    out_h2: "out_h2" = "0.596884378",
    net_o1: "net_o1" = "1.105905967",
    out_o1: "out_o1" = "0.75136507",
    out_o2: "out_o2" = "0.772928465",
    e_o1: "E_o1" = "0.274811083",
    e_o2: "E_o2" = "0.023560026",
    e_total: "E_total" = "0.298371109",
    de_dout_o1: "dE/dout_o1" = "0.74136507",
    dout_o1_dnet_o1: "dout_o1/dnet_o1" = "0.186815602",
    de_dw5: "dE/dw5" = "0.082167041",
    new_w5: "w5+" = "0.35891648",
    new_w6: "w6+" = "0.408666186",
    new_w7: "w7+" = "0.511301270",
    new_w8: "w8+" = "0.561370121",
    de_o1_dnet_o1: "dE_o1/dnet_o1" = "0.138498562",
    de_o1_dout_h1: "dE_o1/dout_h1" = "0.055399425",
    // The source prints …119: it rounded on the way.
    de_o2_dout_h1: "dE_o2/dout_h1" = "-0.019049118",
    de_dout_h1: "dE/dout_h1" = "0.036350306",
    dout_h1_dnet_h1: "dout_h1/dnet_h1" = "0.241300709",
    de_dw1: "dE/dw1" = "0.000438568",
    new_w1: "w1+" = "0.149780716",
    new_w2: "w2+" = "0.19956143",
    new_w3: "w3+" = "0.24975114",
    new_w4: "w4+" = "0.29950229",
    delta_o1: "delta_o1" = "0.138498562",
    // Gradient descent, to the digits that were computed again.
    e_total_after_one_step: "E_total+" = "0.291027774",
}

#[test]
fn later_figures_come_from_the_other_update_order() {
    let first = all_formats("explain mazur --update-order output-first");
    printed_in(&first, "E_total+", "0.291027924");
    printed_in(&first, "w5+", "0.35891648");
    let last = all_formats("explain mazur --update-order output-first --step 10000");
    printed_in(&last, "E_total+", "0.000035085");
    printed_in(&last, "out_o1+", "0.015912196");
    printed_in(&last, "out_o2+", "0.984065734");
    let both = Place::new().done("explain mazur --step 10000 --both-orders").out;
    let row = both.lines().find(|line| line.starts_with("E_total+   ")).unwrap();
    assert!(row.contains("0.000035102") && row.contains("0.000035085"), "{row}");
}

/// The two loops of L-BFGS, as NumPy has them: g by hand at w and at w - 16 g, the point that the first line search accepts;
/// s = -16 g, y = g+ - g, rho = 1 / (s @ y), q = -g+, alpha = rho * (s @ q), q -= alpha * y, gamma = (s @ y) / (y @ y),
/// r = gamma * q, beta = rho * (y @ r), d = r + (alpha - beta) * s.
#[test]
fn lbfgs_has_its_numbers_in_every_format() {
    let line = "explain mazur optimizer=lbfgs learning_rate=1 batch_size=full";
    let first = Place::new().done(line).out;
    assert!(first.contains("= w5 + t5 * d_w5 = 0.4 + 16 * (-0.082167041)"), "{first}");
    let formats = all_formats(&format!("{line} --step 2"));
    for (symbol, printed) in [
        ("rho1", "11.72556071"),
        ("s1.q", "0.14856508"),
        ("alpha1", "1.742008863"),
        ("gamma", "43.11896294"),
        ("y1.r", "-0.004014621"),
        ("beta1", "-0.047073679"),
        ("d_w1", "0.161720802"),
        ("d_w5", "-2.434136113"),
        ("d_w8", "0.36977174"),
        ("g.d", "-0.269809812"),
    ] {
        printed_in(&formats, symbol, printed);
    }
    let [text, markdown, html, _] = &formats;
    assert!(text.contains("w5+ = w5 + t1 * d_w5") && text.contains("remembered as pair 2"), "{text}");
    assert!(markdown.contains("s_{1}^{\\top} y_{1}") && markdown.contains("q_{1,w5}"));
    assert!(
        html.contains("<mi>ρ</mi>")
            && html.contains("<msubsup><mi>s</mi><mtext>1</mtext><mi>T</mi></msubsup>")
    );
}

/// a = softmax(z) of the worked example's z = 1.105905967, 1.224921404; da_j/dz_i = a_j ([i = j] - a_i).
#[test]
fn softmax_has_its_jacobian_in_every_format() {
    let formats = all_formats("explain mazur loss=cross_entropy output_activation=softmax");
    let e = [1.105_905_967f64, 1.224_921_404].map(f64::exp);
    let a = e.map(|v| v / (e[0] + e[1]));
    let own = format!("{:.8}", a[0] * (1.0 - a[0]));
    let other = format!("{:.8}", -a[0] * a[1]);
    for (symbol, printed) in [
        ("dout_o1/dnet_o1", own.as_str()),
        ("dout_o2/dnet_o1", &other),
        ("dout_o1/dnet_o2", &other),
        ("dout_o2/dnet_o2", &own),
        ("dE/dout_o1", &format!("{:.7}", -0.01 / a[0])),
        ("dE/dnet_o1|o2", &format!("{:.7}", 0.99 * a[0])),
        ("dE/dnet_o1", &format!("{:.7}", a[0] - 0.01)),
        ("delta_o2", &format!("{:.7}", a[1] - 0.99)),
    ] {
        printed_in(&formats, symbol, printed);
    }
}

#[test]
fn text_has_80_columns_and_no_colour_in_a_pipe() {
    let place = Place::new();
    let iris = repository_data().join("iris.csv");
    let iris = iris.display();
    for line in [
        "mazur".into(),
        "mazur --layer 1 --layer 2 --digits 17".into(),
        "mazur --both-orders --digits 15".into(),
        "xor --batch-size full --step 3".into(),
        "xor hidden=[3,3] optimizer=adam l2=0.1 l1=0.01 max_norm=1 clip_norm=0.01".into(),
        "two-three-one --symbolic".into(),
        "xor hidden=[5,3] --symbolic".into(),
        "digits".into(),
        "digits --sample 0 --unit h1 --unit o10 --weight 1,500,3 --layer 2".into(),
        "digits --weight 2,64,10".into(),
        "digits optimizer=lbfgs batch_size=full epochs=20 --step 3 --weight 2,64,10".into(),
        "digits optimizer=lbfgs batch_size=full epochs=20 --step 3".into(),
        "xor hidden=[3] optimizer=lbfgs batch_size=full order=file l2=0.1 --step 3 --digits 12".into(),
        format!("{iris} --target species --hidden 6 --batch-size 4 --dropout 0.5"),
        format!("{iris} --target species --hidden 6 --layer 1 --layer 2 --digits 12"),
    ] {
        let out = place.done(&format!("explain {line}")).out;
        assert!(!out.contains('\u{1b}'), "{line}: colour");
        for text in out.lines() {
            assert!(text.chars().count() <= 80, "{line}: {text}");
        }
    }
}

#[test]
fn a_path_has_three_factors_and_their_product() {
    let out = Place::new().done("explain mazur --weight w5").out;
    for line in [
        "dE/dout_o1 = dE_o1/dout_o1 = out_o1 - target_o1 = 0.75136507 - 0.01 = 0.74136507",
        "dnet_o1/dw5 = out_h1 = 0.593269992",
        "dE/dw5 = dE/dout_o1 * dout_o1/dnet_o1 * dnet_o1/dw5",
        "= 0.74136507 * 0.186815602 * 0.593269992",
        "w5+ = w5 - eta * dE/dw5 = 0.4 - 0.5 * 0.082167041 = 0.35891648",
    ] {
        assert!(out.contains(line), "{line} is not in\n{out}");
    }
    // A hidden weight's path sums over the units that its unit feeds. (l, i, j) is the same as the name.
    let out = Place::new().done("explain mazur --weight 1,2,1").out;
    assert!(
        out.contains("The path of w2") && out.contains("dE/dout_h1 = dE_o1/dout_h1 + dE_o2/dout_h1"),
        "{out}"
    );
}

#[test]
fn a_layer_is_shown_with_shapes() {
    let out = Place::new().done("explain mazur --layer 2").out;
    for text in
        ["W(2) (2, 2)", "a(1) (2, 1)", "delta(2) (2, 1)", "a(1)^T (1, 2)", "dE/dW(2) (2, 2)", "W(2)+ (2, 2)"]
    {
        assert!(out.contains(text), "{text} is not in\n{out}");
    }
    let out = Place::new().done("explain nielsen-30 --layer 1").out;
    assert!(
        out.contains("W(1) (30, 784)") && out.contains("b(1) (30, 1)") && out.contains("a(0) (784, 10)"),
        "{out}"
    );
}

#[test]
fn symbols_have_the_names_of_the_source() {
    let formats = all_formats("explain two-three-one --symbolic");
    for name in ["w13", "w14", "w15", "w23", "w24", "w25", "w36", "w46", "w56", "b1", "b2", "b3", "b4"] {
        assert!(formats[0].contains(&format!("dE/d{name} = ")), "{name}");
        let (stem, index) = name.split_at(1);
        assert!(
            formats[1].contains(&format!("\\frac{{\\partial E}}{{\\partial {stem}_{{{index}}}}} &= ")),
            "{name}"
        );
    }
    for text in [
        "a = sigmoid(z) = 1 / (1 + exp(-z))",
        "= a * (1 - a)",
        "dE/dw36 = dE/dz6 * dz6/dw36 = delta_6 * a3 = (a6 - y) * (a6 * (1 - a6)) * a3",
        "= (a6 - y) * (a6 * (1 - a6)) * w36 * (a3 * (1 - a3)) * x1",
        "In matrix form, with columns",
        "[ z4 ]       =  [ w14  w24 ]  *  [ x2 ]    +  [ b2 ]",
        "In matrix form, with rows",
        "[ z3  z4  z5 ]  =  [ x1  x2 ]  *  [ w13  w14  w15 ]  +  [ b1  b2  b3 ]",
    ] {
        assert!(formats[0].contains(text), "{text} is not in\n{}", formats[0]);
    }
}

#[test]
fn pages_need_nothing_else() {
    for line in ["explain mazur", "explain two-three-one --symbolic", "explain digits --sample 3 --unit o4"] {
        let html = &all_formats(line)[2];
        assert!(html.starts_with("<!DOCTYPE html>") && html.contains("<math"), "{line}");
        for foreign in ["<script", "http://", "https://", "src=", "@import", "url("] {
            assert!(!html.contains(foreign), "{line}: {foreign}");
        }
        assert!(html.contains("prefers-color-scheme: dark") && html.contains("@media print"), "{line}");
    }
    let html = &MAZUR[2];
    assert!(html.contains("<svg class=\"network\""));
    for label in ["w1 0.15", "w8 0.55", "b1 0.35", "b2 0.6"] {
        assert!(html.contains(label), "{label}");
    }
}

#[test]
fn large_networks_are_summarised_and_parts_asked_for_by_name() {
    let place = Place::new();
    let out = place.done("explain digits").out;
    for text in ["W(1)", "(64, 1024)", "mean", "norm", "largest gradient of dE/dW(2)", "--unit", "--weight"] {
        assert!(out.contains(text), "{text} is not in\n{out}");
    }
    let terms = terms(&place.done("explain digits --sample 0 --unit o3 --format json").out);
    // The text shows the largest addends; the data has all of them: 64 weights, 64 activations, a bias.
    let z = &terms[position(&terms, "net_o3")];
    assert_eq!(z["operands"].as_array().unwrap().len(), 64 + 64 + 1);
}

#[test]
fn a_run_is_replayed_to_the_bits_of_its_model() {
    let place = Place::with("points.csv", common::table(60));
    let train = "train points.csv --target kind --hidden 4 --epochs 2 --batch-size 7 --dropout 0.2 --run-dir run --quiet";
    place.done(train);
    let steps = place.json("run/summary.json")["steps"].as_u64().unwrap();
    let last = place.done("explain run").out; // a model: the step that would follow
    assert!(last.contains("one step on"), "{last}");
    let explained = place.done("explain --run run --format json").out;
    let weights = place.done("inspect run --weights").out;
    let terms = terms(&explained);
    let updated: Vec<&Value> = terms.iter().filter(|term| term["rule"] == "update").collect();
    assert!(updated.len() > 30, "{}", updated.len());
    for term in updated {
        let shortest = format!("{:?}", term["value"].as_f64().unwrap() as f32);
        assert!(weights.contains(&shortest), "{} = {shortest} is not a weight of the model", term["symbol"]);
    }
    // A step in the middle is made again from the beginning, and is the one of a run that ends there.
    let middle = place.done("explain --run run --step 3 --format json").out;
    place.done("train --config run/config.toml --steps 3 --run-dir short --quiet");
    let short = place.done("explain --run short --format json").out;
    let values =
        |text: &str| self::terms(text).iter().map(|term| term["value"].to_string()).collect::<Vec<_>>();
    assert_eq!(values(&middle), values(&short));
    place
        .run(&format!("explain --run run --step {}", steps + 1))
        .expect(2, &["--step", &format!("expected 1 to {steps}")]);
    // Other data would make another step than the run made.
    place.write("points.csv", common::table(59));
    place.run("explain --run run").expect(1, &["run: expected the data that the run began with"]);
}

#[test]
fn a_model_is_explained_on_other_data_and_samples() {
    let place = Place::with("points.csv", common::table(60));
    place.write("more.csv", common::table(9));
    place.done("train points.csv --target kind --hidden 3 --epochs 2 --dtype f64 --run-dir run --quiet");
    let explained = |line: &str| terms(&place.done(&format!("explain run {line} --format json")).out);
    let (own, other) = (explained("--sample 3"), explained("--data more.csv --sample 3"));
    // The same first rows, read by the model's own preprocessing; its own data is split, so its sample 3 is another one.
    let weight = |terms: &[Value]| terms[position(terms, "net_h1")]["operands"][0]["value"].clone();
    assert_eq!(weight(&own), weight(&other), "the same model");
    let two = explained("--data more.csv --sample 3,5");
    assert_eq!(two[position(&two, "E_total")]["formula"], "(E_total@1 + E_total@2) / n");
    assert_eq!(two[position(&two, "net_h1@1")]["value"], other[position(&other, "net_h1")]["value"]);
    place.refuses("explain run --data more.csv --sample 9", 2, &["--sample 9", "0 to 8"]);
    place.refuses("explain run --step 2", 2, &["--step", "--run"]);
    place.refuses("explain run learning_rate=1", 2, &["learning_rate=1", "own settings"]);
}

#[test]
fn batches_are_summed_and_divided_once() {
    let terms = terms(&Place::new().done("explain xor --batch-size full --format json").out);
    let gradient = &terms[position(&terms, "dE/dw1")];
    assert_eq!(gradient["formula"], "(dE/dw1@1 + dE/dw1@2 + dE/dw1@3 + dE/dw1@4) / n");
    assert_eq!(gradient["operands"][4]["value"], 4.0);
    let part = &terms[position(&terms, "dE/dw1@3")];
    assert_eq!(part["formula"], "delta_h1@3 * i1@3");
    assert_eq!(
        terms[position(&terms, "E_total")]["formula"],
        "(E_total@1 + E_total@2 + E_total@3 + E_total@4) / n"
    );
}

#[test]
fn worksheets_have_no_results_and_their_answers_are_right() {
    let place = Place::new();
    for sheet in ["sheet.txt", "sheet.md", "sheet.html", "sheet.json"] {
        place.done(&format!("explain mazur --blank {sheet}"));
        let text = place.text(sheet);
        assert!(["net_h1", "net}_{h1}", "<mi>net</mi>"].iter().any(|name| text.contains(name)), "{sheet}");
        for result in ["0.3775", "0.593269", "0.298371", "0.0821670", "0.358916", "0.138498"] {
            assert!(!text.contains(result), "{sheet} gives away {result}");
        }
        place.done("explain mazur --expect sheet.answers.csv");
    }
    assert!(place.text("sheet.html").contains("w5 0.4"), "what is given stays");
    assert!(place.text("sheet.txt").contains("____"));
    place.no_temporaries();
}

#[test]
fn homework_is_checked_line_by_line() {
    let place = Place::new();
    place.write(
        "right.csv",
        "symbol,value\nnet_h1,0.3775\ndE_total/dw5,0.0821670\nw5+,0.3589\nδ_o1,0.138498562\n",
    );
    assert!(place.done("explain mazur --expect right.csv").out.contains("4 of 4"));
    place.write("right.json", r#"{"net_h1": 0.3775, "dE/dw5": "0.082167041", "w6+": null}"#);
    assert!(place.done("explain mazur --expect right.json").out.contains("2 of 2"));
    place.write(
        "wrong.json",
        r#"[{"symbol": "w5+", "value": 0.44108352}, {"symbol": "nett_h1", "value": 1}]"#,
    );
    let ran = place.run("explain mazur --expect wrong.json").expect(1, &["2 of 2 answers differ"]);
    assert!(ran.out.contains("likely slip: sign (w5 + eta * dE/dw5)"), "{}", ran.out);
    assert!(ran.out.contains("did you mean net_h1?"), "{}", ran.out);
    let ran = place.run("explain mazur --expect wrong.json --format json").expect(1, &[]);
    let checked: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&checked[0]["verdict"], &checked[0]["slip"]), (&"wrong".into(), &"sign".into()));
    // Homework on a part of a large network.
    let terms = terms(&place.done("explain digits --sample 0 --weight 2,1,3 --format json").out);
    let value = terms[position(&terms, "dE/dw[2,1,3]")]["value"].as_f64().unwrap();
    place.write("part.csv", format!("symbol,value\n\"dE/dw[2,1,3]\",{value:.7}\n"));
    place.done("explain digits --sample 0 --weight 2,1,3 --expect part.csv");
}

#[test]
fn what_cannot_be_explained_is_refused() {
    let place = Place::with("bad.csv", "a,b\n1,2\n");
    place.refuses("explain mazur --weight w9", 2, &["w9", "w1 to w8"]);
    place.refuses("explain mazur --unit h3", 2, &["h3", "h1 to h2", "o1 to o2"]);
    place.refuses("explain mazur --layer 3", 2, &["--layer 3", "1 to 2"]);
    place.refuses("explain mazur --sample 1", 2, &["--sample 1", "0 to 0"]);
    place.refuses("explain mazur --step 10001", 2, &["10001", "expected 1 to 10000"]);
    place.refuses("explain mazur --step 0", 2, &["0"]);
    place.refuses("explain mazurr", 1, &["mazurr"]);
    place.refuses("explain digits --symbolic", 2, &["symbolic", "60 parameters"]);
    place.refuses("explain digits --blank sheet.txt", 2, &["--blank", "--weight"]);
    place.refuses("explain digits --expect bad.csv", 1, &["bad.csv", "symbol and value", "a, b"]);
    place.refuses("explain mazur --expect none.csv", 1, &["none.csv"]);
    place.write("words.csv", "symbol,value\nnet_h1,much\n");
    place.refuses("explain mazur --expect words.csv", 1, &["words.csv", "line 2", "net_h1", "much"]);
    place.refuses("explain --run nowhere", 1, &["nowhere", "run folder"]);
    place.refuses("explain mazur --run nowhere", 2, &["--run"]);
    place.refuses("explain mazur --symbolic --step 4", 2, &["--symbolic", "--step"]);
}

/// A network too large to be written out has all four equations, each above what follows from it.
#[test]
fn large_networks_show_all_four_equations() {
    let place = Place::new();
    let out = place.done("explain digits --hidden 12").out;
    let at = |part: &str| out.find(part).unwrap_or_else(|| panic!("{part} is missing:\n{out}"));
    let order = ["BP1", "delta(2) ", "BP2", "delta(1) ", "BP3"].map(at);
    assert!(order.is_sorted(), "{order:?}:\n{out}");
    let single = place.done("explain digits --hidden none").out;
    assert!(single.contains("BP1") && !single.contains("BP2"), "{single}");
}

/// The drawing of the network is as wide as the page: it has no least width of its own.
#[test]
fn the_network_scales_with_the_page() {
    let page = Place::new().done("explain mazur --format html").out;
    let style = page.split(".network {").nth(1).unwrap().split('}').next().unwrap();
    assert!(style.contains("width: 100%") && !style.contains("min-width"), "{style}");
    assert!(page.contains("viewBox=\"0 0 "));
}
