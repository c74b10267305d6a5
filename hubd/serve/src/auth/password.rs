//! Passwords: what is accepted as one, and the slow hash that is kept of it. At most one hash per processor is computed
//! at a time, so that a rush of logins can't take all memory; the others wait in line.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
pub use hub_core::password::{PasswordProblem, check, check_form};
use hub_core::password::{forms, prepared};
use subtle::ConstantTimeEq;

use super::line::{Busy, Line, Place};

/// How much work a hash is, on one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    memory_kib: u32,
    passes: u32,
}

impl Cost {
    /// OWASP's recommendation for Argon2id.
    pub const STANDARD: Self = Self { memory_kib: 19_456, passes: 2 };

    /// For tests that are about something else.
    #[cfg(test)]
    pub(crate) const CHEAP: Self = Self { memory_kib: 8, passes: 1 };

    fn parameters(self) -> argon2::Result<Params> {
        Params::new(self.memory_kib, self.passes, 1, None)
    }
}

/// glibc always gives allocations above 32 MiB their own mapping and takes it back at once when they are freed. With
/// less it would keep the memory of a hash, for each thread that ever computed one.
const MAPPED_BLOCKS: usize = 33 << 10;

/// Computes hashes, a few at a time.
#[derive(Debug)]
pub struct Hasher {
    line: Line,
    cost: Cost,
}

/// The right to compute one hash.
#[derive(Debug)]
pub struct Slot {
    cost: Cost,
    _place: Place,
}

impl Hasher {
    /// One that computes at most `parallel` hashes at a time, new ones of that `cost`.
    pub fn new(parallel: usize, cost: Cost) -> Self {
        Self { line: Line::new(parallel), cost }
    }

    /// Where people wait for the right to compute a hash.
    pub fn line(&self) -> &Line {
        &self.line
    }

    /// What whoever has a place in that line may do.
    pub fn slot_at(&self, place: Place) -> Slot {
        Slot { cost: self.cost, _place: place }
    }

    /// Waits in line for the right to compute a hash.
    ///
    /// # Errors
    /// When the line is too long or the wait is.
    pub async fn slot(&self) -> Result<Slot, Busy> {
        self.line.place().await.map(|place| self.slot_at(place))
    }
}

