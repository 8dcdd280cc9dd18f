//! One sample, changed until the answer is another.

use anyhow::{Result, anyhow, bail};
use chainrule::attack::{Aim, Attacker, Method};
use chainrule::batch::Batch;
use chainrule::input_gradient::input_gradient;
use chainrule::network::Workspace;
use chainrule::{Dataset, metrics};
use chainrule_io::{Model, Part, load_with};

use super::args::{FoolArgs, MethodName};
use super::sample::{check_index, check_loss, classes, one_class, own_target};
use super::unit::Unit;
use crate::Usage;
use crate::eval::source_options;
use crate::predict::answer_names;
use crate::terminal::list;

mod files;
mod show;

/// Draws of random signs.
const DRAWS: usize = 100;

/// A sample before and after.
pub struct Outcome {
    pub data: String,
    /// Shape of a sample.
    pub shape: Vec<usize>,
    pub sample: usize,
    /// None if the model answers with numbers.
    pub classes: Option<Vec<String>>,
    /// What the outputs are called.
    pub names: Vec<String>,
    /// The class of the sample, if the data has one.
    pub truth: Option<usize>,
    /// The class asked for.
    pub target: Option<usize>,
    pub method: Method,
    /// What was tried last: what was asked for, the smallest that succeeds, or the largest of the search.
    pub epsilon: f64,
    /// Whether epsilon was searched for.
    pub searched: bool,
    /// Whether the answer is another one, the target if there is one; None if the model answers with numbers.
    pub fooled: Option<bool>,
    /// Inputs as the network sees them, dE/dx at the first, and the change.
    pub x: Vec<f64>,
    pub dx: Vec<f64>,
    pub moved: Vec<f64>,
    pub outputs: [Vec<f64>; 2],
    /// The loss that was raised, or lowered towards the target.
    pub loss: [f64; 2],
    /// Of so many changes by random signs of epsilon, how many left the answer as it was.
    pub random: Option<(usize, usize)>,
}

/// Changes a sample, shows it, and writes it.
pub fn run(args: &FoolArgs, model: &Model, sample: usize) -> Result<()> {
    let options = source_options(model, args.data_dir.as_deref());
    let (data, has_target) = load_with(&args.data, &model.info.preprocessing, &options, Part::Test, false)?;
    check_loss(model, &data, has_target)?;
    check_index("--sample", sample, &data)?;
    let unit = Unit::of(model, &data);
    let outcome = attack(args, model, &data, has_target, sample, &unit)?;
    if let Some(folder) = &args.output {
        files::write(folder, &outcome, &unit)?;
    }
    if args.json {
        anstream::println!("{}", serde_json::to_string_pretty(&files::document(&outcome, &unit))?);
        return Ok(());
    }
    show::print(&outcome, &unit)
}

/// What is to become of a sample.
struct Question {
    /// The sample, with the class (or the numbers) whose loss is raised or lowered.
    batch: Batch<f64>,
    /// The class answered before.
    answer: usize,
    truth: Option<usize>,
    target: Option<usize>,
}

impl Question {
    fn aim(&self) -> Aim {
        if self.target.is_some() { Aim::Towards } else { Aim::Away }
    }

    /// Whether these outputs are what was asked for.
    fn is_fooled(&self, outputs: &[f64]) -> bool {
        match self.target {
            Some(class) => metrics::answer(outputs) == class,
            None => metrics::answer(outputs) != self.answer,
        }
    }
}

