//! Options on a command line.

use super::context::Context;
use super::error::{Error, Result};

/// What became of the arguments.
enum Taken {
    /// It is no option of ours.
    No,
    /// It was one, by itself or with the one behind it.
    Yes { with_next: bool },
}

impl Context {
    /// Sets the options that are found among the arguments of a program, its own name
    /// not among them: `--ms-foo=bar`, `--ms_foo bar`, and for a switch `--ms_foo` and
    /// `--no-ms_foo`. The answer are the places of all other arguments, and of all
    /// from `--` on (Ceph's `md_config_t::parse_argv`).
    ///
    /// # Errors
    /// As [`Context::conf_set`]; `EINVAL` also for an option without its value. What
    /// stands before is set.
    pub fn conf_parse_argv(&self, args: &[&str]) -> Result<Vec<usize>> {
        let mut rest = Vec::new();
        let mut at = 0;
        while let Some(arg) = args.get(at) {
            if *arg == "--" {
                break;
            }
            match self.take_arg(arg, args.get(at + 1).copied())? {
                Taken::No => rest.push(at),
                Taken::Yes { with_next } => at += usize::from(with_next),
            }
            at += 1;
        }
        rest.extend(at..args.len());
        Ok(rest)
    }

    /// The same for the words of an environment variable, `CEPH_ARGS` if none is
    /// named. Without it nothing happens; what is no option is passed over.
    ///
    /// # Errors
    /// As [`Context::conf_parse_argv`]; `EINVAL` also for one that is not UTF-8.
    pub fn conf_parse_env(&self, name: Option<&str>) -> Result<()> {
        let name = name.unwrap_or("CEPH_ARGS");
        let words = match std::env::var(name) {
            Ok(words) => words,
            Err(std::env::VarError::NotPresent) => return Ok(()),
            Err(why) => return Err(Error::invalid(format!("{name}: {why}"))),
        };
        let args: Vec<&str> = words.split_whitespace().collect();
        for other in self.conf_parse_argv(&args)? {
            log::info!("{name}: {} is no option of this library", args[other]);
        }
        Ok(())
    }

    fn take_arg(&self, arg: &str, next: Option<&str>) -> Result<Taken> {
        let Some(option) = arg.strip_prefix("--") else {
            return Ok(Taken::No);
        };
        let (key, value) = match option.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (option, None),
        };
        let key = key.replace('-', "_");
        let conf = self.conf();
        if value.is_none() {
            let denied = key.strip_prefix("no_").filter(|key| conf.is_switch(key));
            let said = match denied {
                Some(key) => Some((key, "false")),
                None => conf.is_switch(&key).then_some((key.as_str(), "true")),
            };
            if let Some((key, said)) = said {
                self.conf_set(key, said)?;
                return Ok(Taken::Yes { with_next: false });
            }
        }
        if !conf.is_known(&key) {
            return Ok(Taken::No);
        }
        let with_next = value.is_none();
        let value = value.or(next);
        let value = value.ok_or_else(|| Error::invalid(format!("{arg} lacks its value")))?;
        self.conf_set(&key, value)?;
        Ok(Taken::Yes { with_next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_taken_and_the_rest_is_left_in_its_order() {
        let context = Context::new();
        let args = [
            "first",
            "--ms-max-backoff=3",
            "--other",
            "--ms_tcp_rcvbuf",
            "4K",
            "--no-ms-crc-data",
            "--ms_secure_only",
            "-x",
            "--",
            "--ms_max_backoff=9",
        ];
        let rest = context.conf_parse_argv(&args).unwrap();
        assert_eq!(rest, [0, 2, 7, 8, 9]);
        for (key, value) in [
            ("ms_max_backoff", "3"),
            ("ms_tcp_rcvbuf", "4K"),
            ("ms_crc_data", "false"),
            ("ms_secure_only", "true"),
        ] {
            assert_eq!(context.conf_get(key).unwrap(), value, "{key}");
        }
    }

    #[test]
    fn a_bad_or_missing_value_is_refused() {
        let context = Context::new();
        for args in [
            &["--ms_max_backoff"][..],
            &["--ms_max_backoff", "soon"],
            &["--ms_crc_data=perhaps"],
        ] {
            let refused = context.conf_parse_argv(args).unwrap_err();
            assert_eq!(refused.errno(), libc::EINVAL, "{args:?}");
        }
    }
}
