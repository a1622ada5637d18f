//! Keeps strangers from filling the audit: beyond some identity refusals a
//! minute, they are counted instead of written one by one.

use parking_lot::Mutex;

use crate::timestamp::Timestamp;

/// Refusals that get a leaf of their own in each minute.
pub const OWN_LEAVES: u32 = 60;
const MINUTE: u64 = 60_000_000;

/// Identity refusals that were only counted: write one leaf for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The refusals' code.
    pub code: &'static str,
    /// How many.
    pub count: u64,
}

/// Decides for each identity refusal whether it gets a leaf of its own.
#[derive(Debug, Default)]
pub struct RefusalThrottle(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    began: Timestamp,
    written: u32,
    counted: Vec<Counted>,
}

impl RefusalThrottle {
    /// True: write a leaf for this refusal. False: it is counted.
    #[must_use]
    pub fn admits(&self, code: &'static str, now: Timestamp) -> bool {
        let mut window = self.0.lock();
        // What is counted waits for `due`; only then does a new minute begin.
        if window.counted.is_empty() && window.is_over(now) {
            *window = Window {
                began: now,
                ..Window::default()
            };
        }
        if window.written < OWN_LEAVES {
            window.written += 1;
            return true;
        }
        match window
            .counted
            .iter_mut()
            .find(|counted| counted.code == code)
        {
            Some(counted) => counted.count += 1,
            None => window.counted.push(Counted { code, count: 1 }),
        }
        false
    }

    /// What was counted in a minute that is over, one for each code. Call it
    /// every second or so.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Vec<Counted> {
        let mut window = self.0.lock();
        if !window.is_over(now) {
            return Vec::new();
        }
        std::mem::replace(
            &mut *window,
            Window {
                began: now,
                ..Window::default()
            },
        )
        .counted
    }

    /// What is counted so far, for the end of the process.
    #[must_use]
    pub fn rest(&self) -> Vec<Counted> {
        std::mem::take(&mut self.0.lock().counted)
    }
}

impl Window {
    /// A clock that went back ends the minute too, or it could last for hours.
    fn is_over(&self, now: Timestamp) -> bool {
        now < self.began || now.micros_since(self.began) >= MINUTE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000 + second * 1_000_000)
    }

    #[test]
    fn sixty_a_minute_are_written_and_the_rest_is_counted_by_code() {
        let throttle = RefusalThrottle::default();
        for _ in 0..OWN_LEAVES {
            assert!(throttle.admits("identity_unknown", second(0)));
        }
        for _ in 0..5 {
            assert!(!throttle.admits("identity_unknown", second(30)));
        }
        assert!(!throttle.admits("identity_missing", second(59)));
        assert_eq!(throttle.due(second(59)), []);
        let unknown = Counted {
            code: "identity_unknown",
            count: 5,
        };
        let missing = Counted {
            code: "identity_missing",
            count: 1,
        };
        assert_eq!(throttle.due(second(60)), [unknown, missing]);
        assert_eq!(throttle.due(second(200)), []);
        assert!(throttle.admits("identity_unknown", second(200)));
    }

    #[test]
    fn nothing_that_was_counted_is_lost_when_nobody_asks_for_an_hour() {
        let throttle = RefusalThrottle::default();
        let refused = u64::from(OWN_LEAVES) + 7;
        let written = (0..refused)
            .filter(|_| throttle.admits("x", second(1)))
            .count() as u64;
        let late = u64::from(!throttle.admits("x", second(3600)));
        let counted: u64 = throttle.rest().iter().map(|counted| counted.count).sum();
        assert_eq!(written + counted, refused + late);
    }

    #[test]
    fn a_clock_that_goes_back_ends_the_minute() {
        let throttle = RefusalThrottle::default();
        while throttle.admits("x", second(3600)) {}
        assert_eq!(
            throttle.due(second(0)),
            [Counted {
                code: "x",
                count: 1
            }]
        );
        assert!(throttle.admits("x", second(1)));
    }
}
