//! What is varied: lists and ranges of settings, and the combinations made of them.

use anyhow::{Result, bail};
use chainrule::rng::{Rng, Stream, below, stream};

/// More combinations than this are taken for a slip.
const MOST: usize = 10_000;
/// Settings that are whole numbers.
const WHOLE: [&str; 7] = ["hidden", "batch_size", "epochs", "steps", "early_stopping", "limit", "seed"];

/// A setting, or several that vary together, and its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Names of the settings, `init` and `bias_init` of `init+bias_init`.
    pub keys: Vec<String>,
    /// Their values.
    pub choices: Choices,
}

/// The values of an axis.
#[derive(Clone, Debug, PartialEq)]
pub enum Choices {
    /// These, as text.
    List(Vec<String>),
    /// All numbers between two.
    Range {
        /// Whether equal ratios are equally likely, instead of equal differences.
        log: bool,
        /// Lowest.
        low: f64,
        /// Highest.
        high: f64,
        /// Whether only whole numbers count.
        whole: bool,
    },
}

/// One combination: `key=value` for each setting that varies.
pub type Combination = Vec<(String, String)>;

/// How combinations are made of axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// All of them, with so many values of each range.
    Grid(usize),
    /// So many drawn at random.
    Random(usize),
}

impl Axis {
    /// Reads `KEY=VALUE,VALUE…`, `KEY=log(LOW,HIGH)` or `KEY=linear(LOW,HIGH)`.
    pub fn parse(text: &str) -> Result<Self> {
        let Some((keys, values)) = text.split_once('=') else {
            bail!(
                "--vary {text}: expected KEY=VALUE,VALUE…, found no '=' (for example: learning_rate=0.01,0.1)"
            );
        };
        let keys: Vec<String> = keys.split('+').map(|key| key.trim().replace('-', "_")).collect();
        if keys.iter().any(String::is_empty) {
            bail!("--vary {text}: expected the name of a setting before '=', found none");
        }
        let values = split(values);
        if values.iter().any(String::is_empty) {
            bail!("--vary {text}: expected values separated by commas, found an empty one");
        }
        let whole = keys.iter().all(|key| WHOLE.contains(&key.as_str()));
        let range = values.first().filter(|_| values.len() == 1).and_then(|value| range(value));
        let choices = match range {
            None => Choices::List(values),
            Some((log, bounds)) => match bounds {
                Some((low, high)) if low < high && (low > 0.0 || !log) => {
                    Choices::Range { log, low, high, whole }
                }
                _ => bail!(
                    "--vary {text}: expected a range of two numbers, the lower first{}, found '{}' \
                     (for example: learning_rate=log(1e-4,1))",
                    if log { " and above 0" } else { "" },
                    values[0]
                ),
            },
        };
        Ok(Self { keys, choices })
    }

    /// Whether it is a range.
    pub fn is_range(&self) -> bool {
        matches!(self.choices, Choices::Range { .. })
    }

    /// The values of a grid with `points` of a range.
    fn grid(&self, points: usize) -> Vec<String> {
        match &self.choices {
            Choices::List(values) => values.clone(),
            Choices::Range { .. } => {
                let share = |i: usize| i as f64 / (points - 1).max(1) as f64;
                let mut values: Vec<String> = (0..points).map(|i| self.at(share(i))).collect();
                values.dedup();
                values
            }
        }
    }

    fn draw(&self, rng: &mut Rng) -> String {
        match &self.choices {
            Choices::List(values) => values[below(values.len(), rng)].clone(),
            Choices::Range { .. } => self.at(below(1 << 53, rng) as f64 / (1u64 << 53) as f64),
        }
    }

    /// The value of a range at a share of its length, with three digits: more would say nothing.
    fn at(&self, share: f64) -> String {
        let &Choices::Range { log, low, high, whole } = &self.choices else { return String::new() };
        let value = if log { low * (high / low).powf(share) } else { low + share * (high - low) };
        if whole {
            return format!("{}", value.round());
        }
        let short = format!("{value:.2e}").parse().unwrap_or(value);
        let short: f64 = f64::clamp(short, low, high);
        if short != 0.0 && short.abs() < 1e-4 { format!("{short:e}") } else { short.to_string() }
    }

    fn settings(&self, value: &str) -> impl Iterator<Item = (String, String)> {
        self.keys.iter().map(move |key| (key.clone(), value.to_string()))
    }
}

