//! What a check as a whole says.

use super::cause::Cause;
use super::fault::Fault;
use super::group::GroupCheck;

/// One paragraph: whether the two ways agree, and if not, whether the gradient is to blame.
pub(super) fn of_check(
    groups: &[GroupCheck],
    fault: Option<&Fault>,
    at_kink: &[usize],
    dtype: &str,
) -> String {
    let names = |of: &dyn Fn(&GroupCheck) -> bool| {
        let names: Vec<String> = groups.iter().filter(|g| of(g)).map(GroupCheck::title).collect();
        names.join(", ")
    };
    let small = groups.iter().filter(|group| group.cause.is_small() && group.passed).count();
    let unseen = match small {
        0 => String::new(),
        1 => "; 1 group is too small to tell".to_string(),
        _ => format!("; {small} groups are too small to tell"),
    };
    let failed = names(&|group| !group.passed);
    let wrong = names(&|group| matches!(group.cause, Cause::Wrong { .. }));
    if let Some(fault) = fault {
        return format!("The backpropagated gradient is wrong, in {wrong}. {}", fault.words);
    }
    if !wrong.is_empty() {
        return format!("The gradient backpropagated in {dtype} is wrong, in {wrong}: in f64 it is another.");
    }
    if groups.iter().any(|group| group.cause == Cause::NotFinite) {
        return "Gradients or losses are not finite: there is nothing to compare.".into();
    }
    if small == groups.len() {
        return "Nothing can be told: the gradients of all groups are too small for differences to see."
            .into();
    }
    if failed.is_empty() {
        let kinks = if at_kink.is_empty() {
            ""
        } else {
            ". But samples lie at kinks within 2h, where differences mean nothing: this shows little"
        };
        return format!("Backpropagation agrees with central differences{unseen}{kinks}.");
    }
    let of = |kind: &dyn Fn(&Cause) -> bool| groups.iter().any(|group| !group.passed && kind(&group.cause));
    let mut blame = Vec::new();
    if of(&|cause| matches!(cause, Cause::Kink { .. })) {
        blame.push("kinks within 2h");
    }
    if of(&|cause| matches!(cause, Cause::RoundOff { .. })) {
        blame.push("round-off, since h is too small");
    }
    if of(&|cause| matches!(cause, Cause::Truncation { .. })) {
        blame.push("truncation, since h is too large");
    }
    if of(&Cause::is_small) {
        blame.push("gradients smaller than differences resolve");
    }
    if of(&|cause| matches!(cause, Cause::SinglePrecision { .. })) {
        blame.push("32 bits");
    }
    format!(
        "Central differences disagree in {failed}. They are to blame, not backpropagation: {}{unseen}.",
        blame.join("; ")
    )
}
