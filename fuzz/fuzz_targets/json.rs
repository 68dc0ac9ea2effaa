#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = foretaste_formats::probe::read_bytes("json", data);
});
