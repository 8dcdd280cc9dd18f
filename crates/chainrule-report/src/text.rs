use std::borrow::Cow;

/// The text without characters that neither XML nor a terminal should see: control characters other than
/// newline and tab, and the two non-characters at the end of the basic plane.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    let unwanted =
        |c: char| (c.is_control() && c != '\n' && c != '\t') || matches!(c, '\u{fffe}' | '\u{ffff}');
    if text.contains(unwanted) {
        Cow::Owned(text.chars().filter(|&c| !unwanted(c)).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// [`clean`], and on one line: newlines and tabs become spaces.
pub(crate) fn clean_line(text: &str) -> String {
    clean(text).replace(['\n', '\t'], " ")
}

/// At most `limit` characters, the last an ellipsis where some were left out.
pub(crate) fn shorten(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(limit.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// A whole number with its thousands apart: `52,650`.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number with `decimals` decimals, or a dash where there is none (NaN, infinities).
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    if value.is_finite() { format!("{value:.decimals$}") } else { "–".to_owned() }
}

/// The label of an axis tick: plain where that is short, `2.5e-6` where it is not.
pub(crate) fn tick(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || !value.is_finite() {
        return "0".to_owned();
    }
    if (1e-3..1e6).contains(&size) {
        let decimals = if size >= 100.0 { 2 } else { 5 };
        let plain = format!("{value:.decimals$}");
        return plain.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let scientific = format!("{value:.3e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    format!("{}e{exponent}", mantissa.trim_end_matches('0').trim_end_matches('.'))
}

/// A number with at most so many significant digits, as [`tick`] writes it.
pub(crate) fn significant(value: f64, digits: usize) -> String {
    let decimals = digits.saturating_sub(1);
    tick(format!("{value:.decimals$e}").parse().unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(
            ["0", "999", "1,000", "1,234,567"].map(String::from),
            [0, 999, 1000, 1_234_567].map(grouped)
        );
        assert_eq!(fixed(0.5, 3), "0.500");
        assert_eq!(fixed(f64::NAN, 3), "–");
        for (value, text) in [
            (0.0, "0"),
            (0.05, "0.05"),
            (250.0, "250"),
            (2.5e-6, "2.5e-6"),
            (1e9, "1e9"),
            (-0.5, "-0.5"),
            (100.0, "100"),
        ] {
            assert_eq!(tick(value), text);
        }
        assert_eq!(
            (significant(0.012345, 3), significant(1.0 / 3e6, 3)),
            ("0.0123".into(), "3.33e-7".into())
        );
    }

    #[test]
    fn cleaning() {
        assert_eq!(clean("a\u{0}b\u{1b}[31mc\n"), "ab[31mc\n");
        assert_eq!(clean_line("a\tb\nc"), "a b c");
        assert_eq!(shorten("abcdef", 4), "abc…");
    }
}
