//! `--both-orders`: what an update gives when all layers are updated at once, and when the output layer is first.

use anyhow::Result;
use chainrule::config::UpdateOrder;
use chainrule::explain::{Block, Rule, Section, Term, explain};

use super::args::ExplainArgs;
use super::subject::subject;

/// The new weights and the loss in both orders, after as many steps made in that order.
pub fn side_by_side(args: &ExplainArgs) -> Result<Section> {
    let in_order = |order| -> Result<(Vec<Term>, f64)> {
        let subject = subject(args, |settings| settings.update_order = Some(order))?;
        let derivation = explain("", &subject.record, &[]);
        let new = derivation.terms().filter(|term| term.rule == Rule::Update).cloned().collect();
        Ok((new, subject.record.loss.after))
    };
    let (at_once, loss) = in_order(UpdateOrder::Simultaneous)?;
    let (mut output_first, other_loss) = in_order(UpdateOrder::OutputFirst)?;
    let mut rows: Vec<(String, Vec<f64>)> = Vec::new();
    for term in at_once {
        // The orders write their lines in another order.
        let Some(at) = output_first.iter().position(|other| other.symbol == term.symbol) else { continue };
        let other = output_first.swap_remove(at);
        rows.extend(term.value.zip(other.value).map(|(a, b)| (term.symbol, vec![a, b, b - a])));
    }
    rows.push(("E_total+".into(), vec![loss, other_loss, other_loss - loss]));
    let mut section = Section::new("Both update orders", None);
    section.say(
        "simultaneous is gradient descent: all weights are updated from derivatives at the same point. output-first \
         updates the output layer before it carries the error back, which then passes through the new weights.",
    );
    let header = ["", "simultaneous", "output-first", "difference"].map(String::from).to_vec();
    section.blocks.push(Block::Table { header, rows });
    Ok(section)
}
