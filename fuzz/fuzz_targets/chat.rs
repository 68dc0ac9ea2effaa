#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    foretaste_formats::probe::read_chat(&String::from_utf8_lossy(data));
});
