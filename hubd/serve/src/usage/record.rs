//! One reading as it is kept: twelve numbers, the last of which tells whether the others are what was written.

use hub_core::control::usage::{Part, Reading};
use sha2::{Digest, Sha256};

/// Bytes of a record.
pub(super) const SIZE: usize = FIELDS * 4 + 4;
const FIELDS: usize = 11;
/// Stands for what is not known.
const UNKNOWN: u32 = u32::MAX;
/// Shares are kept in parts of this.
const WHOLE: f64 = 10_000.0;

/// `reading` in bytes. Times are kept in minutes, and memory and disks in megabytes.
pub(super) fn encode(reading: &Reading) -> [u8; SIZE] {
    let number = |value: u64| u32::try_from(value).unwrap_or(UNKNOWN);
    let share = |value: Option<f64>| value.map_or(UNKNOWN, |share| (share * WHOLE).round() as u32);
    let megabytes = |value: Option<u64>| value.map_or(UNKNOWN, |bytes| number(bytes >> 20));
    let used = |part: Option<Part>| megabytes(part.map(|part| part.used_bytes));
    let all = |part: Option<Part>| megabytes(part.map(|part| part.all_bytes));
    let fields: [u32; FIELDS] = [
        number(reading.time / 60),
        reading.people,
        share(reading.cpu),
        share(reading.servers_cpu),
        used(reading.memory),
        all(reading.memory),
        megabytes(reading.servers_memory),
        used(reading.homes),
        all(reading.homes),
        used(reading.state),
        all(reading.state),
    ];
    let mut bytes = [0; SIZE];
    for (slot, field) in bytes.chunks_exact_mut(4).zip(fields) {
        slot.copy_from_slice(&field.to_le_bytes());
    }
    let check = check(&bytes);
    bytes[FIELDS * 4..].copy_from_slice(&check);
    bytes
}

/// What was written; `None`: nothing, or it is damaged.
pub(super) fn decode(bytes: &[u8]) -> Option<Reading> {
    if bytes.len() != SIZE || bytes[FIELDS * 4..] != check(bytes) {
        return None;
    }
    let mut fields = bytes.chunks_exact(4).map(|slot| slot.try_into().map_or(UNKNOWN, u32::from_le_bytes));
    let mut next = || fields.next().filter(|field| *field != UNKNOWN);
    let share = |field: Option<u32>| field.map(|share| f64::from(share) / WHOLE);
    let bytes = |field: Option<u32>| field.map(|megabytes| u64::from(megabytes) << 20);
    let part = |used: Option<u32>, all: Option<u32>| {
        bytes(used).zip(bytes(all)).map(|(used_bytes, all_bytes)| Part { used_bytes, all_bytes })
    };
    Some(Reading {
        time: u64::from(next()?) * 60,
        people: next()?,
        cpu: share(next()),
        servers_cpu: share(next()),
        memory: part(next(), next()),
        servers_memory: bytes(next()),
        homes: part(next(), next()),
        state: part(next(), next()),
    })
}

fn check(bytes: &[u8]) -> [u8; 4] {
    let hash = Sha256::digest(&bytes[..FIELDS * 4]);
    [hash[0], hash[1], hash[2], hash[3]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_damaged_is_not() {
        let part = |used: u64, all: u64| Some(Part { used_bytes: used << 20, all_bytes: all << 20 });
        let full = Reading {
            time: 1_764_448_020,
            people: 30,
            cpu: Some(0.4321),
            servers_cpu: Some(0.25),
            memory: part(6000, 8000),
            servers_memory: Some(5 << 30),
            homes: part(1 << 24, 1 << 25),
            state: part(1, 2),
        };
        for reading in [full, Reading { time: 60, ..Reading::default() }] {
            let bytes = encode(&reading);
            assert_eq!(decode(&bytes), Some(reading));
            for index in 0..SIZE {
                let mut damaged = bytes;
                damaged[index] ^= 1;
                assert_eq!(decode(&damaged), None, "byte {index}");
            }
        }
        assert_eq!(decode(&[0; SIZE]), None, "nothing was written there yet");
        assert_eq!(decode(&[]), None);
    }
}
