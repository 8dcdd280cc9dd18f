use super::*;
use crate::dataset::{Dataset, Features, Targets};
use crate::network::Network;
use crate::recipe::Settings;

fn three_classes() -> Dataset {
    let values: Vec<f64> = (0..24).map(|v| f64::from(v * 7 % 11) / 10.0).collect();
    let labels = vec![0, 1, 2, 1, 0, 2, 1, 0];
    let names = ["a", "b", "c"].map(String::from).to_vec();
    Dataset::new("t", vec![3], Features::Reals(values), Targets::Classes { labels, names }).unwrap()
}

/// What is recorded is what the trainer's own buffers hold after its step, bit for bit.
fn same_as_the_trainer<T: Real>(settings: &str) {
    let data = three_classes();
    let settings: Settings = toml::from_str(settings).unwrap();
    let resolved = settings.resolve(&data).unwrap();
    let sets = Sets { train: &data, validation: None, test: None };
    let mut trainer =
        Trainer::<T>::new(Network::new(resolved.spec).unwrap(), resolved.config, sets, None).unwrap();
    for step in 1..=7 {
        let record = Record::next_step(&mut trainer).unwrap();
        assert_eq!(record.step, step);
        let ws = &trainer.ws;
        for (l, layer) in record.layers.iter().enumerate() {
            assert_eq!(layer.z.before, wide(ws.z(l)), "z of step {step}");
            assert_eq!(layer.a.before, wide(ws.a(l)));
            assert_eq!(layer.delta, wide(ws.delta(l)), "delta of step {step}");
            assert_eq!(layer.params.after, parameters(trainer.net.layout(), l, trainer.params()));
            let given = parameters(trainer.net.layout(), l, &trainer.grads);
            for (ours, sum) in layer.given.w.iter().zip(&given.w) {
                let mean = T::from_f64(*sum) / T::from_f64(record.total_weight);
                assert_eq!(*ours, mean.to_f64(), "gradient of step {step}");
            }
        }
        let on = Record::step_on(&trainer, &[1, 4]).unwrap();
        assert_eq!(on.layers[0].params.before, record.layers[0].params.after);
    }
}

/// What is recorded of L-BFGS is what moved the weights and what it remembers, bit for bit.
fn same_as_lbfgs<T: Real>(settings: &str) {
    let data = three_classes();
    let settings: Settings = toml::from_str(settings).unwrap();
    let resolved = settings.resolve(&data).unwrap();
    let sets = Sets { train: &data, validation: None, test: None };
    let network = Network::new(resolved.spec).unwrap();
    let mut trainer = Trainer::<T>::new(network, resolved.config, sets, None).unwrap();
    for step in 1..=6 {
        let record = Record::next_step(&mut trainer).unwrap();
        assert!(trainer.trace.is_none() && record.step == step);
        let newton = record.newton.unwrap();
        let layout = trainer.net.layout();
        let search = newton.searches.last().unwrap();
        let t = T::from_f64(search.points[search.accepted.unwrap()].t);
        let step_of = |w: &[f64], d: &[f64]| -> Vec<f64> {
            w.iter().zip(d).map(|(&w, &d)| (T::from_f64(w) + t * T::from_f64(d)).to_f64()).collect()
        };
        let learned = newton.learned.unwrap();
        let (s, y) = trainer.memory.pairs.back().unwrap();
        for (l, layer) in record.layers.iter().enumerate() {
            let (before, after, d) = (&layer.params.before, &layer.params.after, &search.direction[l]);
            assert_eq!(step_of(&before.w, &d.w), after.w, "W of step {step}");
            assert_eq!(step_of(&before.b, &d.b), after.b);
            assert_eq!(newton.g[l], layer.given, "gradient of step {step}");
            assert!(learned.kept);
            assert_eq!(
                (&learned.s[l], &learned.y[l]),
                (&parameters(layout, l, s), &parameters(layout, l, y))
            );
        }
        let objective = record.loss.before + record.penalty.before;
        assert!((newton.loss - objective).abs() <= 1e-15 * objective, "{} {objective}", newton.loss);
    }
}

#[test]
fn iterations_of_lbfgs_are_the_trainers_own_numbers() {
    let text = "hidden = [4, 3]\nactivation = \"tanh\"\noptimizer = \"lbfgs(history=3)\"\nbatch_size = \"full\"\n\
                epochs = 9\nl2 = 0.01";
    same_as_lbfgs::<f64>(text);
    same_as_lbfgs::<f32>(text);
}

#[test]
fn records_are_the_trainers_own_numbers() {
    let common = "hidden = [4, 3]\nbatch_size = 3\nepochs = 9\n";
    for rest in [
        "activation = \"tanh\"",
        "dropout = 0.4\noptimizer = \"sgd(0.9)\"\nl2 = 0.1",
        "update_order = \"output-first\"\noptimizer = \"sgd\"\nl1 = 0.01\nmax_norm = 1",
        "class_weight = \"balanced\"\nclip_norm = 0.1\nschedule = \"warmup(3)+cosine\"",
    ] {
        same_as_the_trainer::<f64>(&format!("{common}{rest}"));
        same_as_the_trainer::<f32>(&format!("{common}{rest}"));
    }
}

#[test]
fn records_of_bf16_round_where_the_trainer_does() {
    for batch in [5, 3] {
        let common = format!("hidden = [4, 3]\nbatch_size = {batch}\nepochs = 9\ndtype = \"bf16\"\n");
        same_as_the_trainer::<f32>(&common);
        same_as_the_trainer::<f32>(&format!(
            "{common}update_order = \"output-first\"\noptimizer = \"sgd\"\n"
        ));
    }
}
