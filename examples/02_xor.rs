//! XOR: what one layer cannot learn and two can. Settings are data; everything left out is decided for you.
use chainrule::network::Network;
use chainrule::observer::Silent;
use chainrule::recipe::Settings;
use chainrule::train::{Sets, Trainer};
use chainrule::{Dataset, Features, Result, Targets};

fn main() -> Result<()> {
    let inputs = vec![0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0];
    let targets = Targets::Values { values: vec![0.0, 1.0, 1.0, 0.0], names: vec!["xor".into()] };
    let data = Dataset::new("xor", vec![2], Features::Reals(inputs.clone()), targets)?;

    let settings = |hidden| -> Result<Settings> {
        Ok(Settings {
            hidden: Some(hidden),
            activation: Some(chainrule::recipe::OneOrMany::One("tanh".parse()?)),
            output_activation: Some("sigmoid".parse()?),
            loss: Some("binary_cross_entropy".parse()?),
            optimizer: Some("lbfgs".parse()?),
            epochs: Some(100),
            ..Settings::default()
        })
    };
    let train = |hidden: Vec<usize>| -> Result<(f64, Vec<f64>)> {
        let resolved = settings(hidden)?.resolve(&data)?;
        let sets = Sets { train: &data, validation: None, test: None };
        let mut run = Trainer::<f64>::new(Network::new(resolved.spec)?, resolved.config, sets, None)?;
        run.run(&mut Silent)?;
        let loss = run.progress().history.last().map_or(f64::NAN, |epoch| epoch.train.loss);
        Ok((loss, run.network().predict(run.params(), &inputs)))
    };
    let (one_layer, _) = train(vec![])?;
    let (two_layers, answers) = train(vec![4])?;
    println!("loss of one layer {one_layer:.4}, of two {two_layers:.2e}; answers {answers:.3?}");
    assert!((one_layer - std::f64::consts::LN_2).abs() < 1e-3, "one layer can do no better than guess");
    assert!(answers.iter().zip([0.0, 1.0, 1.0, 0.0]).all(|(a, y)| (a - y).abs() < 0.05));
    Ok(())
}
