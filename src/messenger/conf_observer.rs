//! Who wants to know when an option changes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::context::Context;
use super::error::{Error, Result};

/// Called with an option's name and its new value.
pub(crate) type Observer = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// Observers of one context, in the order in which they came.
#[derive(Default)]
pub(crate) struct Observers(Mutex<Known>);

#[derive(Default)]
struct Known {
    last: u64,
    entries: Vec<(u64, String, Observer)>,
}

impl Observers {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells all who observe that option. No lock is held meanwhile.
    pub(crate) fn tell(&self, key: &str, value: &str) {
        let known = self.lock();
        let theirs = known.entries.iter().filter(|(_, of, _)| of == key);
        let theirs: Vec<Observer> = theirs.map(|(.., observer)| Arc::clone(observer)).collect();
        drop(known);
        for observer in theirs {
            observer(key, value);
        }
    }
}

impl Context {
    /// Calls `observer` with name and value whenever that option is set, on the thread
    /// that sets it. The answer is the number by which to end that.
    ///
    /// # Errors
    /// `ENOENT` unknown option, `EACCES` for a key.
    pub fn conf_observe(
        &self,
        key: &str,
        observer: impl Fn(&str, &str) + Send + Sync + 'static,
    ) -> Result<u64> {
        self.conf_get(key)?;
        let mut known = self.observers().lock();
        known.last += 1;
        let id = known.last;
        known.entries.push((id, key.to_owned(), Arc::new(observer)));
        Ok(id)
    }

    /// The observer of that number is not called any more, but may just be running. It
    /// is dropped with its last call.
    ///
    /// # Errors
    /// `ENOENT` if there is none.
    pub fn conf_unobserve(&self, id: u64) -> Result<()> {
        let mut known = self.observers().lock();
        let place = known.entries.iter().position(|(known, ..)| *known == id);
        let gone = place.map(|place| known.entries.remove(place));
        drop(known);
        // With it may go what is the application's: that runs unlocked.
        match gone {
            Some(_) => Ok(()),
            None => Err(Error::new(libc::ENOENT, "no observer has that number")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observer_hears_of_its_option_alone_and_until_it_goes() {
        let context = Context::new();
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let notes = Arc::clone(&heard);
        let note =
            move |key: &str, value: &str| notes.lock().unwrap().push(format!("{key}={value}"));
        let id = context.conf_observe("ms_max_backoff", note).unwrap();
        context.conf_set("ms_max_backoff", " 3 ").unwrap();
        context.conf_set("ms_initial_backoff", "1").unwrap();
        assert!(context.conf_set("ms_max_backoff", "soon").is_err());
        context.conf_unobserve(id).unwrap();
        context.conf_set("ms_max_backoff", "4").unwrap();
        assert_eq!(*heard.lock().unwrap(), ["ms_max_backoff=3"]);
        assert_eq!(Arc::strong_count(&heard), 1);
        assert!(context.conf_unobserve(id).is_err());
        assert!(context.conf_observe("key", |_, _| {}).is_err());
    }

    #[test]
    fn an_observer_may_set_options_and_go_in_its_call() {
        let context = Context::new();
        let within = Arc::downgrade(&context);
        let id = context.conf_observe("ms_max_backoff", move |_, _| {
            let context = within.upgrade().unwrap();
            context.conf_unobserve(1).unwrap();
            context.conf_set("ms_max_backoff", "9").unwrap();
        });
        assert_eq!(id.unwrap(), 1);
        context.conf_set("ms_max_backoff", "3").unwrap();
        assert_eq!(context.conf_get("ms_max_backoff").unwrap(), "9");
    }
}
