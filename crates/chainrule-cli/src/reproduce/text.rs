//! Texts with figures in them: `{test_accuracy:%}`, `{mazur-sequential/total_loss@step1}`.

use anyhow::{Result, bail};
use chainrule::recipe::OverSeeds;

use super::metric::{Moment, Wanted};
use super::verdict::over_seeds;

/// A text whose places are filled with what was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Text(Vec<Piece>);

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Words(String),
    Place(Place),
}

/// A place: what stands there, for which of the seeds, and in which form.
#[derive(Clone, Debug, PartialEq)]
struct Place {
    what: What,
    /// All of them, or the one that stands for them.
    over: Option<OverSeeds>,
    form: Form,
}

#[derive(Clone, Debug, PartialEq)]
enum What {
    Ours,
    Published,
    Seeds,
    SeedsBelow(f64),
    /// Of the recipe itself, or of another.
    Measured(Option<String>, Wanted),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Shortest,
    Percent,
    Decimals(usize),
}

/// What a text is filled from.
pub struct Known<'a> {
    /// The figure's values, one per seed.
    pub values: &'a [f64],
    /// The one compared.
    pub ours: f64,
    /// What it is compared with.
    pub published: Option<f64>,
    /// One value per seed of a recipe (none: this one).
    pub measured: &'a dyn Fn(Option<&str>, &Wanted) -> Vec<f64>,
}

impl Text {
    /// Reads a text; its places must be known, and there must be one: a bare assertion explains nothing.
    ///
    /// # Errors
    /// Names the place.
    pub fn parse(text: &str) -> Result<Self> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((words, after)) = rest.split_once('{') {
            let Some((place, after)) = after.split_once('}') else {
                bail!("'{text}': a '{{' without its '}}'");
            };
            pieces.push(Piece::Words(words.into()));
            pieces.push(Piece::Place(Place::parse(place)?));
            rest = after;
        }
        if pieces.is_empty() {
            bail!("'{text}': expected something measured, as in {{ours}} or {{test_accuracy:%}}, found none");
        }
        pieces.push(Piece::Words(rest.into()));
        Ok(Self(pieces))
    }

    /// What has to be measured for it: of which recipe (none: its own), what.
    pub fn wanted(&self) -> impl Iterator<Item = (Option<&str>, &Wanted)> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Place(Place { what: What::Measured(recipe, wanted), .. }) => {
                Some((recipe.as_deref(), wanted))
            }
            _ => None,
        })
    }

    /// The text with its places filled.
    pub fn fill(&self, known: &Known) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Words(words) => words.clone(),
            Piece::Place(place) => place.fill(known),
        };
        self.0.iter().map(piece).collect()
    }
}

impl Place {
    fn parse(text: &str) -> Result<Self> {
        let (what, form) = text.split_once(':').unwrap_or((text, ""));
        let stands =
            [("each", None), ("min", Some(OverSeeds::Min)), ("max", Some(OverSeeds::Max))].into_iter();
        let (over, form) = stands
            .filter_map(|(name, over)| Some((over, form.strip_prefix(name)?)))
            .next()
            .unwrap_or((Some(OverSeeds::Median), form));
        let form = match (form, form.strip_prefix('.').map(str::parse)) {
            ("", _) => Form::Shortest,
            ("%", _) => Form::Percent,
            (_, Some(Ok(decimals @ 0..=20))) => Form::Decimals(decimals),
            _ => bail!("'{{{text}}}': expected a form of [each|min|max][%|.N], found '{form}'"),
        };
        let what = match (what, what.strip_prefix("seeds_below_").map(str::parse)) {
            ("ours", _) => What::Ours,
            ("published", _) => What::Published,
            ("seeds", _) => What::Seeds,
            (_, Some(Ok(bound))) => What::SeedsBelow(bound),
            _ => {
                let (recipe, metric) = match what.split_once('/') {
                    Some((recipe, metric)) => (Some(recipe.to_string()), metric),
                    None => (None, what),
                };
                What::Measured(recipe, Wanted::parse(metric, Moment::End)?)
            }
        };
        Ok(Self { what, over, form })
    }

    fn fill(&self, known: &Known) -> String {
        let values = match &self.what {
            What::Ours if self.over == Some(OverSeeds::Median) => vec![known.ours],
            What::Ours => known.values.to_vec(),
            What::Published => vec![known.published.unwrap_or(f64::NAN)],
            What::Seeds => vec![known.values.len() as f64],
            What::SeedsBelow(bound) => {
                vec![known.values.iter().filter(|&value| value < bound).count() as f64]
            }
            What::Measured(recipe, wanted) => (known.measured)(recipe.as_deref(), wanted),
        };
        let shown = match self.over {
            Some(over) => vec![over_seeds(&values, over)],
            None => values,
        };
        shown.into_iter().map(|value| self.form.show(value)).collect::<Vec<_>>().join(", ")
    }
}

impl Form {
    fn show(self, value: f64) -> String {
        match self {
            Self::Shortest => number(value),
            Self::Percent => format!("{:.2} %", 100.0 * value),
            Self::Decimals(decimals) => format!("{value:.decimals$}"),
        }
    }
}

/// A number as short as its reader needs: counts whole, others to nine digits, small ones scientific.
pub fn number(value: f64) -> String {
    if value == value.trunc() && value.abs() < 1e15 {
        return format!("{value}");
    }
    if !value.is_finite() || value.abs() < 1e-5 || value.abs() >= 1e9 {
        let text = format!("{value:.8e}");
        let Some((digits, exponent)) = text.split_once('e') else { return text };
        return format!("{}e{exponent}", digits.trim_end_matches('0').trim_end_matches('.'));
    }
    format!("{value:.9}").trim_end_matches('0').trim_end_matches('.').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &str) -> String {
        let measured = |recipe: Option<&str>, _: &Wanted| match recipe {
            None => vec![0.25, 0.75, 0.5],
            Some(_) => vec![35.0],
        };
        let values = [0.1, 0.9, 0.3];
        let known = Known { values: &values, ours: 0.3, published: Some(0.98), measured: &measured };
        Text::parse(text).unwrap().fill(&known)
    }

    #[test]
    fn places_are_filled() {
        assert_eq!(fill("{ours} beside {published:%}"), "0.3 beside 98.00 %");
        assert_eq!(fill("{seeds_below_0.5} of {seeds} seeds"), "2 of 3 seeds");
        assert_eq!(fill("{test_accuracy:%} in {test_accuracy:each.1}"), "50.00 % in 0.2, 0.8, 0.5");
        assert_eq!(fill("{xor/total_loss@3} {test_loss:min} {ours:max}"), "35 0.25 0.9");
    }

    #[test]
    fn bare_assertions_and_unknown_places_are_refused() {
        for text in ["because", "{nothing}", "{ours", "{ours:x}", "{train_loss@step3}"] {
            assert!(Text::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(number(1135.0), "1135");
        assert_eq!(number(0.29102777369359933), "0.291027774");
        assert_eq!(number(3.510187782978859e-6), "3.51018778e-6");
        assert_eq!(number(0.5), "0.5");
    }
}
