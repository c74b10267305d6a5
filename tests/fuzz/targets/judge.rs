//! Any bytes as a configuration: nothing panics, every refusal has a problem with a place in the file, the text for
//! terminals drives none, and what is accepted says the same when it is written out.

#![no_main]

use hub_core::config::{parse, validate};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match validate(bytes, "config.toml") {
        Ok(loaded) => {
            let written = loaded.config.to_toml();
            let again = parse(&written, "written").unwrap_or_else(|problems| panic!("{written}\n{problems}"));
            assert_eq!(again, loaded.config, "{written}");
        }
        Err(problems) => {
            assert!(!problems.diagnostics.is_empty());
            let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
            for problem in &problems.diagnostics {
                assert!((1..=lines).contains(&problem.line) && problem.column >= 1 && problem.width >= 1, "{problem:?}");
            }
            let text = problems.to_string();
            assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
        }
    }
});
