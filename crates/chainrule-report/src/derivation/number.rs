//! Numbers as a derivation shows them.

/// `value` to `digits` decimals, fewer for large numbers; scientific where that would lose most digits. Trailing zeros
/// are left out.
pub fn number(value: f64, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".into() } else { value.to_string() };
    }
    let magnitude = value.abs().log10().floor();
    let small = (3 - digits as i32).min(-2);
    if magnitude < f64::from(small) || magnitude >= 9.0 {
        let text = format!("{value:.*e}", digits.saturating_sub(1));
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}e{exponent}", trimmed(mantissa));
    }
    let decimals = digits.saturating_sub(magnitude.max(0.0) as usize);
    let text = format!("{value:.decimals$}");
    trimmed(&text).to_string()
}

fn trimmed(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn digits_are_those_of_the_worked_example() {
        for (value, text) in [
            (0.3775, "0.3775"),
            (1.105_905_967_06, "1.105905967"),
            (0.000_438_567_72, "0.000438568"),
            (-0.019_049_118_258, "-0.019049118"),
            (0.511_301_270_012, "0.51130127"),
            (3.510_187_78e-7, "3.51018778e-7"),
            (123_456.789_012_34, "123456.789"),
            (2e12, "2e12"),
            (0.0, "0"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(number(value, 9), text);
        }
        assert_eq!(number(0.5, 3), "0.5");
        assert_eq!(number(0.25, 1), "0.2");
        assert_eq!(number(0.004_32, 3), "4.32e-3");
    }
}
