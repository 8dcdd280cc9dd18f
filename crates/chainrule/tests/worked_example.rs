//! Mazur's worked example: every figure that its text prints, and both update orders.

mod common;

use chainrule::batch::Batch;
use chainrule::config::UpdateOrder;
use chainrule::network::{Network, Workspace};
use chainrule::observer::Silent;
use common::{MAZUR, mazur_data, settings, trainer};

/// `got` printed with as many decimals as `printed` has must be `printed`.
fn printed(name: &str, got: f64, printed: &str) {
    let decimals = printed.split_once('.').map_or(0, |(_, digits)| digits.len());
    assert_eq!(format!("{got:.decimals$}"), printed, "{name}");
}

fn relative(name: &str, got: f64, want: f64) {
    assert!((got - want).abs() <= 1e-12 * want.abs(), "{name}: {got} is not {want}");
}

#[test]
fn every_printed_figure_of_the_first_step() {
    let data = mazur_data();
    let resolved = settings(MAZUR).resolve(&data).unwrap();
    let net = Network::new(resolved.spec).unwrap();
    let params: Vec<f64> = net.init(0).unwrap();
    let mut ws = Workspace::new(&net, 1, 1);
    let batch = Batch::from_parts(vec![0.05, 0.10], vec![0.01, 0.99], 2, 2);
    net.forward(&params, batch.x(), &mut ws);
    printed("net_h1", ws.z(0)[0], "0.3775");
    printed("out_h1", ws.a(0)[0], "0.593269992");
    printed("out_h2", ws.a(0)[1], "0.596884378");
    printed("net_o1", ws.z(1)[0], "1.105905967");
    printed("out_o1", ws.output()[0], "0.75136507");
    printed("out_o2", ws.output()[1], "0.772928465");
    let loss = net.loss(&batch, &mut ws);
    let (o1, o2) = (ws.output()[0], ws.output()[1]);
    printed("E_o1", 0.5 * (o1 - 0.01) * (o1 - 0.01), "0.274811083");
    printed("E_o2", 0.5 * (o2 - 0.99) * (o2 - 0.99), "0.023560026");
    printed("E_total", loss, "0.298371109");
    printed("dE/dout_o1", o1 - 0.01, "0.74136507");
    printed("dout_o1/dnet_o1", o1 * (1.0 - o1), "0.186815602");
    printed("dE_o1/dnet_o1", ws.delta(1)[0], "0.138498562");

    let mut grads = vec![0.0; params.len()];
    net.backward(&params, batch.x(), &mut ws, &mut grads);
    let at = |l, j, i| net.layout().weight_at(l, j, i);
    printed("dE/dw5", grads[at(1, 0, 0)], "0.082167041");
    printed("dE_o1/dout_h1", ws.delta(1)[0] * params[at(1, 0, 0)], "0.055399425");
    // The source prints -0.019049119 here: it rounded on the way.
    printed("dE_o2/dout_h1", ws.delta(1)[1] * params[at(1, 1, 0)], "-0.019049118");
    printed("dout_h1/dnet_h1", ws.a(0)[0] * (1.0 - ws.a(0)[0]), "0.241300709");
    printed("dE_total/dout_h1", ws.delta(0)[0] / (ws.a(0)[0] * (1.0 - ws.a(0)[0])), "0.036350306");
    printed("dE/dw1", grads[at(0, 0, 0)], "0.000438568");

    let mut recipe = settings(MAZUR);
    recipe.steps = Some(1);
    let mut run = trainer::<f64>(&recipe, &data);
    run.run(&mut Silent).unwrap();
    let w = |l, j, i| run.params()[at(l, j, i)];
    for (name, got, want) in [
        ("w1+", w(0, 0, 0), "0.149780716"),
        ("w2+", w(0, 0, 1), "0.19956143"),
        ("w3+", w(0, 1, 0), "0.24975114"),
        ("w4+", w(0, 1, 1), "0.29950229"),
        ("w5+", w(1, 0, 0), "0.35891648"),
        ("w6+", w(1, 0, 1), "0.408666186"),
        ("w7+", w(1, 1, 0), "0.511301270"),
        ("w8+", w(1, 1, 1), "0.561370121"),
    ] {
        printed(name, got, want);
    }
    let bias = |l| run.params()[net.layout().bias(l).start];
    assert_eq!([bias(0), bias(1)], [0.35, 0.60], "the biases stay");
}

/// (loss after one step, loss after 10,000, outputs after 10,000)
fn long_run(order: UpdateOrder) -> (f64, f64, Vec<f64>) {
    let data = mazur_data();
    let mut recipe = settings(MAZUR);
    (recipe.steps, recipe.update_order) = (Some(10_000), Some(order));
    let mut run = trainer::<f64>(&recipe, &data);
    run.run(&mut Silent).unwrap();
    let after = |step: usize| run.progress().history[step - 1].evaluated_train.unwrap().loss;
    (after(1), after(10_000), run.network().predict(run.params(), &[0.05, 0.10]))
}

#[test]
fn gradient_descent_to_twelve_digits() {
    let (first, last, outputs) = long_run(UpdateOrder::Simultaneous);
    relative("E after 1 step", first, 0.291_027_773_693_599_33);
    relative("E after 10,000 steps", last, 3.510_187_782_978_859e-5);
    relative("o1", outputs[0], 0.015_913_620_443_550_68);
    relative("o2", outputs[1], 0.984_064_273_514_623_8);
}

#[test]
fn the_published_figures_come_from_updating_the_output_layer_first() {
    let (first, last, outputs) = long_run(UpdateOrder::OutputFirst);
    printed("E after 1 step", first, "0.291027924");
    printed("E after 10,000 steps", last, "0.000035085");
    printed("o1", outputs[0], "0.015912196");
    printed("o2", outputs[1], "0.984065734");
    relative("E after 10,000 steps", last, 3.508_478_629_631_277_4e-5);
}
