//! Readings that have been seen: for each vehicle one bit per reading.

/// A set of readings. Memory grows with the greatest sequence of each vehicle.
#[derive(Debug, Default)]
pub struct Seen {
    vehicles: Vec<Vec<u64>>,
}

impl Seen {
    /// Has seen none of the readings of this many vehicles.
    pub fn new(vehicles: u32) -> Self {
        Self {
            vehicles: vec![Vec::new(); vehicles as usize],
        }
    }

    /// Adds a reading; returns whether it is new and of one of the vehicles.
    pub fn add(&mut self, vehicle: u32, sequence: u32) -> bool {
        let Some(words) = self.vehicles.get_mut(vehicle as usize) else {
            return false;
        };
        let (word, bit) = (sequence as usize / 64, 1 << (sequence % 64));
        if words.len() <= word {
            words.resize(word + 1, 0);
        }
        let new = words[word] & bit == 0;
        words[word] |= bit;
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reading_is_new_once() {
        let mut seen = Seen::new(2);
        for (vehicle, sequence) in [(0, 0), (1, 0), (1, 63), (1, 64), (0, 1_000)] {
            assert!(seen.add(vehicle, sequence));
            assert!(!seen.add(vehicle, sequence));
        }
        assert!(!seen.add(2, 0), "there is no such vehicle");
    }
}
