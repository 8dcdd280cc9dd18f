//! Is the gradient right? Backpropagation against central differences, on a network with a planted fault and without.
use chainrule::batch::Batch;
use chainrule::gradcheck::{self, H};
use chainrule::init::Init;
use chainrule::network::{Network, Workspace};
use chainrule::regularize::Regularize;
use chainrule::spec::{LayerSpec, NetworkSpec};

fn main() -> chainrule::Result<()> {
    let layers = vec![
        LayerSpec::new(4, "tanh".parse()?, Init::XavierNormal),
        LayerSpec::new(3, "softmax".parse()?, Init::XavierNormal),
    ];
    let net = Network::new(NetworkSpec { input_shape: vec![2], layers, loss: "cross_entropy".parse()? })?;
    let params: Vec<f64> = net.init(1)?;
    let batch = Batch::from_parts(vec![0.2, -0.4, 0.9, 0.1], vec![1.0, 0.0, 0.0, 0.0, 0.0, 1.0], 2, 3);

    let check = gradcheck::check(&net, &params, &batch, &Regularize::default(), batch.len(), H);
    for group in &check.groups {
        println!("{:16} relative error {:.1e}", group.name, group.relative_error);
    }
    assert!(check.passed);

    // The classic fault: BP2 without f'(z). Its gradient is far from the differences.
    let (mut ws, mut grads) = (Workspace::new(&net, 2, 1), vec![0.0; params.len()]);
    net.forward(&params, batch.x(), &mut ws);
    net.loss(&batch, &mut ws);
    net.backward(&params, batch.x(), &mut ws, &mut grads);
    let derivative = 1.0 - ws.a(0)[0] * ws.a(0)[0];
    let faulty = ws.delta(0)[0] / derivative;
    println!("delta of the first hidden unit {:.6}, without f'(z) {faulty:.6}", ws.delta(0)[0]);
    assert!((faulty / ws.delta(0)[0] - 1.0).abs() > 1e-3);
    Ok(())
}
