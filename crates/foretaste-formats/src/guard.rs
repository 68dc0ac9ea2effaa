//! Decoders of others may panic on damaged bytes. Here a panic becomes an error of the file.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// True while a panic of this thread will be told as an error.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs a decoder; gives the words of its panic if it panics, without printing them.
///
/// What `work` borrows may be left half changed: after an error it must not be used again.
pub(crate) fn sound<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                before(info);
            }
        }));
    });
    let outer = GUARDED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    done.map_err(|cause| format!("the decoder gave up: {}", words(cause.as_ref())))
}

fn words(cause: &(dyn Any + Send)) -> String {
    let text =
        cause.downcast_ref::<&str>().copied().or_else(|| cause.downcast_ref::<String>().map(String::as_str));
    text.and_then(|t| t.lines().next()).unwrap_or("it panicked").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_words() {
        assert_eq!(sound(|| 3), Ok(3));
        let index = [1, 2, 3].len();
        let told = sound(|| vec![0u8; 2][index]).unwrap_err();
        assert!(told.starts_with("the decoder gave up: index out of bounds"), "{told}");
    }
}
