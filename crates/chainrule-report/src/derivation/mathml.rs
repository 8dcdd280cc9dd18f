//! Formulas in MathML (the part that browsers show: MathML Core).

use super::number::number;
use super::symbol::{Name, Symbol, greek, parse};
use chainrule::explain::{Expr, Function, Law, Matrix, Part};

/// `inner` as a formula of its own, with fractions at full size.
pub fn math(inner: &str) -> String {
    format!("<math displaystyle=\"true\">{inner}</math>")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn row(inner: &str) -> String {
    format!("<mrow>{inner}</mrow>")
}

/// A sign between two things, even where a line begins with it.
fn operator(sign: &str) -> String {
    format!("<mo form=\"infix\">{sign}</mo>")
}

fn fenced(inner: &str) -> String {
    format!("<mrow><mo>(</mo>{inner}<mo>)</mo></mrow>")
}

fn words(text: &str) -> String {
    format!("<mtext>{}</mtext>", escaped(text))
}

/// A number; powers of ten as such. Its minus is a sign, not a hyphen.
pub fn value(value: f64, digits: usize) -> String {
    let text = number(value, digits);
    let (sign, text) =
        text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("<mo form=\"prefix\">−</mo>", rest));
    match text.split_once('e') {
        Some((mantissa, exponent)) => {
            let exponent = exponent.replace('-', "−");
            row(&format!("{sign}<mn>{mantissa}</mn><mo>·</mo><msup><mn>10</mn><mn>{exponent}</mn></msup>"))
        }
        None => row(&format!("{sign}<mn>{text}</mn>")),
    }
}

/// A symbol.
pub fn symbol(text: &str) -> String {
    match parse(text) {
        Symbol::Words(text) => words(&text),
        Symbol::Name(one) => name(&one),
        Symbol::Dot(a, b) => {
            let turned = match a.index.is_empty() {
                true => format!("<msup>{}<mi>T</mi></msup>", name(&a)),
                false => {
                    format!("<msubsup><mi>{}</mi>{}<mi>T</mi></msubsup>", escaped(&a.stem), words(&a.index))
                }
            };
            row(&(turned + &name(&b)))
        }
        Symbol::Derivative(above, below, through) => {
            let part = |one: &Name| row(&format!("<mo form=\"prefix\">∂</mo>{}", name(one)));
            let fraction = format!("<mfrac>{}{}</mfrac>", part(&above), part(&below));
            match through {
                Some(unit) => {
                    let unit = words(&format!("{}{}", unit.stem, unit.index));
                    format!("<msub>{}{unit}</msub>", row(&format!("{fraction}<mo fence=\"true\">|</mo>")))
                }
                None => fraction,
            }
        }
    }
}

fn name(name: &Name) -> String {
    let stem = match greek(&name.stem) {
        Some((_, letter)) => format!("<mi>{letter}</mi>"),
        None => format!("<mi>{}</mi>", escaped(&name.stem)),
    };
    let index = words(&name.index);
    let sample = if name.sample.is_empty() { String::new() } else { format!("({})", name.sample) };
    let marks = format!("{}{sample}", if name.new { "+" } else { "" });
    let marks_ml = words(&marks);
    match (name.index.is_empty(), marks.is_empty()) {
        (true, true) => stem,
        (false, true) => format!("<msub>{stem}{index}</msub>"),
        (true, false) => format!("<msup>{stem}{marks_ml}</msup>"),
        (false, false) => format!("<msubsup>{stem}{index}{marks_ml}</msubsup>"),
    }
}

/// The addends of a formula one by one, so that a line can be broken between them.
pub fn addends(e: &Expr, digits: usize) -> Vec<String> {
    let Expr::Sum(all) = e else { return vec![formula(e, 1, digits)] };
    let addend = |(at, e): (usize, &Expr)| match (at, e) {
        (0, e) => formula(e, 1, digits),
        (_, Expr::Negative(e)) => operator("−") + &formula(e, 2, digits),
        (_, e) => operator("+") + &formula(e, 2, digits),
    };
    all.iter().enumerate().map(addend).collect()
}

