//! One's own table: read, split, standardised, trained, measured. `cargo run --release -- train data/iris.csv` does the same.
use chainrule::network::Network;
use chainrule::observer::Silent;
use chainrule::recipe::Settings;
use chainrule::train::Trainer;
use chainrule_io::prepare;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/iris.csv");
    let settings = Settings { data: Some(path.into()), ..Settings::default() };
    let prepared = prepare(&settings)?;
    for choice in &prepared.resolved.choices {
        println!("{choice}");
    }
    let net = Network::new(prepared.resolved.spec.clone())?;
    let mut run = Trainer::<f32>::new(net, prepared.resolved.config.clone(), prepared.sets(), None)?;
    run.run(&mut Silent)?;
    let test = run.progress().history.last().and_then(|epoch| epoch.test).ok_or("no test set")?;
    let accuracy = test.accuracy.ok_or("no accuracy")?;
    println!("test accuracy {:.1} %", 100.0 * accuracy);
    assert!(accuracy >= 0.9);
    Ok(())
}
