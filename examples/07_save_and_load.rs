//! A model file: saved, loaded, used. The answers are the same to the bit.
use chainrule::network::Network;
use chainrule::observer::Silent;
use chainrule::recipe::Settings;
use chainrule::train::Trainer;
use chainrule_io::{Model, prepare, save_model};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings =
        Settings { data: Some("digits".into()), limit: Some(300), epochs: Some(3), ..Settings::default() };
    let prepared = prepare(&settings)?;
    let net = Network::new(prepared.resolved.spec.clone())?;
    let mut run = Trainer::<f32>::new(net, prepared.resolved.config.clone(), prepared.sets(), None)?;
    run.run(&mut Silent)?;

    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model.safetensors");
    save_model(&path, &prepared.model_info(), run.network(), run.result())?;
    let model = Model::load(&path)?;

    let digit: Vec<f32> = prepared.train.row(0).into_iter().map(|pixel| pixel as f32).collect();
    let (before, after) =
        (run.network().predict(run.result(), &digit), model.network.predict(&model.params::<f32>(), &digit));
    println!("{} answers {after:.3?}", model.network.spec().sizes());
    assert_eq!(before, after);
    Ok(())
}
