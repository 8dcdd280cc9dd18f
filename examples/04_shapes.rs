//! Inputs with more than two axes are flattened, and the error carried back to them has their order: dX as a picture.
use chainrule::batch::Batch;
use chainrule::init::Init;
use chainrule::network::{Network, Workspace};
use chainrule::spec::{LayerSpec, NetworkSpec};

fn main() -> chainrule::Result<()> {
    let shape = vec![2, 3, 4]; // two channels of three rows of four
    let layers = vec![
        LayerSpec::new(5, "relu".parse()?, Init::HeNormal),
        LayerSpec::new(2, "softmax".parse()?, Init::XavierUniform),
    ];
    let net = Network::new(NetworkSpec { input_shape: shape, layers, loss: "cross_entropy".parse()? })?;
    let params: Vec<f64> = net.init(3)?;
    let x: Vec<f64> = (0..24).map(|i| (f64::from(i) * 0.7).sin()).collect();
    let batch = Batch::from_parts(x.clone(), vec![0.0, 1.0], 24, 2);

    let (mut ws, mut grads, mut dx) = (Workspace::new(&net, 1, 1), vec![0.0; params.len()], vec![0.0; 24]);
    net.forward(&params, batch.x(), &mut ws);
    let before = net.loss(&batch, &mut ws);
    net.backward(&params, batch.x(), &mut ws, &mut grads);
    net.input_gradient(&params, &ws, &mut dx);
    let (channel, row, column) = (1, 2, 3);
    println!("dL/dx at ({channel}, {row}, {column}): {:.6}", dx[channel * 12 + row * 4 + column]);

    // A small move against dX lowers the loss by |dX|^2 times the step, to first order.
    let step = 1e-6;
    let moved: Vec<f64> = x.iter().zip(&dx).map(|(x, d)| x - step * d).collect();
    net.forward(&params, &moved, &mut ws);
    let fall = before - net.loss(&batch, &mut ws);
    let expected = step * dx.iter().map(|d| d * d).sum::<f64>();
    assert!((fall / expected - 1.0).abs() < 1e-3, "{fall} {expected}");
    Ok(())
}