fn question(
    args: &FoolArgs,
    model: &Model,
    data: &Dataset,
    has_target: bool,
    sample: usize,
) -> Result<Question> {
    let x = data.row(sample);
    let answer = metrics::answer(&model.network.predict(&model.params::<f64>(), &x));
    let classes = classes(model);
    let target = args.target.as_deref().map(|name| class_named(name, classes.as_deref())).transpose()?;
    let Some(classes) = classes else {
        if args.epsilon.is_empty() {
            let problem =
                "--epsilon is needed: the model answers with numbers, of which none is the wrong one";
            return Err(Usage(anyhow!(problem)).into());
        }
        let y = own_target(model, data, sample);
        let batch = Batch::from_parts(x, y, data.inputs(), model.network.spec().outputs());
        return Ok(Question { batch, answer, truth: None, target: None });
    };
    let truth = data.labels().filter(|_| has_target).map(|labels| labels[sample] as usize);
    refuse_done(&classes, sample, answer, truth, target)?;
    let y = one_class(model, target.or(truth).unwrap_or(answer));
    let batch = Batch::from_parts(x, y, data.inputs(), model.network.spec().outputs());
    Ok(Question { batch, answer, truth, target })
}

fn attack(
    args: &FoolArgs,
    model: &Model,
    data: &Dataset,
    has_target: bool,
    sample: usize,
    unit: &Unit,
) -> Result<Outcome> {
    let asked = question(args, model, data, has_target, sample)?;
    let (net, params, classes) = (&model.network, model.params::<f64>(), classes(model));
    let mut attacker = Attacker::new(net, &params, &unit.limits, 1);
    let (batch, aim) = (&asked.batch, asked.aim());
    let method = super::method(args, args.method.unwrap_or(MethodName::Iterated));
    let epsilon = match args.epsilon.first() {
        Some(&epsilon) => epsilon,
        None => {
            let fooled = |outputs: &[f64]| asked.is_fooled(outputs);
            attacker.smallest_epsilon(batch, aim, method, unit.largest, fooled).unwrap_or(unit.largest)
        }
    };
    let mut ws = Workspace::new(net, 1, 1);
    let mut dx = vec![0.0; data.inputs()];
    let loss_before = input_gradient(net, &params, batch, &mut ws, &mut dx);
    let before = ws.output().to_vec();
    let mut moved = batch.clone();
    attacker.attack(&mut moved, aim, method, epsilon);
    net.forward(&params, moved.x(), &mut ws);
    let loss_after = net.loss(&moved, &mut ws);
    let after = ws.output().to_vec();
    let random = classes.is_some().then(|| {
        let kept = (0..DRAWS).filter(|&draw| {
            let mut blind = batch.clone();
            attacker.attack(&mut blind, aim, Method::Random { seed: draw as u64 }, epsilon);
            metrics::answer(attacker.outputs(&blind)) == asked.answer
        });
        (kept.count(), DRAWS)
    });
    Ok(Outcome {
        data: data.name().into(),
        shape: data.shape().to_vec(),
        sample,
        names: answer_names(model),
        truth: asked.truth,
        target: asked.target,
        method,
        epsilon,
        searched: args.epsilon.is_empty(),
        fooled: classes.is_some().then(|| asked.is_fooled(&after)),
        x: batch.x().to_vec(),
        dx,
        moved: moved.x().to_vec(),
        outputs: [before, after],
        loss: [loss_before, loss_after],
        random,
        classes,
    })
}

/// A class by its name.
fn class_named(name: &str, classes: Option<&[String]>) -> Result<usize> {
    let usage = |problem| anyhow::Error::new(Usage(problem));
    let classes = classes
        .ok_or_else(|| usage(anyhow!("--target {name}: the model answers with numbers, not with classes")))?;
    let place = classes.iter().position(|class| class == name);
    place.ok_or_else(|| {
        usage(anyhow!("--target {name}: expected one of the model's classes {}", list(classes, 20)))
    })
}

/// There is nothing to do if the answer is what it should become.
fn refuse_done(
    classes: &[String],
    sample: usize,
    answer: usize,
    truth: Option<usize>,
    target: Option<usize>,
) -> Result<()> {
    let name = &classes[answer];
    if target == Some(answer) {
        bail!("sample {sample} is answered {name} as it is: expected another class with --target");
    }
    match truth {
        Some(truth) if target.is_none() && truth != answer => bail!(
            "sample {sample}, a {}, is answered {name} as it is: the network is wrong without any change \
             (choose another sample, or a class with --target)",
            classes[truth]
        ),
        _ => Ok(()),
    }
}
