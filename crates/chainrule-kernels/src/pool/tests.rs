//! What waits for helpers may cost.

use super::*;

#[test]
fn waits_may_cost_a_twentieth_of_the_time() {
    let ms = Duration::from_millis;
    let mut now = Instant::now() + ms(1000);
    let mut until = None;
    for _ in 0..1000 {
        now += ms(20); // a wait of a twentieth of that
        until = Some(alone_until(until, now, ms(1)));
        assert!(until.is_some_and(|until| until <= now), "waits that are paid for");
    }
    // Twice as many: soon the caller rests as long as makes up for them, but never longer than it may.
    let (start, mut waited) = (now, ms(0));
    for _ in 0..1000 {
        now = until.map_or(now, |until| until.max(now)) + ms(5);
        until = Some(alone_until(until, now, ms(5)));
        waited += ms(5);
        assert!(until.is_some_and(|until| until <= now + LONGEST_REST));
    }
    assert!(REST * waited <= now - start + 2 * LONGEST_REST, "{waited:?} of {:?}", now - start);
    let late = alone_until(until, now + ms(5000), ms(1));
    assert!(late < now + ms(5000), "what was owed long ago is forgotten");
}
