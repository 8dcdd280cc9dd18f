//! What a run is given: data sets that do not leak into each other.

use chainrule::recipe::Settings;
use chainrule_io::prepare;

fn refused(settings: &Settings, words: &[&str]) {
    let error = prepare(settings).unwrap_err().to_string();
    assert!(words.iter().all(|word| error.contains(word)), "{error}");
}

#[test]
fn the_test_set_chooses_nothing() {
    let settings =
        Settings { data: Some("digits".into()), validation: Some("digits".into()), ..Settings::default() };
    refused(&settings, &["validation", "test set"]);
}

#[test]
fn cross_entropy_wants_classes_or_shares() {
    let data = Some("mazur".into()); // the targets 0.01 and 0.99 sum to 1, the ones of xor stand alone
    let loss = Some("cross_entropy".parse().unwrap());
    assert!(prepare(&Settings { data, loss, ..Settings::default() }).is_ok());
    refused(
        &Settings { data: Some("xor".into()), loss, ..Settings::default() },
        &["cross_entropy", "1 output"],
    );
}

#[test]
fn data_in_label_order_is_warned_of() {
    let order = Some(chainrule::config::Order::File);
    let prepared = prepare(&Settings { data: Some("digits".into()), order, ..Settings::default() }).unwrap();
    assert!(prepared.resolved.choices.iter().any(|choice| choice.contains("order of their labels")));
}
