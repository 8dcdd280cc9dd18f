//! Real handwritten digits, and an observer that watches the run.
use chainrule::Real;
use chainrule::network::Network;
use chainrule::observer::{Observer, Signal};
use chainrule::train::{EpochRecord, Trainer};
use chainrule_io::prepare;
use chainrule_io::recipes::{find_recipe, settings_of};

/// Prints each epoch, and stops once the training set is known by heart.
struct Print;

impl<T: Real> Observer<T> for Print {
    fn on_epoch(&mut self, _: &Trainer<T>, record: &EpochRecord) -> Signal {
        let percent = |score: Option<f64>| 100.0 * score.unwrap_or(f64::NAN);
        let test = percent(record.test.and_then(|test| test.accuracy));
        println!(
            "epoch {:2}: train {:6.2} %, test {test:6.2} %",
            record.epoch,
            percent(record.train.accuracy)
        );
        if record.train.accuracy == Some(1.0) { Signal::Stop } else { Signal::Continue }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let recipe = find_recipe("digits").ok_or("no such recipe")??;
    let prepared = prepare(&settings_of(recipe, "digits")?)?;
    let net = Network::new(prepared.resolved.spec.clone())?;
    let mut run = Trainer::<f32>::new(net, prepared.resolved.config.clone(), prepared.sets(), None)?;
    run.run(&mut Print)?;
    let accuracy = run.progress().history.last().and_then(|epoch| epoch.test).and_then(|test| test.accuracy);
    assert!(accuracy.is_some_and(|accuracy| accuracy >= 0.95), "{accuracy:?}");
    Ok(())
}
