//! tract: inference (W7) of the ONNX model that every ONNX runtime gets here.

use peers_common::{Arguments, emit, latencies, throughputs, w7_inputs};
use tract_onnx::prelude::*;

fn main() -> TractResult<()> {
    let arguments = Arguments::read();
    if arguments.work != "W7" {
        arguments.unknown_work();
    }
    let path = arguments.folder.join("w7.onnx");
    let model = |batch: usize| {
        let fact = f32::fact([batch, 784]).into();
        tract_onnx::onnx().model_for_path(&path)?.with_input_fact(0, fact)?.into_optimized()?.into_runnable()
    };
    for (name, x) in w7_inputs(&arguments.folder) {
        let (variant, unit, times) = if arguments.manner == "latency" {
            let model = model(1)?;
            let samples: Vec<TValue> = x
                .chunks_exact(784)
                .map(|row| Ok(Tensor::from_shape(&[1, 784], row)?.into()))
                .collect::<TractResult<_>>()?;
            let times = latencies(|i| {
                model.run(tvec!(samples[i].clone())).expect("the model answers");
            });
            ("latency", "us/sample", times)
        } else {
            let model = model(1024)?;
            let batch: TValue = Tensor::from_shape(&[1024, 784], &x)?.into();
            let times = throughputs(|| {
                model.run(tvec!(batch.clone())).expect("the model answers");
            });
            ("throughput", "samples/s", times)
        };
        emit("tract", "0.23.9", &arguments, &format!("{variant} {name}"), unit, &times, None);
    }
    Ok(())
}
