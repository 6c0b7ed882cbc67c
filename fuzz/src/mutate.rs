//! Changes inputs at random, and always in the same way from the same seed.

/// Texts that parsers are known to stumble over.
const WORDS: &[&[u8]] = &[
    b"\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\x80\0\0\0",
    b"-1",
    b"0",
    b"18446744073709551616",
    b"9223372036854775807",
    b"1e999",
    b"NaN",
    b"\"",
    b"\\",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b"<",
    b">",
    b"*",
    b"%",
    b"%00",
    b"../",
    b"\r\n",
    b"\n%%\n",
    b"\xc3",
    "\u{130}".as_bytes(),
    "\u{feff}".as_bytes(),
];

/// Makes inputs out of a corpus.
pub struct Mutator<'c> {
    corpus: &'c [Vec<u8>],
    state: u64,
    bytes_max: usize,
}

impl<'c> Mutator<'c> {
    /// From a corpus that is not empty.
    pub fn new(corpus: &'c [Vec<u8>], seed: u64, bytes_max: usize) -> Self {
        Self {
            corpus,
            state: seed,
            bytes_max,
        }
    }

    /// SplitMix64, by Sebastiano Vigna.
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.random() % end.max(1) as u64).expect("it is below a usize")
    }

    fn entry(&mut self) -> &'c [u8] {
        let at = self.below(self.corpus.len());
        self.corpus.get(at).map_or(&[], Vec::as_slice)
    }

    /// Some part of something.
    fn part<'p>(&mut self, of: &'p [u8]) -> &'p [u8] {
        let start = self.below(of.len() + 1);
        let length = self.below((of.len() - start).min(64) + 1);
        &of[start..start + length]
    }

    /// The next input.
    pub fn input(&mut self) -> Vec<u8> {
        let mut input = self.entry().to_vec();
        for _ in 0..=self.below(5) {
            self.change(&mut input);
        }
        input.truncate(self.bytes_max);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        let random = self.random().to_le_bytes();
        match self.below(8) {
            0 if at < input.len() => input[at] ^= 1 << (random[0] & 7),
            1 if at < input.len() => input[at] = random[0],
            2 if at < input.len() => {
                input[at] = input[at].wrapping_add(random[0] % 35).wrapping_sub(17)
            }
            3 => {
                let gone = self.part(&input[at..]).len();
                input.drain(at..at + gone);
            }
            4 => {
                let entry = self.entry();
                let part = self.part(entry).to_vec();
                input.splice(at..at, part);
            }
            5 => {
                let part = self.part(&input.clone()).to_vec();
                input.splice(at..at, part);
            }
            6 => input.truncate(at),
            _ => {
                let word = WORDS[self.below(WORDS.len())];
                let end = (at + self.below(word.len() + 1)).min(input.len());
                input.splice(at..end, word.iter().copied());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_inputs_and_none_is_too_long() {
        let corpus = [b"{\"a\": 1}".to_vec(), Vec::new()];
        let inputs = |seed| {
            let mut mutator = Mutator::new(&corpus, seed, 16);
            (0..1_000).map(|_| mutator.input()).collect::<Vec<_>>()
        };
        assert_eq!(inputs(7), inputs(7));
        assert_ne!(inputs(7), inputs(8));
        assert!(inputs(7).iter().all(|input| input.len() <= 16));
    }
}
