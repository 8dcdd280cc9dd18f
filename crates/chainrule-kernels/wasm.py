"""Runs a WASI program, with its output and exit code as ours, and the variables that the tests read.

    python wasm.py PROGRAM [ARGUMENT…]
"""

import os
import sys

import wasmtime

engine = wasmtime.Engine()
linker = wasmtime.Linker(engine)
linker.define_wasi()
store = wasmtime.Store(engine)
wasi = wasmtime.WasiConfig()
wasi.argv = sys.argv[1:]
wasi.env = [pair for pair in os.environ.items() if pair[0].startswith(("CHAINRULE_", "PROPTEST_", "RUST_"))]
wasi.inherit_stdout()
wasi.inherit_stderr()
store.set_wasi(wasi)
program = linker.instantiate(store, wasmtime.Module.from_file(engine, sys.argv[1]))
try:
    program.exports(store)["_start"](store)
except wasmtime.ExitTrap as end:
    sys.exit(end.code)
except wasmtime.WasmtimeError as trap:  # a panic ends the program, as its message says
    sys.exit(str(trap))
