use std::time::Duration;

use super::*;
use crate::clock::Clock;

#[test]
fn connections_come_up_in_order_and_once() {
    let start = Clock::start().now().std;
    let ms = |ms| start + Duration::from_millis(ms);
    let mut timers = Timers::default();
    timers.set(1, ms(30));
    timers.set(2, ms(10));
    timers.set(1, ms(20));
    timers.set(3, ms(90));
    assert_eq!(timers.next(), Some(ms(10)));
    assert_eq!(timers.pop(ms(25)), Some(2));
    assert_eq!(timers.pop(ms(25)), Some(1));
    assert_eq!(timers.pop(ms(25)), None);
    assert_eq!(timers.next(), Some(ms(90)));
    timers.remove(3);
    assert_eq!(timers.next(), None);
}
