//! Bad input: each is refused with where, expected and found; the exit code tells usage (2) from the rest (1); and
//! nothing half-written is left.
#![cfg(unix)]

mod common;

use std::io::Read;
use std::process::{Command, Stdio};

use common::{Place, Ran, repository_data, table};

/// Flags of `train` with a value that cannot be, and what must be said.
const FLAGS: &[(&str, &[&str])] = &[
    (
        "--activation rellu",
        &["activation", "expected one of identity", "found 'rellu'", "did you mean relu?"],
    ),
    ("--activation leaky_relu(x)", &["activation", "leaky_relu(x)", "expected"]),
    ("--output-activation soft", &["output_activation", "expected one of", "found 'soft'"]),
    ("--loss crossentropy", &["loss", "expected one of quadratic", "did you mean cross_entropy?"]),
    ("--init heavy", &["init", "expected one of normal", "found 'heavy'"]),
    ("--init normal(-1)", &["init", "normal(-1)", "expected"]),
    ("--init uniform(2,1)", &["init", "expected", "found"]),
    ("--bias-init nil", &["bias_init", "expected one of normal", "found 'nil'"]),
    ("--bias some", &["bias: expected one of per-unit, shared, none, found 'some'"]),
    ("--optimizer adm", &["optimizer", "expected one of sgd", "found 'adm'", "did you mean adam?"]),
    ("--optimizer sgd(momentum=2)", &["momentum", "expected", "found 2"]),
    ("--optimizer sgd(speed=2)", &["optimizer", "speed"]),
    ("--schedule fast", &["schedule", "expected", "found 'fast'"]),
    ("--schedule step(0)", &["schedule", "step(0)", "expected"]),
    ("--dtype f16", &["dtype: expected one of f32, f64, bf16, found 'f16'"]),
    ("--batch-size 0", &["batch_size", "expected at least 1, or \"full\"", "found 0"]),
    ("--batch-size -1", &["batch_size", "expected at least 1, or \"full\"", "found -1"]),
    ("batch_size=-3", &["batch_size", "expected at least 1, or \"full\"", "found -3"]),
    ("batch_size=2.5", &["batch_size: expected a whole number of at least 1, or \"full\", found 2.5"]),
    ("--epochs -1", &["--epochs: expected a whole number of at least 0, found '-1'"]),
    ("epochs=-1", &["epochs: expected a whole number of at least 0, found -1"]),
    ("--seed -1", &["--seed: expected a whole number of at least 0, found '-1'"]),
    ("--l2 -1", &["l2", "expected a number of at least 0", "found -1"]),
    ("l2=much", &["l2: expected a number, found 'much'"]),
    ("standardize=maybe", &["standardize: expected true or false, found 'maybe'"]),
    ("class_weight=heavy,1", &["class_weight", "expected", "'heavy,1'"]),
    ("--learning-rate -1e300", &["learning_rate", "expected a number above 0", "found -1e300"]),
    ("--batch-size x", &["batch_size", "expected a number, or \"full\"", "found x"]),
    ("--epochs 0", &["epochs", "expected at least 1", "found 0"]),
    ("--epochs x", &["--epochs", "'x'"]),
    ("--epochs 99999999999999999999", &["--epochs", "too large"]),
    ("--steps 0", &["steps", "expected at least 1", "found 0"]),
    ("--learning-rate 0", &["learning_rate", "expected a number above 0", "found 0"]),
    ("--learning-rate=-1", &["learning_rate", "expected a number above 0", "found -1"]),
    ("--learning-rate nan", &["learning_rate", "expected a number above 0", "found NaN"]),
    ("--learning-rate inf", &["learning_rate", "expected a number above 0", "found inf"]),
    ("--learning-rate x", &["--learning-rate", "'x'"]),
    ("--momentum 0.5", &["momentum with adam", "sgd"]),
    ("--momentum 1 --optimizer sgd", &["momentum", "expected a share of 0 to below 1", "found 1"]),
    ("--dropout 1", &["dropout", "expected", "found 1"]),
    ("--dropout=-0.1", &["dropout", "expected", "found -0.1"]),
    ("--dropout nan", &["dropout", "expected", "found NaN"]),
    ("--hidden 0", &["units of layer 1", "expected at least 1", "found 0"]),
    ("--hidden x", &["--hidden x: expected numbers of units, found 'x'"]),
    ("--hidden 16,-4", &["--hidden 16,-4: expected numbers of units, found '-4'"]),
    ("--l1=-1", &["l1", "expected a number of at least 0", "found -1"]),
    ("--l2 nan", &["l2", "expected a number of at least 0", "found NaN"]),
    ("--clip-norm 0", &["clip_norm", "expected a number above 0", "found 0"]),
    ("--max-norm=-2", &["max_norm", "expected a number above 0", "found -2"]),
    ("--threads 0", &["threads", "expected at least 1", "found 0"]),
    ("--threads x", &["--threads", "'x'"]),
    ("--limit 0", &["limit", "expected", "found 0"]),
    ("--test-split 1.5", &["test_split", "expected", "found 1.5"]),
    ("--test-split 1", &["test_split", "expected", "found 1"]),
    ("--validation-split=-1", &["validation_split", "expected", "found -1"]),
    ("--validation-split nan", &["validation_split", "expected", "found NaN"]),
    ("--validation-split 0 --early-stopping 3", &["validation_split", "early stopping", "found 0"]),
    ("--early-stopping x", &["--early-stopping", "'x'"]),
    ("--update-order x", &["update_order", "output-first", "'x'"]),
    ("--standardize maybe", &["--standardize", "maybe"]),
    ("--seed x", &["--seed", "'x'"]),
    ("--seed=-1", &["--seed", "-1"]),
    ("--checkpoint-every 0", &["--checkpoint-every", "0"]),
    ("--no-such-flag", &["--no-such-flag"]),
    ("epoch=3", &["expected a known setting", "found 'epoch'", "did you mean epochs?"]),
    ("epochs=many", &["epochs", "many", "expected"]),
    ("hidden=many", &["hidden", "many", "expected"]),
    ("optimizer=3", &["optimizer", "3", "expected"]),
    ("digits", &["'digits'", "expected a setting as key=value"]),
    ("--output-activation softmax --loss mse", &["softmax", "mse"]),
    ("--output-activation sigmoid --loss cross_entropy", &["sigmoid", "cross_entropy"]),
    ("--activation softmax", &["softmax"]),
    ("--optimizer lbfgs --batch-size 10", &["lbfgs", "batch_size = \"full\""]),
    ("--optimizer lbfgs --dropout 0.5", &["lbfgs with dropout"]),
    ("--update-order output-first --optimizer lbfgs", &["output-first", "lbfgs"]),
    ("validation_last=5 --validation-split 0.1", &["validation_split", "expected one of them"]),
    ("--test digits --test-split 0.1", &["test and test_split", "expected one of them, found both"]),
];

