"""OpenVINO: inference (W7), shapes fixed. Manners: `latency`, `throughput` (f32), `throughput-bf16`."""

import openvino

from peer import arguments, inference

args = arguments()
if args.work != "W7":
    raise args.unknown()
core = openvino.Core()
precision = "bf16" if args.manner.endswith("bf16") else "f32"
options = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": args.threads, "PERFORMANCE_HINT": "LATENCY"}


def compiled(batch):
    model = core.read_model(args.folder / "w7.onnx")
    model.reshape([batch, 784])
    compiled_model = core.compile_model(model, "CPU", options)
    request = compiled_model.create_infer_request()
    return lambda x: request.infer({0: x}, share_inputs=True, share_outputs=True)


inference(args, "OpenVINO", openvino.__version__.split("-")[0], compiled(1), compiled(1024))
