//! Is the gradient right? Backpropagation against central differences, on a network with a planted fault and without.
use chainrule::batch::Batch;
use chainrule::gradcheck::{self, Classic, Options, Problem};
use chainrule::init::Init;
use chainrule::network::Network;
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

    let none = Regularize::default();
    let problem = Problem { net: &net, params: &params, batch: &batch, regularize: &none, samples: 2 };

    let check = gradcheck::check(&problem, &Options::default());
    for group in &check.groups {
        println!("{:16} relative error {:.1e}", group.name, group.relative_error);
    }
    assert!(check.passed);

    // A gradient of your own can be checked too. This one is a sum over the batch, not a mean: a classic fault.
    let (mut grads, _) = problem.gradient();
    grads.iter_mut().for_each(|g| *g *= 2.0);
    let check = gradcheck::check_gradient(&problem, &grads, &Options::default())?;
    println!("{}", check.verdict);
    assert_eq!(check.fault.and_then(|fault| fault.classic), Some(Classic::NotDivided));
    Ok(())
}
