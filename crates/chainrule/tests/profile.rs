//! Where the time of a run goes: laps without gaps, and the same bits as without them.

mod common;

use std::cell::Cell;

use chainrule::observer::Silent;
use chainrule::plan::{Kernel, Way};
use chainrule::profile::Part;
use chainrule::train::Trainer;
use chainrule::{Dataset, Real};
use common::{bits, blobs, settings, trainer};

thread_local! {
    static LOOKS: Cell<u64> = const { Cell::new(0) };
}

/// A clock that goes on by a microsecond at every look: time counts looks.
fn looks() -> u64 {
    LOOKS.set(LOOKS.get() + 1);
    1000 * LOOKS.get()
}

/// A clock on which looking takes no time: every tenth look goes on.
fn coarse() -> u64 {
    LOOKS.set(LOOKS.get() + 1);
    LOOKS.get() / 10 * 1000
}

fn run<'d, T: Real>(text: &str, data: &'d Dataset, clock: Option<fn() -> u64>) -> Trainer<'d, T> {
    let mut trainer = trainer::<T>(&settings(text), data);
    if let Some(clock) = clock {
        trainer.profile_by(clock);
    }
    trainer.run(&mut Silent).unwrap();
    trainer
}

const FIVE_CALLS: &str = "hidden = [20, 8]\nbatch_size = 16\nepochs = 3";
const IN_PLACE: &str =
    "hidden = [20, 8]\nactivation = \"gelu\"\noptimizer = \"sgd\"\nbatch_size = 16\nepochs = 3";
const WHOLE: &str = "hidden = [20, 8]\noptimizer = \"sgd\"\nbatch_size = 16\nepochs = 20";

#[test]
fn no_bit_depends_on_being_watched() {
    let data = blobs(150, 12, 3, 1);
    for (text, way) in [(FIVE_CALLS, Way::FiveCalls), (IN_PLACE, Way::InPlace), (WHOLE, Way::WholeSteps)] {
        let (plain, watched) = (run::<f32>(text, &data, None), run::<f32>(text, &data, Some(looks)));
        assert_eq!(plain.plan().way, way);
        assert!(plain.profile().is_none());
        assert_eq!(bits(plain.params()), bits(watched.params()), "{way:?}");
        assert_eq!(plain.progress(), watched.progress(), "{way:?}");
    }
}

#[test]
fn every_call_of_a_step_is_a_lap() {
    let data = blobs(150, 12, 3, 1);
    let trainer = run::<f32>(FIVE_CALLS, &data, Some(coarse));
    let profile = trainer.profile().unwrap();
    let steps = 3.0 * 10.0;
    let parts = [Part::Gather, Part::Loss, Part::Update, Part::Count, Part::Check]
        .into_iter()
        .chain((0..3).map(Part::Forward))
        .chain((0..3).map(Part::Gradient))
        .chain((1..3).map(Part::CarryBack));
    // A look in ten goes on by a microsecond; whose turn that is moves from step to step.
    let total: f64 = parts.clone().map(|part| profile.seconds(part)).sum();
    assert!((total - 1e-7 * 13.0 * steps).abs() <= 1e-7 * 2.0 * steps, "{total}");
    for part in parts {
        assert!(profile.seconds(part) > 0.0, "{part:?}");
    }
    assert_eq!(profile.seconds(Part::CarryBack(0)), 0.0, "nothing is carried to the inputs");
    assert_eq!(profile.seconds(Part::WholeSteps), 0.0);
}

#[test]
fn rows_hold_all_the_time_and_the_plans_shares() {
    let data = blobs(150, 12, 3, 1);
    for text in [FIVE_CALLS, IN_PLACE, WHOLE] {
        let trainer = run::<f32>(text, &data, Some(coarse));
        let profile = trainer.profile().unwrap();
        let rows = profile.rows(trainer.plan());
        let sum = |of: fn(&chainrule::profile::Row) -> f64| rows.iter().map(of).sum::<f64>();
        let total = profile.total();
        assert!(total > 0.0 && (sum(|row| row.seconds) - total).abs() <= 1e-9 * total, "{rows:#?}");
        let [predicted, measured] =
            [sum(|row| row.predicted_share.unwrap_or(0.0)), sum(|row| row.measured_share.unwrap_or(0.0))];
        assert!((predicted - 1.0).abs() <= 1e-9, "{predicted}: {rows:#?}");
        assert!((measured - 1.0).abs() <= 1e-9, "{measured}: {rows:#?}");
    }
}

/// Behind a ReLU zeros may be left out, where the product is wide enough, and nowhere else.
#[test]
fn plans_name_the_layers_that_leave_zeros_out() {
    let data = blobs(150, 12, 3, 1);
    for (activation, second) in [("relu", Kernel::TilesOrLists), ("tanh", Kernel::Tiles)] {
        let text = format!(
            "hidden = [64, 64]\nactivation = \"{activation}\"\noptimizer = \"adam\"\nbatch_size = 32\nepochs = 1"
        );
        let trainer = run::<f32>(&text, &data, None);
        let kernels: Vec<Kernel> = trainer.plan().layers.iter().map(|layer| layer.kernel).collect();
        assert_eq!(kernels, [Kernel::Tiles, second, Kernel::Tiles], "{activation}");
    }
}

#[test]
fn f64_and_lbfgs_are_measured_too() {
    let data = blobs(60, 6, 3, 2);
    let text = "hidden = [5]\noptimizer = \"lbfgs\"\nbatch_size = \"full\"\nepochs = 4";
    let trainer = run::<f64>(text, &data, Some(looks));
    let profile = trainer.profile().unwrap();
    // On this clock every lap is a look, which is no time of a part.
    assert!(profile.seconds(Part::Clock) > 0.0);
    assert_eq!(profile.total(), profile.seconds(Part::Clock));
}