/// A formula, in parentheses if it binds less tightly than `binding`.
fn formula(e: &Expr, binding: u8, digits: usize) -> String {
    let inner = |e: &Expr, binding| formula(e, binding, digits);
    let called = |name: &str, e: &Expr| format!("<mi>{name}</mi>{}", fenced(&formula(e, 1, digits)));
    let (own, text) = match e {
        Expr::Number(v) => {
            let text = value(*v, digits);
            (
                if *v < 0.0 {
                    1
                } else if text.contains("<msup>") {
                    2
                } else {
                    4
                },
                text,
            )
        }
        // A derivative is a fraction, and a superscript should not have another.
        Expr::Of(q) => (if q.symbol.contains(['/', '+', '@', '.']) { 3 } else { 4 }, symbol(&q.symbol)),
        Expr::Negative(e) => (1, row(&format!("<mo form=\"prefix\">−</mo>{}", inner(e, 2)))),
        Expr::Sum(_) => (1, row(&addends(e, digits).concat())),
        Expr::Product(all) => {
            let factor = |(at, e): (usize, &Expr)| inner(e, if at == 0 { 2 } else { 3 });
            (2, row(&all.iter().enumerate().map(factor).collect::<Vec<_>>().join("<mo>·</mo>")))
        }
        // A fraction holds together by itself, but not below an exponent.
        Expr::Ratio(a, b) => (3, format!("<mfrac>{}{}</mfrac>", inner(a, 1), inner(b, 1))),
        Expr::Power(a, b) => (3, format!("<msup>{}{}</msup>", inner(a, 4), inner(b, 1))),
        Expr::Call(function, e) => match function {
            Function::Exp => (3, format!("<msup><mi>e</mi>{}</msup>", inner(e, 1))),
            Function::Sqrt => (4, format!("<msqrt>{}</msqrt>", inner(e, 1))),
            Function::Abs => (4, row(&format!("<mo>|</mo>{}<mo>|</mo>", inner(e, 1)))),
            Function::Sigmoid => (4, row(&called("σ", e))),
            Function::Ln | Function::Tanh | Function::Erf | Function::Sign | Function::Bf16 => {
                (4, row(&called(function.name(), e)))
            }
        },
    };
    if own < binding { fenced(&text) } else { text }
}

/// A matrix equation in pieces between which a line can be broken; names and shapes stand below the matrices.
pub fn equation(parts: &[Part], digits: usize) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut signs = String::new();
    for part in parts {
        match part {
            Part::Sign(sign) => {
                signs += &match sign.as_str() {
                    "*" => operator("·"),
                    "-" => operator("−"),
                    "⊙" | "=" | "+" => operator(sign),
                    "eta" => symbol(sign),
                    other => words(&format!("\u{a0}{other}\u{a0}")),
                }
            }
            Part::Matrix(one) => pieces.push(row(&(std::mem::take(&mut signs) + &matrix(one, digits)))),
        }
    }
    if !signs.is_empty() {
        pieces.push(row(&signs));
    }
    pieces
}

fn matrix(Matrix { symbol, shape: (rows, columns), cells }: &Matrix, digits: usize) -> String {
    let name = escaped(&symbol.replace("delta", "δ").replace("^T", "ᵀ"));
    let shape = format!("{rows} × {columns}");
    if cells.is_empty() {
        return format!("<munder><mi>{name}</mi>{}</munder>", words(&shape));
    }
    let cell = |e: &Expr| format!("<mtd>{}</mtd>", formula(e, 1, digits));
    let line = |line: &[Expr]| format!("<mtr>{}</mtr>", line.iter().map(cell).collect::<String>());
    let body: String = cells.chunks(*columns).map(line).collect();
    // Its brackets are borders: operators stretch only with a font made for mathematics.
    let body = format!("<mtable class=\"bracketed\">{body}</mtable>");
    format!("<munder>{body}{}</munder>", words(&format!("{name}  {shape}")))
}

