//! Mazur's 2-2-2 network: one step of gradient descent, as five calls.
use chainrule::batch::Batch;
use chainrule::init::Init::{Constant, Values};
use chainrule::loss::Loss;
use chainrule::network::{Network, Workspace};
use chainrule::optimizer::{Optimizer, OptimizerState};
use chainrule::reduce::{Alone, Reduce};
use chainrule::spec::{LayerSpec, NetworkSpec};

fn main() -> chainrule::Result<()> {
    let layer = |weights: [[f64; 2]; 2], bias| LayerSpec {
        bias_init: Constant { value: bias },
        ..LayerSpec::new(2, "sigmoid".parse().unwrap(), Values(weights.map(Vec::from).to_vec()))
    };
    let layers = vec![layer([[0.15, 0.20], [0.25, 0.30]], 0.35), layer([[0.40, 0.45], [0.50, 0.55]], 0.60)];
    let net = Network::new(NetworkSpec { input_shape: vec![2], layers, loss: Loss::Quadratic })?;
    let batch = Batch::from_parts(vec![0.05, 0.10], vec![0.01, 0.99], 2, 2); // one sample: x, y
    let mut params: Vec<f64> = net.init(0)?;
    let (mut grads, mut ws) = (vec![0.0; params.len()], Workspace::new(&net, 1, 1));
    let sgd = Optimizer::Sgd { momentum: 0.0, nesterov: false };
    let mut state = OptimizerState::new(sgd, params.len());

    net.forward(&params, batch.x(), &mut ws); // z(l), a(l)
    let (mut loss, mut n) = (net.loss(&batch, &mut ws), batch.total_weight()); // E and BP1
    net.backward(&params, batch.x(), &mut ws, &mut grads); // BP2, BP3, BP4
    Alone.sum(&mut grads, &mut loss, &mut n)?; // one machine: nothing to add
    for l in 0..2 {
        sgd.update(&mut state, &mut params, &grads, net.layout().weight(l), n, 0.5, 1); // the biases stay
    }
    let w5 = params[net.layout().weight_at(1, 0, 0)];
    println!("E_total {loss:.9}, then w5 = {w5:.8}");
    assert_eq!(format!("{loss:.9} {w5:.8}"), "0.298371109 0.35891648");
    Ok(())
}