/// All combinations to run, each once, in the order of the lists or of the draws.
pub fn combinations(axes: &[Axis], search: Search, seed: u64) -> Result<Vec<Combination>> {
    let mut keys: Vec<&String> = axes.iter().flat_map(|axis| &axis.keys).collect();
    keys.sort();
    if let Some(twice) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
        bail!("--vary {}: expected each setting once, found it twice", twice[0]);
    }
    let mut all: Vec<Combination> = vec![Vec::new()];
    match search {
        Search::Grid(points) => {
            for axis in axes {
                let values = axis.grid(points);
                if all.len().saturating_mul(values.len()) > MOST {
                    bail!(
                        "--vary: expected at most {MOST} combinations, found more (--trials N draws some of them)"
                    );
                }
                let longer = |start: &Combination| -> Vec<Combination> {
                    values
                        .iter()
                        .map(|value| start.iter().cloned().chain(axis.settings(value)).collect())
                        .collect()
                };
                all = all.iter().flat_map(longer).collect();
            }
        }
        Search::Random(trials) => {
            let mut rng = stream(seed, Stream::Search);
            let draw = |_| {
                axes.iter().flat_map(|axis| axis.settings(&axis.draw(&mut rng)).collect::<Vec<_>>()).collect()
            };
            all = (0..trials).map(draw).collect();
        }
    }
    let mut seen = std::collections::HashSet::new();
    all.retain(|combination| seen.insert(combination.clone()));
    Ok(all)
}

/// `init=normal, learning_rate=0.1`; settings that vary together have their value once.
pub fn label(combination: &[(String, String)], axes: &[Axis]) -> String {
    let value =
        |axis: &Axis| combination.iter().find(|(key, _)| *key == axis.keys[0]).map(|(_, v)| v.as_str());
    let part = |axis: &Axis| Some(format!("{}={}", axis.keys.join("+"), value(axis)?));
    let parts: Vec<String> = axes.iter().filter_map(part).collect();
    if parts.is_empty() { "as given".into() } else { parts.join(", ") }
}

/// Commas inside brackets and quotes separate nothing.
fn split(text: &str) -> Vec<String> {
    let (mut depth, mut quoted) = (0usize, false);
    let parts = text.split(|c| {
        match c {
            '"' => quoted = !quoted,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0 && !quoted
    });
    parts.map(|part| part.trim().to_string()).collect()
}

/// Whether it is logarithmic, and its bounds if they are two numbers; nothing if `text` is no range.
#[allow(clippy::option_option)]
fn range(text: &str) -> Option<(bool, Option<(f64, f64)>)> {
    let (name, rest) = text.split_once('(')?;
    let log = match name.trim() {
        "log" => true,
        "linear" => false,
        _ => return None,
    };
    let bounds = rest.strip_suffix(')').and_then(|inside| inside.split_once(','));
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|v| v.is_finite());
    Some((log, bounds.and_then(|(low, high)| Some((number(low)?, number(high)?)))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes(texts: &[&str]) -> Vec<Axis> {
        texts.iter().map(|text| Axis::parse(text).unwrap()).collect()
    }

    #[test]
    fn lists_make_a_grid_and_brackets_hold_together() {
        let axes = axes(&["init+bias_init=uniform(0, 1),ones", "hidden=[16],[32,16]"]);
        let all = combinations(&axes, Search::Grid(3), 0).unwrap();
        let labels: Vec<String> = all.iter().map(|c| label(c, &axes)).collect();
        assert_eq!(
            labels,
            [
                "init+bias_init=uniform(0, 1), hidden=[16]",
                "init+bias_init=uniform(0, 1), hidden=[32,16]",
                "init+bias_init=ones, hidden=[16]",
                "init+bias_init=ones, hidden=[32,16]"
            ]
        );
        assert_eq!(all[0][1], ("bias_init".into(), "uniform(0, 1)".into()));
    }

    #[test]
    fn ranges_are_searched_by_grid_or_at_random() {
        let axes = axes(&["learning_rate=log(1e-4,1)", "hidden=log(8,64)", "dropout=linear(0,0.5)"]);
        let grid = combinations(&axes, Search::Grid(3), 0).unwrap();
        assert_eq!(grid.len(), 27);
        let of = |at: usize| grid[at].iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>();
        assert_eq!(
            (of(0), of(13), of(26)),
            (vec!["0.0001", "8", "0"], vec!["0.01", "23", "0.25"], vec!["1", "64", "0.5"])
        );
        let random = combinations(&axes, Search::Random(200), 7).unwrap();
        assert!(random.len() > 190 && random == combinations(&axes, Search::Random(200), 7).unwrap());
        assert_ne!(random, combinations(&axes, Search::Random(200), 8).unwrap());
        let rates: Vec<f64> = random.iter().map(|c| c[0].1.parse().unwrap()).collect();
        assert!(rates.iter().all(|rate| (1e-4..=1.0).contains(rate)));
        // Logarithmic: as many below 0.01 as above.
        let below = rates.iter().filter(|rate| **rate < 0.01).count();
        assert!((70..130).contains(&below), "{below}");
        assert!(random.iter().all(|c| c[1].1.parse::<u32>().is_ok()));
    }

    #[test]
    fn slips_are_named() {
        for (text, part) in [
            ("init", "no '='"),
            ("=1", "name of a setting"),
            ("init=a,,b", "an empty one"),
            ("learning_rate=log(0,1)", "above 0"),
            ("learning_rate=log(1)", "two numbers"),
            ("learning_rate=linear(2,1)", "lower first"),
        ] {
            let error = Axis::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let twice = axes(&["l2=0,1", "l1+l2=0,1"]);
        assert!(combinations(&twice, Search::Grid(3), 0).unwrap_err().to_string().contains("twice"));
    }
}
