//! Text as a terminal shows it.

use std::io::IsTerminal;

use console::{Term, measure_text_width};

/// Columns assumed where the width is not known: a pipe or a file.
const USUAL_WIDTH: usize = 100;

/// Width of the terminal that shows stdout; elsewhere what `COLUMNS` says, or a usual page.
pub fn width() -> usize {
    let terminal = Term::stdout().size_checked().map(|(_, columns)| usize::from(columns));
    let asked = || std::env::var("COLUMNS").ok()?.parse().ok();
    terminal.or_else(asked).unwrap_or(USUAL_WIDTH).max(20)
}

/// Whether stdout shows colours: a terminal, and nobody asked for none.
pub fn has_colour() -> bool {
    let stdout = std::io::stdout();
    stdout.is_terminal() && anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never
}

/// Rows of `name  value`, the values below each other, wrapped at `width` columns.
pub fn pairs(rows: &[(String, String)], width: usize) -> String {
    use owo_colors::OwoColorize;
    let names = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in rows {
        let indent = " ".repeat(names + 2);
        let gap = " ".repeat(names + 2 - name.chars().count());
        let words = one_line(value);
        let lines = wrapped(words.split(' '), width.saturating_sub(names + 2).max(20));
        text += &format!("{}{gap}{}\n", name.bold(), lines.join(&format!("\n{indent}")));
    }
    text
}

/// Words joined to lines of at most `width` columns; a longer word has a line of its own.
pub fn wrapped<S: AsRef<str>>(words: impl IntoIterator<Item = S>, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut used = 0;
    for word in words {
        let (word, length) = (word.as_ref(), measure_text_width(word.as_ref()));
        match lines.last_mut().filter(|_| used + 1 + length <= width) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
                used += 1 + length;
            }
            None => {
                lines.push(word.to_string());
                used = length;
            }
        }
    }
    lines
}

/// Names come from people's files: what would move the cursor or break a line is dropped.
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| !c.is_control()).collect()
}

/// At most `limit` characters, the last an ellipsis where some were left out.
pub fn shortened(text: &str, limit: usize) -> String {
    let text = one_line(text);
    if text.chars().count() <= limit {
        return text;
    }
    text.chars().take(limit.saturating_sub(1)).chain(['…']).collect()
}

/// `a, 'b, c', d`, at most `limit` of them, then how many were left out.
pub fn list<S: AsRef<str>>(items: &[S], limit: usize) -> String {
    let item = |item: &S| {
        let text = shortened(item.as_ref(), 40);
        if text.is_empty() || text.contains(',') { format!("'{text}'") } else { text }
    };
    let shown: Vec<String> = items.iter().take(limit).map(item).collect();
    let more = items.len().saturating_sub(limit);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

/// `12,345`
pub fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", if value.is_finite() { value.max(0.0) } else { 0.0 });
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 sample`, `1,934 samples`.
pub fn count(number: usize, singular: &str) -> String {
    let plural = match (number, singular.ends_with('s')) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{} {singular}{plural}", thousands(number as f64))
}

/// A figure with six significant digits.
pub fn figure(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let magnitude = value.abs().log10().floor();
    if !(-5.0..9.0).contains(&magnitude) {
        return format!("{value:.5e}");
    }
    let decimals = (5.0 - magnitude).max(0.0) as usize;
    let text = format!("{value:.decimals$}");
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// `28 × 28 = 784`, or `4`: the inputs of a sample.
pub fn shape(shape: &[usize]) -> String {
    let sides: Vec<String> = shape.iter().map(ToString::to_string).collect();
    if shape.len() < 2 {
        return sides.join("");
    }
    format!("{} = {}", sides.join(" × "), thousands(shape.iter().product::<usize>() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_six_digits() {
        for (value, text) in [
            (0.0, "0"),
            (0.5, "0.5"),
            (1234.5678, "1234.57"),
            (0.000_123_456_789, "0.000123457"),
            (1e-9, "1.00000e-9"),
            (-2.0, "-2"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(figure(value), text);
        }
    }

    #[test]
    fn text_is_wrapped_and_made_safe() {
        assert_eq!(wrapped("a bb ccc dddd".split(' '), 4), ["a bb", "ccc", "dddd"]);
        assert_eq!(wrapped("abcdef g".split(' '), 3), ["abcdef", "g"]);
        assert_eq!(one_line("a\x1b[31m\nb"), "a[31m b");
        assert_eq!(shortened("abcdef", 4), "abc…");
        assert_eq!(list(&["a", "b,", "c"], 2), "a, 'b,' and 1 more");
        assert_eq!((count(1, "class"), count(1934, "sample")), ("1 class".into(), "1,934 samples".into()));
        assert_eq!((shape(&[28, 28]), shape(&[4])), ("28 × 28 = 784".into(), "4".into()));
    }
}
