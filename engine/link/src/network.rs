//! A network by its two numbers: round trip and bandwidth. Links over TCP can behave as if they had it, for measurements
//! (`delayed.rs`), and `ringway why` predicts with them.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;
use std::time::Duration;

/// The variable that makes links over TCP behave as if the network was another: `RTT[,RATE]`, as `200us,10Gbit`. For measurements
/// only; both ends on one host, and both with the same value.
pub const EMULATED_NETWORK: &str = "RINGWAY_EMULATED_NETWORK";

/// Longest round trip that can be asked for.
pub const ROUND_TRIP_MAX: Duration = Duration::from_secs(10);
/// Least and greatest bandwidth that can be asked for, bits per second.
const RATE_MIN: f64 = 1e5;
const RATE_MAX: f64 = 1e13;

/// Round trip and bandwidth of a network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Network {
    /// There and back, of a message of no size.
    pub round_trip: Duration,
    /// In each direction; None: as much as there is.
    pub bits_per_second: Option<f64>,
}

/// Why a text is no round trip, bandwidth or network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadNetwork(String);

/// A number and the unit behind it.
fn number_and_unit(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let number: f64 = text[..at].parse().ok()?;
    number.is_finite().then(|| (number, text[at..].trim()))
}

/// A round trip, as `200us`: a number and `ns`, `us`, `ms` or `s`, at most ten seconds.
///
/// # Errors
/// What is wrong with the text.
pub fn parse_round_trip(text: &str) -> Result<Duration, BadNetwork> {
    let seconds = number_and_unit(text).and_then(|(number, unit)| {
        let scale = match unit {
            "ns" => 1e-9,
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            _ => return None,
        };
        Some(number * scale)
    });
    match seconds {
        Some(seconds) if seconds <= ROUND_TRIP_MAX.as_secs_f64() => Ok(Duration::from_secs_f64(seconds)),
        Some(_) => Err(BadNetwork(format!("{text}: a round trip is at most {} s", ROUND_TRIP_MAX.as_secs()))),
        None => Err(BadNetwork(format!("{text}: not a round trip, as 200us: a number and ns, us, ms or s"))),
    }
}

/// A bandwidth in bits per second, as `10Gbit`: a number and `kbit`, `Mbit` or `Gbit`, from 100 kbit to 10 Tbit.
///
/// # Errors
/// What is wrong with the text.
pub fn parse_rate(text: &str) -> Result<f64, BadNetwork> {
    let rate = number_and_unit(text).and_then(|(number, unit)| {
        let scale = match unit.strip_suffix("/s").unwrap_or(unit) {
            "kbit" => 1e3,
            "Mbit" => 1e6,
            "Gbit" => 1e9,
            _ => return None,
        };
        Some(number * scale)
    });
    match rate {
        Some(rate) if (RATE_MIN..=RATE_MAX).contains(&rate) => Ok(rate),
        Some(_) => Err(BadNetwork(format!("{text}: a bandwidth is 100kbit to 10000Gbit"))),
        None => Err(BadNetwork(format!("{text}: not a bandwidth, as 10Gbit: a number and kbit, Mbit or Gbit"))),
    }
}

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let (round_trip, rate) = match text.split_once(',') {
            Some((round_trip, rate)) => (round_trip, Some(parse_rate(rate)?)),
            None => (text, None),
        };
        Ok(Self { round_trip: parse_round_trip(round_trip)?, bits_per_second: rate })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = self.round_trip.as_secs_f64() * 1e6;
        if us < 1e3 { write!(f, "{us}us")? } else { write!(f, "{}ms", us / 1e3)? }
        match self.bits_per_second {
            Some(rate) if rate >= 1e9 => write!(f, ",{}Gbit", rate / 1e9),
            Some(rate) => write!(f, ",{}Mbit", rate / 1e6),
            None => Ok(()),
        }
    }
}

impl Network {
    /// What `bytes` take to pass one place of it, nanoseconds.
    pub fn bytes_ns(&self, bytes: u64) -> f64 {
        self.bits_per_second.map_or(0.0, |rate| bytes as f64 * 8e9 / rate)
    }
}

/// The network that links over TCP are to behave as, if one is asked for.
///
/// # Errors
/// The variable's value is no network.
pub fn emulated() -> Result<Option<Network>, BadNetwork> {
    static EMULATED: OnceLock<Result<Option<Network>, BadNetwork>> = OnceLock::new();
    let read = || match std::env::var(EMULATED_NETWORK) {
        Ok(text) => {
            let named = |why: BadNetwork| BadNetwork(format!("{EMULATED_NETWORK}: {}", why.0));
            text.parse().map(Some).map_err(named)
        }
        Err(_) => Ok(None),
    };
    EMULATED.get_or_init(read).clone()
}

/// Waits as long as `trips` round trips of the emulated network take, if there is one: for the messages around a lane, which are
/// sent and answered one after the other.
pub(crate) fn round_trips(trips: u32) {
    if let Ok(Some(network)) = emulated() {
        std::thread::sleep(network.round_trip * trips);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_and_shown() {
        for (text, ns, rate, shown) in [
            ("5us,10Gbit", 5_000, Some(1e10), "5us,10Gbit"),
            ("0.2ms", 200_000, None, "200us"),
            ("30ms,100Gbit/s", 30_000_000, Some(1e11), "30ms,100Gbit"),
            ("1s,250Mbit", 1_000_000_000, Some(2.5e8), "1000ms,250Mbit"),
            ("0us", 0, None, "0us"),
        ] {
            let network: Network = text.parse().expect(text);
            assert_eq!((network.round_trip.as_nanos(), network.bits_per_second), (ns, rate), "{text}");
            assert_eq!(network.to_string(), shown);
        }
        for text in ["", "5", "us", "-5us", "5us,", "5us,10", "5 min", "11s", "5us,1bit", "5us,99999Gbit", "nanus", "1e3us", "5us,10Gbit,x"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    #[test]
    fn bytes_take_their_time() {
        let network: Network = "0us,10Gbit".parse().expect("a network");
        assert_eq!(network.bytes_ns(1_250_000), 1e6);
        assert_eq!(Network { bits_per_second: None, ..network }.bytes_ns(1 << 40), 0.0);
    }
}
