//! MNIST, past 97 % in a few epochs; the test set is looked at once, at the end.
use chainrule::network::Network;
use chainrule::observer::Silent;
use chainrule::recipe::Settings;
use chainrule::train::Trainer;
use chainrule_io::prepare;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data");
    let settings = Settings {
        data: Some("mnist".into()),
        data_dir: Some(data.into()),
        hidden: Some(vec![128]),
        learning_rate: Some(0.002),
        batch_size: Some(chainrule::config::BatchSize::Count(128)),
        schedule: Some("cosine".parse()?),
        epochs: Some(5),
        evaluate_every: Some(0),
        ..Settings::default()
    };
    let prepared = prepare(&settings)?;
    let net = Network::new(prepared.resolved.spec.clone())?;
    let mut run = Trainer::<f32>::new(net, prepared.resolved.config.clone(), prepared.sets(), None)?;
    run.run(&mut Silent)?;
    let accuracy = run.progress().history.last().and_then(|epoch| epoch.test).and_then(|test| test.accuracy);
    println!("test accuracy {:.2} %", 100.0 * accuracy.unwrap_or(f64::NAN));
    assert!(accuracy.is_some_and(|accuracy| accuracy >= 0.97), "{accuracy:?}");
    Ok(())
}
