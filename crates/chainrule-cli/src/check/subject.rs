//! What is checked: a network, its numbers, and samples away from kinks.

use std::borrow::Cow;
use std::path::Path;

use anyhow::{Result, anyhow, bail};
use chainrule::batch::{Batch, TargetCoding};
use chainrule::gradcheck::{self, GradientCheck, Options, Problem};
use chainrule::network::{Network, Workspace};
use chainrule::recipe::{OneOrMany, Settings};
use chainrule::regularize::Regularize;
use chainrule::{Dataset, Real};
use chainrule_io::recipes::find_recipe;
use chainrule_io::{Model, Part, SourceOptions, load_with, prepare};

use super::args::CheckArgs;
use crate::Usage;
use crate::run_folder::model_file;

/// Rounds of replacing samples at a kink before giving up.
const TRIES: usize = 20;

/// What is checked.
pub struct Subject<'d> {
    /// The network.
    pub network: Network,
    /// Its weights and biases.
    pub params: Vec<f64>,
    /// Where samples come from.
    pub data: Cow<'d, Dataset>,
    /// What outputs are compared with.
    pub coding: TargetCoding,
    /// Factors per class, or none.
    pub class_weights: Vec<f64>,
    /// Penalties, part of the gradient.
    pub regularize: Regularize,
}

/// A finished check.
pub struct Checked {
    /// Indices of the samples used.
    pub samples: Vec<usize>,
    /// Samples before them that lie at a kink.
    pub left_out: Vec<usize>,
    /// What was found.
    pub found: GradientCheck,
}

/// Which samples are checked.
pub enum Chosen<'a> {
    /// The first so many that lie at no kink.
    First(usize),
    /// These, wherever they lie.
    These(&'a [usize]),
}

/// How it is checked.
#[derive(Clone, Copy, Default)]
pub struct How {
    /// The step, and which parameters.
    pub options: Options,
    /// Both ways in 32 bits.
    pub single: bool,
}

/// Whether the word names a model file or a run folder, and nothing that could be trained on.
pub fn is_model(word: &str) -> bool {
    let path = Path::new(word);
    let run_folder = path.join("model.safetensors").exists() || path.join("config.toml").exists();
    path.extension().is_some_and(|extension| extension == "safetensors")
        || (find_recipe(word).is_none() && path.is_dir() && run_folder)
}

