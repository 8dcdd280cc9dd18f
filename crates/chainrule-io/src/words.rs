//! Small helpers for messages.

/// The candidate nearest to `word`, if it is near enough to be a slip of the keys.
pub(crate) fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count().max(word.len()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// `a, b, c`, at most `limit` of them, then how many were left off.
pub(crate) fn list<S: AsRef<str>>(items: &[S], limit: usize) -> String {
    let mut text = items.iter().take(limit).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    if items.len() > limit {
        text += &format!(" and {} more", items.len() - limit);
    }
    text
}

/// `'text'`, shortened so that a garbled file cannot flood a message.
pub(crate) fn quoted(text: &str) -> String {
    const LIMIT: usize = 40;
    if text.chars().count() <= LIMIT {
        return format!("'{}'", text.escape_debug());
    }
    let head: String = text.chars().take(LIMIT).collect();
    format!("'{}...' ({} characters)", head.escape_debug(), text.chars().count())
}

/// `1 row`, `2 rows`.
pub(crate) fn count(number: usize, singular: &str) -> String {
    let plural = if singular.ends_with('s') { "es" } else { "s" };
    if number == 1 { format!("1 {singular}") } else { format!("{number} {singular}{plural}") }
}

/// Names sorted by value if all are numbers, by letters otherwise; doubles removed.
pub(crate) fn sorted_names(mut names: Vec<String>) -> Vec<String> {
    let numeric = names.iter().all(|name| name.parse::<f64>().is_ok_and(f64::is_finite));
    if numeric {
        let value = |name: &String| name.parse::<f64>().unwrap_or(0.0);
        names.sort_by(|a, b| value(a).total_cmp(&value(b)).then_with(|| a.cmp(b)));
    } else {
        names.sort();
    }
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised() {
        assert_eq!(closest("digitz", ["digits", "mnist"]), Some("digits"));
        assert_eq!(closest("MNIST", ["digits", "mnist"]), Some("mnist"));
        assert_eq!(closest("zebra", ["digits", "mnist"]), None);
    }

    #[test]
    fn distance_is_symmetric_and_counts_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("sitting", "kitten"), 3);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn names_sort_by_value_or_letters() {
        let names = |list: &[&str]| sorted_names(list.iter().map(ToString::to_string).collect());
        assert_eq!(names(&["10", "9", "9"]), ["9", "10"]);
        assert_eq!(names(&["b", "10", "9"]), ["10", "9", "b"]);
    }

    #[test]
    fn long_text_is_shortened() {
        assert_eq!(quoted("a\nb"), "'a\\nb'");
        assert!(quoted(&"x".repeat(1000)).len() < 80);
        assert_eq!(list(&["a", "b", "c"], 2), "a, b and 1 more");
        assert_eq!(count(2, "class"), "2 classes");
    }
}