#[test]
fn values_that_flags_cannot_have_are_errors_of_usage() {
    let place = Place::new();
    for (flags, parts) in FLAGS {
        place.refuses(&format!("train digits {flags}"), 2, parts);
    }
    let parts = ["activation: number of names: expected 1, or 3 for 3 hidden layers, found 2"];
    place.refuses("train digits --activation relu,tanh --hidden 9,9,9", 1, &parts);
    place.refuses("train --epochs 3", 2, &["data: expected a name or a path", "chainrule data list"]);
}

#[test]
fn config_files_that_are_wrong() {
    let place = Place::new();
    place.write("run.toml", "data = \"digits\"\nepochs = 2\n\nhiden = [4]\n");
    let parts = ["run.toml: line 4: expected a recipe in TOML", "'hiden'", "unknown field"];
    place.refuses("train --config run.toml", 1, &parts);
    place.write("run.toml", "data = \"digits\"\nepochs = = 2\n");
    place.refuses("train --config run.toml", 1, &["run.toml: line 2: expected a recipe in TOML, found"]);
    place.write("run.toml", "data = \"digits\"\nepochs = \"two\"\n");
    place.refuses(
        "train --config run.toml",
        1,
        &["run.toml: line 2: expected epochs: a whole number", "'two'"],
    );
    place.write("run.toml", "data = \"digits\"\nactivation = \"rellu\"\n");
    place.refuses("train --config run.toml", 1, &["run.toml: line 2: expected", "did you mean relu?"]);
    for (line, parts) in [
        ("epochs = -1", ["epochs: a whole number of at least 0", "found -1"]),
        ("dtype = \"f16\"", ["dtype: one of f32, f64, bf16", "found 'f16'"]),
        ("hidden = [\"a\"]", ["hidden: numbers of units, such as 64 or [64, 32]", "found [\"a\"]"]),
    ] {
        place.write("run.toml", format!("data = \"digits\"\n{line}\n"));
        place.refuses("train --config run.toml", 1, &["run.toml: line 2: expected", parts[0], parts[1]]);
    }
    place.write("run.toml", [0xff, 0xfe, 0]);
    place.refuses("train --config run.toml", 1, &["run.toml: cannot read"]);
    place.refuses("train --config none.toml", 1, &["none.toml: cannot read", "check the path"]);
    place.refuses("train digits --config .", 1, &[".: cannot read", "give a file"]);
}

