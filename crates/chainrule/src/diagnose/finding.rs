//! What a rule says.

use serde::{Deserialize, Serialize};

/// What can be wrong with a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Units of a hidden layer have the same weights and get the same gradient.
    IdenticalUnits,
    /// Units of a hidden layer where f' is next to 0.
    Saturation,
    /// Wrong outputs where f' is next to 0.
    StuckOutputs,
    /// Units whose f' is 0 for every sample.
    DeadUnits,
    /// The gradient of a layer is far below that of the output layer.
    VanishingGradient,
    /// The gradient of a layer is far above its weights.
    ExplodingGradient,
    /// The loss rises, or steps are as large as the weights.
    LearningRateTooLarge,
    /// The loss does not fall, and steps are tiny beside the weights.
    LearningRateTooSmall,
    /// Loss and answers get worse on samples that were not trained on.
    Overfitting,
    /// A class that no sample is answered with.
    ClassNeverPredicted,
    /// Inputs far from the size that initial weights are made for.
    UnscaledInputs,
    /// The network follows the label of the moment.
    LabelOrder,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// The run as a whole.
    Run,
    /// A layer, from 0; from 1 in words and in JSON.
    Layer(#[serde(with = "from_one")] usize),
    /// An input, from 0; from 1 in words and in JSON.
    Input(#[serde(with = "from_one")] usize),
    /// A class, from 0 as its label.
    Class(usize),
}

/// Layers and inputs count from 1 where people read, as in the mathematics.
mod from_one {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(index: &usize, to: S) -> Result<S::Ok, S::Error> {
        (index + 1).serialize(to)
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<usize, D::Error> {
        let expected = "a number from 1 on";
        usize::deserialize(from)?.checked_sub(1).ok_or_else(|| serde::de::Error::custom(expected))
    }
}

/// A rule that fired, on what number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// What it is about.
    pub place: Place,
    /// Steps made when the number was measured.
    pub step: u64,
    /// What was measured, in words.
    pub quantity: String,
    /// The number measured.
    #[serde(with = "crate::number")]
    pub value: f64,
    /// The rule fires beyond this.
    pub threshold: f64,
    /// What else was measured that belongs to it, as a sentence; may be empty.
    pub evidence: String,
}

impl Rule {
    /// Its name, in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::IdenticalUnits => "identical units",
            Self::Saturation => "saturated units",
            Self::StuckOutputs => "stuck outputs",
            Self::DeadUnits => "dead units",
            Self::VanishingGradient => "vanishing gradient",
            Self::ExplodingGradient => "exploding gradient",
            Self::LearningRateTooLarge => "learning rate too large",
            Self::LearningRateTooSmall => "learning rate too small",
            Self::Overfitting => "overfitting",
            Self::ClassNeverPredicted => "class never predicted",
            Self::UnscaledInputs => "unscaled inputs",
            Self::LabelOrder => "data in label order",
        }
    }

    /// What it means for the run.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::IdenticalUnits => {
                "units that start alike and feed alike units get the same gradient and stay alike: the layer works \
                 as if it had fewer of them"
            }
            Self::Saturation => {
                "every gradient that passes such a unit is multiplied by f'(z), next to 0: the layer hardly learns"
            }
            Self::StuckOutputs => {
                "the error of these outputs is multiplied by f'(z), next to 0, before it reaches any weight: they \
                 stay wrong, however wrong they are"
            }
            Self::DeadUnits => {
                "a unit that is 0 for every sample passes nothing on, gets no gradient, and does not come back"
            }
            Self::VanishingGradient => {
                "next to nothing of the error arrives at this layer: it keeps its initial weights"
            }
            Self::ExplodingGradient => "a step of any usual size throws these weights far away",
            Self::LearningRateTooLarge => "steps jump over the valley instead of descending into it",
            Self::LearningRateTooSmall => "the run ended long before it could have arrived anywhere",
            Self::Overfitting => "it now learns the training samples by heart, at the cost of others",
            Self::ClassNeverPredicted => "the network does not know that this class exists",
            Self::UnscaledInputs => {
                "initial weights are made for inputs of about 1: with others, pre-activations and gradients have \
                 the wrong size from the start"
            }
            Self::LabelOrder => {
                "while samples of one label come in a row the network learns to answer with that label, and forgets \
                 it at the next: the running accuracy measures that, not what it has learned"
            }
        }
    }

    /// What to try.
    pub fn advice(self) -> &'static str {
        match self {
            Self::IdenticalUnits => "random initial weights: init=xavier_uniform, or he_normal for relu",
            Self::Saturation => {
                "smaller initial weights (init=xavier_uniform divides by the number of inputs), scaled inputs, or \
                 activation=relu"
            }
            Self::StuckOutputs => {
                "smaller initial weights, or a loss computed from z: loss=cross_entropy with softmax, \
                 binary_cross_entropy with sigmoid"
            }
            Self::DeadUnits => "a smaller learning_rate, init=he_normal, activation=leaky_relu",
            Self::VanishingGradient => {
                "activation=relu with init=he_normal, smaller initial weights, fewer layers"
            }
            Self::ExplodingGradient => {
                "scaled inputs (standardize=true), smaller initial weights, clip_norm=1"
            }
            Self::LearningRateTooLarge => "a learning_rate of a third or a tenth; clip_norm=1",
            Self::LearningRateTooSmall => "a learning_rate 10 times as large, optimizer=adam, more epochs",
            Self::Overfitting => "early_stopping=10, l2, dropout, a smaller network, more data",
            Self::ClassNeverPredicted => {
                "class_weight=balanced if it is rare, another init or learning_rate, order=shuffle"
            }
            Self::UnscaledInputs => "standardize=true, or inputs of about 0 to 1",
            Self::LabelOrder => "order=shuffle",
        }
    }
}

impl Finding {
    /// `layer 1`, `class 3`; empty for the whole run.
    pub fn place_text(&self) -> String {
        match self.place {
            Place::Run => String::new(),
            Place::Layer(l) => format!("layer {}", l + 1),
            Place::Input(i) => format!("input {}", i + 1),
            Place::Class(c) => format!("class {c}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_and_inputs_count_from_1_in_words_and_json() {
        for (place, words, json) in [
            (Place::Layer(0), "layer 1", r#"{"layer":1}"#),
            (Place::Input(4), "input 5", r#"{"input":5}"#),
            (Place::Class(0), "class 0", r#"{"class":0}"#),
        ] {
            let finding = Finding {
                rule: Rule::Saturation,
                place,
                step: 0,
                quantity: String::new(),
                value: 0.0,
                threshold: 0.0,
                evidence: String::new(),
            };
            assert_eq!(finding.place_text(), words);
            assert_eq!(serde_json::to_string(&place).unwrap(), json);
            assert_eq!(serde_json::from_str::<Place>(json).unwrap(), place);
        }
        assert!(serde_json::from_str::<Place>(r#"{"layer":0}"#).is_err());
    }
}
