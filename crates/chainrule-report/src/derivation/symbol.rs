//! Symbols taken apart, so that LaTeX and MathML can set them: `dE_o1/dout_h1`, `w5+`, `net_h[1,2]@3`.

/// A symbol's parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Symbol {
    /// A derivative: of what, by what, and the unit it comes through.
    Derivative(Box<Name>, Box<Name>, Option<Name>),
    /// A plain name.
    Name(Name),
    /// A dot product of two vectors: `s3.y3`.
    Dot(Box<Name>, Box<Name>),
    /// Words: what is no symbol.
    Words(String),
}

/// A name with its marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// `net`, `w`, `delta`, `E`
    pub stem: String,
    /// `h1`, `5`, `1,2,3`; may be empty.
    pub index: String,
    /// After the update.
    pub new: bool,
    /// Sample of the batch, from 1; empty without.
    pub sample: String,
}

/// Takes a symbol apart.
pub fn parse(symbol: &str) -> Symbol {
    if symbol.contains([' ', '\u{a0}']) {
        return Symbol::Words(symbol.to_string());
    }
    if let Some((above, below)) = symbol.split_once('/')
        && let (Some(above), Some(below)) = (above.strip_prefix('d'), below.strip_prefix('d'))
    {
        let (below, sample) = split_sample(below);
        let (below, through) = match below.split_once('|') {
            Some((below, through)) => (below, Some(name(through))),
            None => (below, None),
        };
        let mut above = name(above);
        above.sample = sample;
        return Symbol::Derivative(Box::new(above), Box::new(name(below)), through);
    }
    if let Some((a, b)) = symbol.split_once('.') {
        return Symbol::Dot(Box::new(name(a)), Box::new(name(b)));
    }
    Symbol::Name(name(symbol))
}

fn split_sample(text: &str) -> (&str, String) {
    text.split_once('@').map_or((text, String::new()), |(text, sample)| (text, sample.to_string()))
}

fn name(text: &str) -> Name {
    let (text, sample) = split_sample(text);
    let new = text.ends_with('+');
    let text = text.trim_end_matches('+');
    let (stem, index) = match text.split_once('_') {
        Some((stem, index)) => {
            // q3_w5: of the third pair
            let letters = stem.trim_end_matches(|c: char| c.is_ascii_digit());
            let (letters, pair) = stem.split_at(letters.len());
            let index = plain_index(index);
            let index = if pair.is_empty() { index } else { format!("{pair},{index}") };
            return Name { stem: letters.to_string(), index, new, sample };
        }
        None => {
            // w5, b2, i1, l2, beta1, w[1,2,3]
            let at = text.find(|c: char| c.is_ascii_digit() || c == '[').filter(|&at| at > 0);
            at.map_or((text, ""), |at| text.split_at(at))
        }
    };
    Name { stem: stem.to_string(), index: plain_index(index), new, sample }
}

/// `h[1,2]` is written h 1,2 below the line.
fn plain_index(index: &str) -> String {
    index.replace(['[', ']'], "")
}

/// The Greek letter of a stem, as LaTeX names it and as a character.
pub fn greek(stem: &str) -> Option<(&'static str, char)> {
    Some(match stem {
        "alpha" => ("\\alpha", 'α'),
        "beta" => ("\\beta", 'β'),
        "delta" => ("\\delta", 'δ'),
        "eta" => ("\\eta", 'η'),
        "gamma" => ("\\gamma", 'γ'),
        "mu" => ("\\mu", 'μ'),
        "rho" => ("\\rho", 'ρ'),
        "eps" => ("\\epsilon", 'ϵ'),
        "sigma" => ("\\sigma", 'σ'),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_come_apart() {
        let plain = |stem: &str, index: &str| Name {
            stem: stem.into(),
            index: index.into(),
            new: false,
            sample: String::new(),
        };
        assert_eq!(parse("net_h1"), Symbol::Name(plain("net", "h1")));
        assert_eq!(parse("w[2,1,3]"), Symbol::Name(plain("w", "2,1,3")));
        assert_eq!(parse("eta"), Symbol::Name(plain("eta", "")));
        assert_eq!(parse("q3_w5"), Symbol::Name(plain("q", "3,w5")));
        assert_eq!(parse("rho2"), Symbol::Name(plain("rho", "2")));
        assert_eq!(parse("s2.q"), Symbol::Dot(Box::new(plain("s", "2")), Box::new(plain("q", ""))));
        assert_eq!(parse("w5+"), Symbol::Name(Name { new: true, ..plain("w", "5") }));
        let out = Name { sample: "2".into(), new: true, ..plain("out", "h1,2") };
        assert_eq!(parse("out_h[1,2]+@2"), Symbol::Name(out));
        let of = |above, below, through| Symbol::Derivative(Box::new(above), Box::new(below), through);
        assert_eq!(parse("dE_o1/dout_h1"), of(plain("E", "o1"), plain("out", "h1"), None));
        let above = Name { sample: "3".into(), ..plain("E", "") };
        assert_eq!(parse("dE/dout_h1|o2@3"), of(above, plain("out", "h1"), Some(plain("o", "2"))));
        assert_eq!(parse("776\u{a0}others"), Symbol::Words("776\u{a0}others".into()));
    }
}