#[test]
fn data_that_cannot_be_used() {
    let place = Place::new();
    let refuses = |line: &str, parts: &[&str]| drop(place.refuses(&format!("train {line}"), 1, parts));
    refuses("digit", &["digit: not found", "meant 'digits'?"]);
    refuses("none.csv", &["none.csv: not found"]);
    let good = "x,y\n1,a\n2,b\n3,a\n4,b\n5,a\n6,b\n7,a\n8,b\n";
    for (text, parts) in [
        ("", ["line 1", "expected rows of cells", "found an empty file"]),
        ("x,y\n", ["line 2", "expected rows of data", "found only a header"]),
        (&format!("{good}9,a,1\n"), ["line 10, column 3", "expected 2 cells", "found 3"]),
        (&format!("{good}nine,a\n"), ["line 10, column 1 ('x')", "expected a number", "found 'nine'"]),
        (&format!("{good}NaN,a\n"), ["line 10, column 1 ('x')", "expected a value", "'NaN'"]),
        (&format!("{good},a\n"), ["line 10, column 1 ('x')", "expected a value", "an empty cell"]),
        (&good.replace('b', "a"), ["bad.csv", "column 2 ('y')", "expected"]),
    ] {
        place.write("bad.csv", text);
        refuses("bad.csv", &[&["bad.csv"], parts.as_slice()].concat());
    }
    place.write("bad.csv", good);
    refuses("bad.csv --target z", &["bad.csv", "expected", "'z'", "x, y"]);
    refuses("bad.csv --target x,y", &["bad.csv", "at least one input column", "2 targets"]);
    place.write("test.csv", "x,z\n1,a\n2,b\n");
    refuses("bad.csv --test test.csv", &["test.csv: line 1: expected the target, y, found none"]);
    place.write("test.csv", "x,y\n1,a\n2,c\n");
    refuses("bad.csv --test test.csv", &["test.csv", "line 3", "'c'"]);
    refuses("bad.csv --test digits", &["expected a table with the columns x", "found images"]);
    refuses("digits --test bad.csv", &["bad.csv", "expected images of 32 x 32", "found a table"]);
    refuses("digits --target y", &["column 'y' of digits", "expected a table with columns"]);
    place.write("bits/1_0.txt", "0110\n1001\n");
    place.write("bits/2_0.txt", "0110\n100\n");
    refuses("bits", &["2_0.txt: line 2, column 4", "expected 4 characters", "found 3"]);
    place.write("bits/2_0.txt", "0110\n1x01\n");
    refuses("bits", &["2_0.txt: line 2, column 2", "expected 0 or 1", "found 'x'"]);
    place.write("model.bin", "?");
    refuses("model.bin", &["model.bin", "expected a name", "found a .bin file"]);
}