impl Subject<'_> {
    /// The network that a recipe starts from.
    pub fn of_settings(settings: &Settings) -> Result<Self> {
        let prepared = prepare(settings)?;
        let network = Network::new(prepared.resolved.spec.clone())?;
        let config = &prepared.resolved.config;
        let params = match prepared.initial_params(&network)? {
            Some(params) => params,
            None => network.init(config.seed)?,
        };
        let (coding, class_weights) = (config.coding, config.class_weights.clone());
        let regularize = config.regularize;
        let data = Cow::Owned(prepared.train);
        Ok(Self { network, params, data, coding, class_weights, regularize })
    }

    /// A model, on the data given or that of its recipe.
    pub fn of_model(args: &CheckArgs) -> Result<Self> {
        let usage = |error: anyhow::Error| anyhow::Error::new(Usage(error));
        let mut flags = args.flags.table().map_err(usage)?;
        let data_dir = flags.remove("data_dir").and_then(|value| value.as_str().map(Into::into));
        flags.remove("threads");
        flags.remove("dtype");
        flags.remove("seed"); // draws parameters, nothing of the model
        let setting = args
            .words
            .get(2)
            .or(args.words.get(1).filter(|w| w.contains('=') && !Path::new(w.as_str()).exists()));
        let setting = setting.or(flags.keys().next());
        if let Some(setting) = setting.cloned().or(args.flags.config.as_ref().map(|_| "--config".into())) {
            let problem = "expected MODEL [DATA] (a model brings its own settings), found also";
            return Err(usage(anyhow!("{problem} {setting}")));
        }
        let model = Model::load(&model_file(Path::new(&args.words[0]))?)?;
        let info = &model.info;
        let recipe = &info.recipe;
        let source = args.words.get(1).or(recipe.data.as_ref());
        let source =
            source.ok_or_else(|| anyhow!("the model does not say its data: chainrule check MODEL DATA"))?;
        let target = recipe.target.as_ref().map(OneOrMany::to_vec).unwrap_or_default();
        let options = SourceOptions { data_dir, target, sample_weight: recipe.sample_weight.clone() };
        let (data, _) = load_with(source, &info.preprocessing, &options, Part::Train, true)?;
        let weights = recipe.class_weight.as_ref().map(|weight| weight.resolve(&data)).transpose()?;
        Ok(Self {
            network: model.network.clone(),
            params: model.params(),
            data: Cow::Owned(data),
            coding: recipe.train_target.map_or(info.target_coding, TargetCoding::Constant),
            class_weights: weights.unwrap_or_default(),
            regularize: Regularize {
                l1: recipe.l1.unwrap_or(0.0),
                l2: recipe.l2.unwrap_or(0.0),
                l2_scale: recipe.l2_scale.unwrap_or_default(),
                ..Regularize::default()
            },
        })
    }

    /// Checks on some samples of the data.
    ///
    /// # Errors
    /// If there are not enough of them away from kinks, or one chosen is not there.
    pub fn check(&self, chosen: &Chosen, how: How) -> Result<Checked> {
        let total = self.data.len();
        let (mut samples, mut left_out) = (Vec::new(), Vec::new());
        let count = match *chosen {
            Chosen::These(these) => {
                if let Some(sample) = these.iter().find(|&&sample| sample >= total) {
                    let problem = format!("--sample {sample}: expected samples of '{}'", self.data.name());
                    return Err(Usage(anyhow!("{problem}, 0 to {}", total - 1)).into());
                }
                let found = self.check_these(these, how)?;
                return Ok(Checked { samples: these.to_vec(), left_out, found });
            }
            Chosen::First(count) => count.min(total),
        };
        let mut rest = 0..total;
        for _ in 0..TRIES {
            while samples.len() < count {
                let Some(sample) = rest.next() else { break };
                let at_kink = self.at_own_kink(sample, how.options.h);
                if at_kink { &mut left_out } else { &mut samples }.push(sample);
            }
            if samples.len() < count {
                break;
            }
            let found = self.check_these(&samples, how)?;
            if found.at_kink.is_empty() {
                return Ok(Checked { samples, left_out, found });
            }
            left_out.extend(&found.at_kink);
            left_out.sort_unstable();
            samples.retain(|sample| !left_out.contains(sample));
        }
        bail!(
            "no {count} samples of '{}' away from the kinks of activations or loss, where differences with h = {} mean nothing (a smaller --h or fewer --samples may find some; --sample 0 checks sample 0 and shows the kink)",
            self.data.name(),
            how.options.h
        )
    }

    fn check_these(&self, samples: &[usize], how: How) -> Result<GradientCheck> {
        let batch = self.batch::<f64>(samples);
        if batch.total_weight() == 0.0 {
            bail!("samples {samples:?} of '{}' weigh nothing: there is no gradient", self.data.name());
        }
        let (net, regularize, samples_in_all) = (&self.network, &self.regularize, self.data.len());
        let problem =
            Problem { net, params: &self.params, batch: &batch, regularize, samples: samples_in_all };
        if !how.single {
            return Ok(gradcheck::check(&problem, &how.options));
        }
        // The same numbers in both: those that 32 bits hold.
        let params: Vec<f32> = self.params.iter().map(|&w| f32::from_f64(w)).collect();
        let same: Vec<f64> = params.iter().map(|w| w.to_f64()).collect();
        let in_32_bits = self.batch::<f32>(samples);
        let single =
            Problem { net, params: &params, batch: &in_32_bits, regularize, samples: samples_in_all };
        Ok(gradcheck::check_single(&single, &Problem { params: &same, ..problem }, &how.options))
    }

    /// Some samples of the data as a batch.
    pub fn batch<T: Real>(&self, samples: &[usize]) -> Batch<T> {
        let mut batch = Batch::new(&self.data, self.network.spec().outputs(), samples.len());
        batch.gather(&self.data, self.coding, &self.class_weights, samples.iter().copied());
        batch
    }

    /// Whether moving a parameter by 2h surely carries a unit of its own layer across a kink: a cheap first look, so
    /// that the whole check is seldom repeated.
    fn at_own_kink(&self, sample: usize, h: f64) -> bool {
        let layers = &self.network.spec().layers;
        if !layers.iter().any(|layer| layer.activation.has_kink()) {
            return false;
        }
        let batch = self.batch::<f64>(&[sample]);
        let mut ws = Workspace::new(&self.network, 1, 1);
        self.network.forward(&self.params, batch.x(), &mut ws);
        layers.iter().enumerate().any(|(l, layer)| {
            let input = if l == 0 { batch.x() } else { ws.a(l - 1) };
            // A bias moves z as an input of 1 would.
            let most =
                input.iter().fold(f64::from(u8::from(layer.biases() > 0)), |most, x| most.max(x.abs()));
            layer.activation.has_kink() && ws.z(l).iter().any(|z| z.abs() <= 2.0 * h * most)
        })
    }
}
