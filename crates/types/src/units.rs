//! Quantities whose unit and range are part of their type.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits;

/// The number is outside the range of its quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{quantity} {value} is outside {min}-{max}")]
pub struct InvalidUnit {
    quantity: &'static str,
    value: u64,
    min: u64,
    max: u64,
}

macro_rules! ranged {
    ($(#[$doc:meta])* $name:ident, $quantity:literal, $min:expr, $max:expr, $default:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "u64", into = "u64")]
        pub struct $name(u32);

        impl $name {
            /// Checks the range.
            pub fn new(value: u64) -> Result<Self, InvalidUnit> {
                let (min, max) = (u64::from($min), u64::from($max));
                if (min..=max).contains(&value) {
                    return Ok(Self(value as u32));
                }
                Err(InvalidUnit { quantity: $quantity, value, min, max })
            }

            /// The number.
            pub fn get(self) -> u32 {
                self.0
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self($default)
            }
        }

        impl TryFrom<u64> for $name {
            type Error = InvalidUnit;

            fn try_from(value: u64) -> Result<Self, InvalidUnit> {
                Self::new(value)
            }
        }

        impl From<$name> for u64 {
            fn from(value: $name) -> u64 {
                value.0.into()
            }
        }
    };
}

ranged!(
    /// A function's memory in MiB (AWS says MB): 128-10,240, 128 unless told.
    MemoryMb, "memory", limits::MEMORY_MB_MIN, limits::MEMORY_MB_MAX, 128
);
ranged!(
    /// The size of `/tmp` in MiB: 512-10,240, 512 unless told.
    EphemeralMb, "ephemeral storage", limits::EPHEMERAL_MB_MIN, limits::EPHEMERAL_MB_MAX, 512
);
ranged!(
    /// How long one invocation may take: 1-900 s, 3 unless told.
    TimeoutSecs, "timeout", 1u32, limits::TIMEOUT_SECS_MAX, 3
);

ranged!(
    /// How many invocations one instance may be given at a time: 1-128, 1 unless told.
    Slots, "invocations at a time", 1u32, limits::SLOTS_MAX, 1
);

ranged!(
    /// How often an asynchronous event is tried again after a function error: 0-2, 2 unless told.
    Retries, "retries", 0u32, limits::EVENT_RETRIES_MAX, limits::EVENT_RETRIES_MAX
);
ranged!(
    /// How old an asynchronous event may become: 60-21,600 s, 21,600 unless told.
    EventAgeSecs, "age of an event", limits::EVENT_AGE_SECS_MIN, limits::EVENT_AGE_SECS_MAX,
    limits::EVENT_AGE_SECS_MAX
);

impl MemoryMb {
    /// The memory in bytes.
    pub fn bytes(self) -> u64 {
        u64::from(self.0) << 20
    }

    /// The share of CPU that comes with the memory, in thousandths of a core: 1,769 MB is one.
    pub fn cpu_millis(self) -> u32 {
        (u64::from(self.0) * 1000 / limits::MEMORY_MB_PER_VCPU) as u32
    }
}

impl EphemeralMb {
    /// The size in bytes.
    pub fn bytes(self) -> u64 {
        u64::from(self.0) << 20
    }
}

impl Slots {
    /// Whether invocations share an instance.
    pub fn are_shared(self) -> bool {
        self.0 > 1
    }
}

impl TimeoutSecs {
    /// As a duration.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_at_both_ends() {
        assert!(MemoryMb::new(127).is_err());
        assert!(MemoryMb::new(128).is_ok());
        assert!(MemoryMb::new(10_240).is_ok());
        assert!(MemoryMb::new(10_241).is_err());
        assert!(TimeoutSecs::new(0).is_err());
        assert!(TimeoutSecs::new(901).is_err());
    }

    #[test]
    fn a_core_comes_with_1769_mb() {
        assert_eq!(MemoryMb::new(1769).unwrap().cpu_millis(), 1000);
        assert_eq!(MemoryMb::new(128).unwrap().cpu_millis(), 72);
    }
}
