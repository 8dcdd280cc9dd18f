//! Runs a check at every SIMD level, one after another: the level is the whole process's.

use chainrule_kernels::simd::{ENVIRONMENT, Level};
use std::sync::Mutex;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The levels of this CPU, or the one that the environment names.
pub fn levels() -> Vec<Level> {
    let asked = std::env::var(ENVIRONMENT).ok();
    let asked = asked.map(|name| Level::from_name(&name).unwrap_or_else(|| panic!("no level {name}")));
    let levels: Vec<Level> = Level::ALL
        .into_iter()
        .filter(|level| level.is_available() && asked.is_none_or(|a| a == *level))
        .collect();
    assert!(!levels.is_empty(), "this CPU does not have {asked:?}");
    levels
}

/// Calls `check` at each of [`levels`].
pub fn at_every_level(mut check: impl FnMut(Level)) {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for level in levels() {
        assert!(Level::set(level));
        check(level);
    }
}
