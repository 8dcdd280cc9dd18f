//! `chainrule predict`

use std::fmt::Debug;
use std::io::{BufWriter, IsTerminal, Write};

use anyhow::Result;
use chainrule::batch::TargetCoding;
use chainrule::evaluate::Evaluator;
use chainrule::metrics;
use chainrule::predictor::Predictor;
use chainrule::recipe::Dtype;
use chainrule::{Dataset, Real};
use chainrule_io::{Model, Part, Standardization, TableEncoding, load_with};

use crate::args::{Format, PredictArgs};
use crate::eval::source_options;
use crate::fool::sample::check_index;
use crate::report::picture_shape;
use crate::run_folder::model_file;
use crate::watch::say;

/// Samples that are widened and answered together.
const CHUNK: usize = 1024;
/// Above this mean a picture is mostly light: a handwritten digit covers less than a third.
const LIGHT: f64 = 0.5;

/// How outputs answer a question.
pub enum Answer {
    /// With a class and a figure for each of these.
    Class(Vec<String>),
    /// With a number for each of these.
    Values(Vec<String>),
}

/// Answers for samples.
pub fn run(args: &PredictArgs) -> Result<()> {
    let model = Model::load(&model_file(&args.model)?)?;
    let options = source_options(&model, args.data_dir.as_deref());
    if args.data == "-" && std::io::stdin().is_terminal() {
        say("reading samples from the keyboard; Ctrl-D ends them");
    }
    let (mut data, has_target) =
        load_with(&args.data, &model.info.preprocessing, &options, Part::Test, false)?;
    say_if_light(&model, &data);
    let mut samples: Vec<usize> = (0..data.len()).collect();
    if !args.sample.is_empty() {
        args.sample.iter().try_for_each(|&sample| check_index("--sample", sample, &data))?;
        samples.clone_from(&args.sample);
        data = data.subset(&samples)?;
    }
    if let Some(path) = &args.saliency {
        crate::saliency::write(path, &model, &data, has_target, &samples)?;
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    crate::setup::start_threads(threads)?;
    let dtype = args.dtype.unwrap_or(model.dtype);
    match dtype {
        Dtype::F32 | Dtype::Bf16 => {
            write(args, &model, &samples, &outputs_f32(&model, &data, threads, dtype == Dtype::Bf16)?)
        }
        Dtype::F64 => {
            let mut evaluator = Evaluator::<f64>::new(&model.network, &data, threads);
            // Targets play no part here: they may not be there at all.
            let coding = TargetCoding::Constant(0.0);
            let outputs = evaluator.outputs(&model.network, &model.params(), &data, coding);
            write(args, &model, &samples, &outputs)
        }
    }
}

/// Says of a single picture that is mostly light that it may have to be inverted: digits are learned light on dark.
fn say_if_light(model: &Model, data: &Dataset) {
    let preprocessing = &model.info.preprocessing;
    let scaled = preprocessing.encoding.is_some() || preprocessing.standardization.is_some();
    if data.len() > 1 || scaled || picture_shape(data.shape()).is_none() {
        return;
    }
    let mean = data.row(0).iter().sum::<f64>() / data.inputs() as f64;
    if mean > LIGHT {
        say(&format!(
            "note: the picture is mostly light (mean {mean:.2} of 0 to 1); MNIST and digits are light on dark. If the model \
             learned such, invert the picture, for example: magick IN.png -negate OUT.png"
        ));
    }
}

/// The outputs for every sample, `(samples, outputs)`.
fn outputs_f32(model: &Model, data: &Dataset, threads: usize, bf16: bool) -> Result<Vec<f32>> {
    let (inputs, chunk) = (data.inputs(), CHUNK.min(data.len()));
    let predictor = Predictor::new(&model.network, &model.params(), chunk, data.density())?;
    let predictor = if bf16 { predictor.with_bf16() } else { predictor };
    let mut predictor = predictor.with_threads(threads);
    let mut x = vec![0.0f32; chunk * inputs];
    let mut outputs = Vec::with_capacity(data.len() * model.network.spec().outputs());
    for start in (0..data.len()).step_by(chunk) {
        let n = chunk.min(data.len() - start);
        for (s, row) in x[..n * inputs].chunks_exact_mut(inputs).enumerate() {
            data.write_row(start + s, row);
        }
        outputs.extend_from_slice(predictor.predict(&x[..n * inputs]));
    }
    Ok(outputs)
}

/// Writes an answer for each of `samples`; every number with as many digits as its type holds.
fn write<T: Real + Debug>(args: &PredictArgs, model: &Model, samples: &[usize], outputs: &[T]) -> Result<()> {
    let answer = answer(model);
    let restore = restoring(model);
    let width = model.network.spec().outputs();
    let json = args.json || args.format == Format::Jsonl;
    let out = BufWriter::new(std::io::stdout().lock());
    let mut lines: Box<dyn Lines> = if json {
        Box::new(JsonLines { out, names: answer.names().to_vec() })
    } else {
        Box::new(Csv::new(out, &answer)?)
    };
    for (&sample, row) in samples.iter().zip(outputs.chunks_exact(width)) {
        let numbers = match (&answer, &restore) {
            (Answer::Class(_), _) if width == 1 => {
                vec![number(T::from_f64(1.0) - row[0]), number(row[0])]
            }
            (Answer::Values(_), Some(figures)) => {
                let mut values: Vec<f64> = row.iter().map(|v| v.to_f64()).collect();
                figures.restore_target(&mut values);
                values.into_iter().map(number).collect()
            }
            _ => row.iter().map(|&v| number(v)).collect(),
        };
        let class = match &answer {
            Answer::Class(_) => Some(metrics::answer(row)),
            Answer::Values(_) => None,
        };
        lines.line(sample, class, &numbers)?;
    }
    lines.end()
}

/// What the outputs of a model stand for.
pub fn answer(model: &Model) -> Answer {
    let (info, outputs) = (&model.info, model.network.spec().outputs());
    let classes = &info.classes;
    let is_class = match info.target_coding {
        TargetCoding::OneHot => outputs == classes.len(),
        TargetCoding::Label => outputs == 1 && classes.len() == 2,
        _ => false,
    };
    if is_class {
        return Answer::Class(classes.clone());
    }
    let encoding = info.preprocessing.encoding.as_ref();
    let targets =
        |encoding: &TableEncoding| encoding.targets.iter().map(|column| column.name.clone()).collect();
    let named: Option<Vec<String>> = match info.target_coding {
        TargetCoding::Input => encoding.map(TableEncoding::input_names),
        TargetCoding::Label if encoding.is_none() => Some(vec!["label".into()]),
        _ => encoding.map(targets),
    };
    let numbered = |what: &str| (0..outputs).map(|output| format!("{what} {output}")).collect();
    let what = if info.target_coding == TargetCoding::Input { "input" } else { "output" };
    Answer::Values(named.filter(|names| names.len() == outputs).unwrap_or_else(|| numbered(what)))
}

/// What the outputs are called.
pub fn answer_names(model: &Model) -> Vec<String> {
    answer(model).names().to_vec()
}

/// What turns outputs back into the unit of the target. The targets of an auto-encoder are its inputs.
fn restoring(model: &Model) -> Option<Standardization> {
    let figures = model.info.preprocessing.standardization.clone()?;
    match model.info.target_coding {
        TargetCoding::Input => {
            let (target_mean, target_std) = (figures.mean.clone(), figures.std.clone());
            Some(Standardization { target_mean, target_std, ..figures })
        }
        _ => Some(figures).filter(|figures| !figures.target_mean.is_empty()),
    }
}

/// A number with the fewest digits that give it back.
fn number(value: impl Debug) -> String {
    format!("{value:?}")
}

impl Answer {
    fn names(&self) -> &[String] {
        match self {
            Self::Class(names) | Self::Values(names) => names,
        }
    }
}

/// Answers in a form.
trait Lines {
    /// One sample: its class, if it has one, and a number for each name.
    fn line(&mut self, sample: usize, class: Option<usize>, numbers: &[String]) -> Result<()>;
    /// After the last.
    fn end(&mut self) -> Result<()>;
}

/// A header and a line per sample; names with commas or quotes are quoted.
struct Csv<W: Write> {
    out: csv::Writer<W>,
    names: Vec<String>,
}

impl<W: Write> Csv<W> {
    fn new(out: W, answer: &Answer) -> Result<Self> {
        let mut out = csv::Writer::from_writer(out);
        let mut header = vec!["sample".to_string()];
        match answer {
            Answer::Class(names) => {
                header.push("class".into());
                header.extend(names.iter().map(|name| format!("p_{name}")));
            }
            Answer::Values(names) => header.extend(names.iter().cloned()),
        }
        out.write_record(&header).map_err(system)?;
        Ok(Self { out, names: answer.names().to_vec() })
    }
}

impl<W: Write> Lines for Csv<W> {
    fn line(&mut self, sample: usize, class: Option<usize>, numbers: &[String]) -> Result<()> {
        let (sample, class) = (sample.to_string(), class.map(|class| &self.names[class]));
        let record = std::iter::once(&sample).chain(class).chain(numbers);
        self.out.write_record(record).map_err(system)
    }

    fn end(&mut self) -> Result<()> {
        Ok(self.out.flush()?)
    }
}

/// The system's own error, which tells a reader that has seen enough from a full disk.
fn system(error: csv::Error) -> anyhow::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error.into(),
        other => anyhow::anyhow!("cannot write the answers: {other:?}"),
    }
}

/// A JSON object per line; a number that is not finite is null, as JSON has none.
struct JsonLines<W: Write> {
    out: W,
    names: Vec<String>,
}

impl<W: Write> Lines for JsonLines<W> {
    fn line(&mut self, sample: usize, class: Option<usize>, numbers: &[String]) -> Result<()> {
        let out = &mut self.out;
        write!(out, "{{\"sample\":{sample},")?;
        match class {
            Some(class) => {
                write!(out, "\"class\":{},\"probabilities\":{{", serde_json::to_string(&self.names[class])?)?;
            }
            None => write!(out, "\"values\":{{")?,
        }
        for (at, (name, number)) in self.names.iter().zip(numbers).enumerate() {
            let comma = if at > 0 { "," } else { "" };
            let finite = number.parse::<f64>().is_ok_and(f64::is_finite);
            let number = if finite { number } else { "null" };
            write!(out, "{comma}{}:{number}", serde_json::to_string(name)?)?;
        }
        Ok(writeln!(out, "}}}}")?)
    }

    fn end(&mut self) -> Result<()> {
        Ok(self.out.flush()?)
    }
}
