"""ONNX Runtime: inference (W7). Manners: `latency`, `throughput`."""

import onnxruntime

from peer import arguments, inference

args = arguments()
if args.work != "W7":
    raise args.unknown()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads, options.inter_op_num_threads = args.threads, 1
session = onnxruntime.InferenceSession(args.folder / "w7.onnx", options, providers=["CPUExecutionProvider"])
answer = lambda x: session.run(None, {"x": x})
inference(args, "ONNX Runtime", onnxruntime.__version__, answer, answer)