#[test]
fn damaged_mnist_files() {
    let place = Place::new();
    let idx = |dims: &[u32], values: Vec<u8>| {
        let dims_bytes = dims.iter().flat_map(|dim| dim.to_be_bytes());
        [0, 0, 8, dims.len() as u8].into_iter().chain(dims_bytes).chain(values).collect::<Vec<u8>>()
    };
    let (images, labels) = ("mnist/train-images-idx3-ubyte", "mnist/train-labels-idx1-ubyte");
    let refuses = |parts: &[&str]| drop(place.refuses("train mnist --data-dir .", 1, parts));
    let good = idx(&[20, 4, 4], (0..320).map(|i| (i * 7 % 256) as u8).collect());
    place.write(labels, idx(&[20], (0..20).map(|i| i % 3).collect()));
    place.write("mnist/t10k-images-idx3-ubyte", &good);
    place.write("mnist/t10k-labels-idx1-ubyte", place.read(labels));
    for (bytes, parts) in [
        (good[..200].to_vec(), ["byte 16", "20 x 4 x 4 = 320 values", "room for at most 184"]),
        ([good.clone(), vec![1; 9]].concat(), ["byte 336", "expected the end", "more bytes"]),
        (b"garbled bytes".to_vec(), ["byte 0", "expected an IDX header", "67 61 72 62"]),
        (Vec::new(), ["byte 0", "expected a header of 4 bytes", "the end of the file"]),
        (idx(&[21, 4, 4], vec![3; 336]), ["expected as many labels as images (21)", "byte 4", "20 labels"]),
    ] {
        place.write(images, bytes);
        refuses(&[&["train-images-idx3-ubyte"], parts.as_slice()].concat());
    }
    place.write(images, &good);
    place.write(labels, idx(&[20], vec![1; 20]));
    refuses(&["classes of 'mnist'", "at least 2", "'1' in all 20 samples"]);
    // Classes that only the test set has.
    place.write(labels, idx(&[20], (0..20).map(|i| i % 2).collect()));
    refuses(&["mnist test", "class", "'2'"]);
    // The same in gzip: real labels of MNIST, damaged.
    let packed = std::fs::read(repository_data().join("mnist/t10k-labels-idx1-ubyte.gz")).unwrap();
    std::fs::remove_file(place.path(labels)).unwrap();
    let mut garbled = packed.clone();
    garbled[1000..1060].iter_mut().for_each(|byte| *byte ^= 0x5a);
    let mut checksum = packed.clone();
    let at = checksum.len() - 6;
    checksum[at] ^= 1;
    for (bytes, parts) in [
        (packed[..2000].to_vec(), ["byte 2000", "expected more compressed data", "the end of the file"]),
        (garbled, ["byte", "expected gzip data", "does not unpack"]),
        (checksum, ["byte", "right checksum", "does not unpack"]),
        (
            [packed.clone(), packed.clone()].concat(),
            ["byte 10008", "expected the end, after 10000 values", "more bytes"],
        ),
        (packed, ["expected as many labels as images (20)", "byte 4", "found 10000 labels"]),
    ] {
        place.write("mnist/train-labels-idx1-ubyte.gz", bytes);
        refuses(&[&["train-labels-idx1-ubyte.gz"], parts.as_slice()].concat());
    }
}