/// A law.
pub fn law(law: Law) -> String {
    // Layers stand in parentheses above their letter.
    let at = |letter: &str, layer: &str| format!("<msup><mi>{letter}</mi><mtext>({layer})</mtext></msup>");
    let over = |above: &str, below: &str| {
        format!("<mfrac><mrow><mo>∂</mo>{above}</mrow><mrow><mo>∂</mo>{below}</mrow></mfrac>")
    };
    let (e, eq, times) = ("<mi>E</mi>", operator("="), operator("⊙"));
    let slope = |layer: &str| format!("<msup><mi>f</mi><mo>′</mo></msup>{}", fenced(&at("z", layer)));
    let turned = |what: String| format!("<msup>{}<mi>T</mi></msup>", fenced(&what));
    let tag = |text: &str| format!("<mtext>{text}</mtext><mspace width=\"1.5em\"/>");
    row(&match law {
        Law::Forward => format!(
            "{}{eq}{}{}<mo>+</mo>{}<mo>,</mo><mspace width=\"2em\"/>{}{eq}<mi>f</mi>{}",
            at("z", "l"),
            at("W", "l"),
            at("a", "l−1"),
            at("b", "l"),
            at("a", "l"),
            fenced(&at("z", "l"))
        ),
        Law::Bp1 => {
            format!("{}{}{eq}{}{times}{}", tag("BP1"), at("δ", "L"), over(e, &at("a", "L")), slope("L"))
        }
        Law::Bp2 => {
            let carried = fenced(&(turned(at("W", "l+1")) + &at("δ", "l+1")));
            format!("{}{}{eq}{carried}{times}{}", tag("BP2"), at("δ", "l"), slope("l"))
        }
        Law::Gradient => format!(
            "{}{}{eq}{}<mspace width=\"3em\"/>{}{}{eq}{}{}",
            tag("BP3"),
            over(e, &at("b", "l")),
            at("δ", "l"),
            tag("BP4"),
            over(e, &at("W", "l")),
            at("δ", "l"),
            turned(at("a", "l−1"))
        ),
        Law::Path => {
            let [out, net, w] = ["out", "net", "w"].map(|name| format!("<mi>{name}</mi>"));
            let dot = operator("·");
            format!("{}{eq}{}{dot}{}{dot}{}", over(e, &w), over(e, &out), over(&out, &net), over(&net, &w))
        }
        Law::Direction => {
            format!("<mi>d</mi>{eq}<mo form=\"prefix\">−</mo><mi>H</mi>{}", over(e, "<mi>w</mi>"))
        }
        Law::Step => {
            let dot = operator("·");
            format!("<msup><mi>w</mi><mo>+</mo></msup>{eq}<mi>w</mi><mo>+</mo><mi>t</mi>{dot}<mi>d</mi>")
        }
        Law::SoftmaxBp1 => {
            let [ai, aj, zi] = [("a", "i"), ("a", "j"), ("z", "i")]
                .map(|(letter, at)| format!("<msub><mi>{letter}</mi><mi>{at}</mi></msub>"));
            let slope = over(&aj, &zi);
            let same = "<mo>[</mo><mi>i</mi><mo>=</mo><mi>j</mi><mo>]</mo><mo>−</mo>".to_string();
            format!(
                "{}{slope}{eq}{aj}{}<mo>,</mo><mspace width=\"2em\"/><msub><mi>δ</mi><mi>i</mi></msub>{eq}<munder><mo>∑</mo><mi>j</mi></munder>{}{}{slope}",
                tag("BP1"),
                fenced(&(same + &ai)),
                over(e, &aj),
                operator("·")
            )
        }
        Law::Descent => {
            let new = "<msup><mi>w</mi><mo>+</mo></msup>";
            format!("{new}{eq}<mi>w</mi><mo>−</mo><mi>η</mi>{}", over(e, "<mi>w</mi>"))
        }
    })
}