impl Slot {
    /// The hash of `password` in the PHC text form. Slow; not for a thread that has other things to do.
    ///
    /// # Errors
    /// When the system has no random numbers or no memory to give.
    pub fn hash(&self, password: &str) -> anyhow::Result<String> {
        let mut salt = [0_u8; 16];
        getrandom::fill(&mut salt)?;
        let parameters = self.cost.parameters()?;
        let hash = compute(&parameters, Version::V0x13, &prepared(password), &salt, Params::DEFAULT_OUTPUT_LEN)?;
        let hash = PasswordHash {
            algorithm: ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&parameters)?,
            salt: Some(Salt::new(&salt)?),
            hash: Some(Output::new(&hash)?),
        };
        Ok(hash.to_string())
    }

    /// Whether `password` is the one that `hash` was made of, however its letters are composed. Takes as long without a hash as
    /// with one, so that nobody learns from the clock who is enrolled.
    ///
    /// # Errors
    /// When the stored hash can't be read or there is no memory.
    pub fn verify(&self, password: &str, hash: Option<&str>) -> anyhow::Result<bool> {
        let Some(hash) = hash else {
            let parameters = self.cost.parameters()?;
            for form in forms(password) {
                compute(&parameters, Version::V0x13, &form, &[0; 16], Params::DEFAULT_OUTPUT_LEN)?;
            }
            return Ok(false);
        };
        let hash = PasswordHash::new(hash)?;
        let (Some(salt), Some(expected)) = (hash.salt, hash.hash) else {
            anyhow::bail!("a stored password hash has no salt or no hash");
        };
        anyhow::ensure!(
            hash.algorithm == ARGON2ID_IDENT,
            "a stored password hash is of kind `{}`; expected `argon2id`",
            hash.algorithm
        );
        let version = hash.version.map_or(Ok(Version::default()), Version::try_from)?;
        let parameters = Params::try_from(&hash)?;
        for form in forms(password) {
            let computed = compute(&parameters, version, &form, salt.as_ref(), expected.len())?;
            if computed.ct_eq(expected.as_bytes()).into() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn compute(parameters: &Params, version: Version, password: &str, salt: &[u8], length: usize) -> anyhow::Result<Vec<u8>> {
    let needed = parameters.block_count();
    let mut memory: Vec<Block> = Vec::new();
    memory.try_reserve_exact(needed.max(MAPPED_BLOCKS))?;
    memory.resize(needed, Block::new());
    let mut output = vec![0; length];
    Argon2::new(Algorithm::Argon2id, version, parameters.clone()).hash_password_into_with_memory(
        password.as_bytes(),
        salt,
        &mut output,
        memory.as_mut_slice(),
    )?;
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn recognises_what_it_hashed_and_nothing_else() {
        let slot = Hasher::new(1, Cost::STANDARD).slot().await.unwrap();
        let hash = slot.hash("correct horse").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, slot.hash("correct horse").unwrap(), "the salt is the same");
        assert!(slot.verify("correct horse", Some(&hash)).unwrap());
        assert!(!slot.verify("Correct horse", Some(&hash)).unwrap());
        assert!(!slot.verify("correct horse", None).unwrap());
        for damaged in ["", "rubbish", "$argon2id$v=19$m=19456,t=2,p=1", &hash.replace("argon2id", "argon2i")] {
            assert!(slot.verify("correct horse", Some(damaged)).is_err(), "{damaged:?} was accepted");
        }
    }

    const COMPOSED: &str = "gr\u{fc}\u{df}e an alle";
    const DECOMPOSED: &str = "gru\u{308}\u{df}e an alle";

    #[tokio::test]
    async fn it_does_not_matter_how_a_keyboard_composes_letters() {
        let slot = Hasher::new(1, Cost::CHEAP).slot().await.unwrap();
        let ideographic = COMPOSED.replace(' ', "\u{3000}");
        for enrolled in [COMPOSED, DECOMPOSED, &ideographic] {
            let hash = slot.hash(enrolled).unwrap();
            for typed in [COMPOSED, DECOMPOSED, &ideographic] {
                assert!(slot.verify(typed, Some(&hash)).unwrap(), "{enrolled:?} {typed:?}");
            }
            assert!(!slot.verify("gru\u{df}e an alle", Some(&hash)).unwrap());
            assert!(!slot.verify(&COMPOSED.replace(' ', "\t"), Some(&hash)).unwrap());
        }
    }

    /// What was hashed as it came, before it was prepared.
    #[tokio::test]
    async fn passwords_of_earlier_versions_still_work() {
        let slot = Hasher::new(1, Cost::CHEAP).slot().await.unwrap();
        let parameters = Cost::CHEAP.parameters().unwrap();
        let ideographic = COMPOSED.replace(' ', "\u{3000}");
        for (enrolled, typed) in
            [(DECOMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED), (COMPOSED, DECOMPOSED), (&ideographic, ideographic.as_str())]
        {
            let output = compute(&parameters, Version::V0x13, enrolled, b"somesalt", 32).unwrap();
            let hash = PasswordHash {
                algorithm: ARGON2ID_IDENT,
                version: Some(Version::V0x13.into()),
                params: ParamsString::try_from(&parameters).unwrap(),
                salt: Some(Salt::new(b"somesalt").unwrap()),
                hash: Some(Output::new(&output).unwrap()),
            };
            assert!(slot.verify(typed, Some(&hash.to_string())).unwrap(), "{enrolled:?} {typed:?}");
        }
    }

    /// A hash of Argon2's reference program, with other parameters than ours.
    #[tokio::test]
    async fn recognises_hashes_made_elsewhere() {
        let slot = Hasher::new(1, Cost::STANDARD).slot().await.unwrap();
        let hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(slot.verify("password", Some(hash)).unwrap());
        assert!(!slot.verify("passwore", Some(hash)).unwrap());
    }
}