#[test]
fn initial_weights_that_do_not_fit() {
    let place = Place::new();
    let run = "train digits --limit 60 --epochs 1";
    place.done(&format!("{run} --hidden 4 --run-dir four"));
    let model = place.read("four/model.safetensors");
    let given = |bytes: &[u8], flags: &str, parts: &[&str]| {
        place.write("w.safetensors", bytes);
        place.refuses(
            &format!("{run} {flags} --init-from w.safetensors"),
            1,
            &[&["w.safetensors: expected"], parts].concat(),
        );
    };
    place.refuses(&format!("{run} --init-from none"), 1, &["none: cannot read", "check the path"]);
    given(b"", "", &["a safetensors file", "0 bytes"]);
    given(b"not tensors at all", "", &["a safetensors file", "18 bytes"]);
    given(&model[..model.len() - 3], "", &["a safetensors file", "damaged"]);
    given(&model, "--hidden 5", &["'layers.0.weight' of shape [5, 1024]", "found shape [4, 1024]"]);
    given(&model, "--hidden 4,4", &["'layers.1.weight' of shape [4, 4]", "found shape [10, 4]"]);
    given(&model, "--hidden none", &["'layers.0.weight' of shape [10, 1024]", "found shape [4, 1024]"]);
    let at = model.windows(13).position(|bytes| bytes == b"layers.1.bias").unwrap();
    let mut renamed = model.clone();
    renamed[at..at + 13].copy_from_slice(b"layers.1.bios");
    given(&renamed, "--hidden 4", &["a tensor 'layers.1.bias'", "layers.1.bios"]);
    let mut poisoned = model.clone();
    let end = poisoned.len();
    poisoned[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    given(&poisoned, "--hidden 4", &["finite numbers in tensor", "found NaN at place"]);
    given(&model, "--hidden 4 --bias none", &["only tensors", "layers.0.bias"]);
}

#[test]
fn places_that_cannot_be_written() {
    let place = Place::new();
    let run = "train xor --epochs 1 --run-dir";
    place.write("taken/notes.txt", "mine");
    let said = place.refuses(
        &format!("{run} taken"),
        1,
        &["taken: expected a name that is free", "another --run-dir"],
    );
    assert!(!said.contains("--resume"), "what is no run cannot be resumed: {said}");
    place.write("file", "mine");
    let said =
        place.refuses(&format!("{run} file"), 1, &["file: expected a name that is free, found a file"]);
    assert!(!said.contains("--resume"), "{said}");
    place.refuses(
        &format!("{run} file/run"),
        1,
        &["cannot create the run folder file/run", "file: expected a folder, found a file"],
    );
    place.refuses(&format!("{run} /dev/null/x"), 1, &["cannot create the run folder /dev/null/x"]);
    place.refuses(&format!("{run} /proc/x"), 1, &["cannot create the run folder /proc/x"]);
    place.refuses(&format!("{run} .."), 1, &["..: expected a name that is free"]);
    place.done(&format!("{run} run"));
    place.refuses(&format!("{run} run"), 1, &["run: expected a name that is free", "train --resume run"]);
}

#[test]
fn a_read_only_folder() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.write("closed/notes.txt", "mine");
    let mode = |name: &str, mode| {
        std::fs::set_permissions(place.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("", 0o755);
    mode("closed", 0o555);
    let inner = format!("cd closed && exec {} train xor --epochs 1", common::PROGRAM);
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    // Permissions do not bind root: it runs the program as nobody.
    let words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", &inner];
    let words = if is_root { &words[..] } else { &words[4..] };
    let ran = place.other(words[0], &words[1..]).output();
    let Ok(output) = ran.inspect_err(|error| eprintln!("SKIPPED: setpriv: {error}")) else { return };
    let ran = Ran::of(output, &inner);
    mode("closed", 0o755);
    if ran.status.code() == Some(126) || ran.status.code() == Some(127) {
        eprintln!("SKIPPED: nobody may not run the program: {ran:?}");
        return;
    }
    ran.expect(1, &["cannot create the run folder runs/xor-1", "Permission denied", "--run-dir"]);
    assert_eq!(place.listing().len(), 2, "{:?}", place.listing());
}

/// Runs shell words beside a file system of `size` bytes mounted at `small`; `None` where that is not allowed.
fn on_a_small_disk(place: &Place, size: &str, words: &str) -> Option<Ran> {
    std::fs::create_dir(place.path("small")).unwrap();
    // What is left on the disk is copied out before the mount goes with its process.
    let inner = format!(
        "mount -t tmpfs -o size={size} tmpfs small || exit 99\n{}\ncode=$?\ncp -r small/. kept\nexit $code",
        words.replace("chainrule", common::PROGRAM)
    );
    for unshare in ["-m", "-rm"] {
        let output = place.other("unshare", &[unshare, "sh", "-c", &inner]).output().ok()?;
        if output.status.code() != Some(99)
            && !String::from_utf8_lossy(&output.stderr).starts_with("unshare:")
        {
            return Some(Ran::of(output, words));
        }
    }
    eprintln!("SKIPPED: this system allows no mount in a namespace of one's own");
    None
}

#[test]
fn a_disk_that_fills_up() {
    // Room for a checkpoint, but not for the next beside it.
    let place = Place::new();
    let line =
        "chainrule train digits --limit 100 --hidden 16 --epochs 50 --checkpoint-every 1 --run-dir small/run";
    let Some(ran) = on_a_small_disk(&place, "300k", line) else { return };
    let parts = ["disk is full", "the one before it is kept", "chainrule train --resume small/run"];
    ran.expect(1, &parts);
    let parts = ["kept/run/config.toml", "kept/run/history.csv", "kept/run/checkpoint/state.safetensors"];
    for file in parts {
        assert!(place.path(file).is_file(), "{file}: {:?}", place.listing());
    }
    place.no_temporaries();
    // With room, it goes on to the bits of a run that always had some.
    place.done("train --resume kept/run");
    place.done(&line.replace("chainrule ", "").replace("small/run", "whole"));
    assert_eq!(place.read("kept/run/model.safetensors"), place.read("whole/model.safetensors"));
}

#[test]
fn a_disk_with_no_room_at_all() {
    let place = Place::new();
    let fill = "head -c 1000000 /dev/zero > small/ballast 2>/dev/null;";
    let line = format!("{fill} chainrule train xor --epochs 1 --run-dir small/run");
    let Some(ran) = on_a_small_disk(&place, "64k", &line) else { return };
    ran.expect(1, &["cannot create the run folder small/run", "disk is full"]);
    assert!(!place.path("kept/run").exists());
    place.no_temporaries();
}

#[test]
fn nobody_reads_the_output() {
    let place = Place::new();
    for (number, flags) in ["", "--json", "--quiet"].iter().enumerate() {
        for closed in ["stdout", "stderr"] {
            let run = format!("{closed}-{number}");
            let mut command = place.command(&format!("train xor --epochs 20 --run-dir {run} {flags}"));
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            match closed {
                "stdout" => command.stdout(writer),
                _ => command.stderr(writer),
            };
            let output = command.output().unwrap();
            assert!(matches!(output.status.code(), Some(0 | 1)), "{run}: {output:?}");
            Ran::of(output, &run);
            assert!(place.path(&run).join("summary.json").is_file(), "{run}");
        }
    }
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let line = "train xor --epochs 2 --json --run-dir full";
    let output = place.command(line).stdout(Stdio::from(full)).output().unwrap();
    Ran::of(output, line).expect(1, &["cannot write to standard output"]);
}

#[test]
fn a_run_that_diverges_names_step_and_layer() {
    let place = Place::with("data.csv", table(80));
    let line = "train data.csv --target price --optimizer sgd --learning-rate 1e30 --epochs 50 --checkpoint-every 1 \
                --run-dir run";
    let ran = place.run(line);
    ran.expect(
        1,
        &["training stopped; the run folder is run", "step ", "epoch ", "layer", "smaller learning_rate"],
    );
    assert!(place.path("run/config.toml").is_file() && !place.path("run/model.safetensors").exists());
    place.no_temporaries();
    let mut bytes = Vec::new();
    std::fs::File::open(place.path("run/checkpoint/state.safetensors"))
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let numbers = bytes[header..].chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
    assert!(
        numbers.clone().count() > 100 && numbers.into_iter().all(f32::is_finite),
        "NaN in the checkpoint"
    );
    // Resumed, it meets the same end.
    place.run("train --resume run").expect(1, &["training stopped", "layer"]);
}
