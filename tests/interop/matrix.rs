//! Runs the cells of the matrix side by side, and tells of each.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::client::Got;

/// Most of a cell is waiting, so more run at once than there are processors.
const AT_ONCE: usize = 12;

/// One combination: its name, and what finds out about it.
pub(crate) struct Cell {
    pub(crate) name: String,
    run: Box<dyn FnOnce() -> Got<String> + Send>,
}

impl Cell {
    pub(crate) fn new(
        name: impl Into<String>,
        run: impl FnOnce() -> Got<String> + Send + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            run: Box::new(run),
        }
    }
}

/// What a cell came to.
struct Judged {
    at: usize,
    name: String,
    took: Duration,
    verdict: Got<String>,
}

impl Judged {
    fn line(&self) -> String {
        let (word, detail) = match &self.verdict {
            Ok(detail) => ("ok", detail),
            Err(why) => ("WRONG", why),
        };
        let seconds = self.took.as_secs_f32();
        format!("{:<52} {word:<5} {seconds:>5.1} s  {detail}", self.name)
    }
}

/// Runs all cells and prints them; the lines of those that are wrong.
pub(crate) fn run(cells: Vec<Cell>) -> Vec<String> {
    let begin = Instant::now();
    let number = cells.len();
    // Taken from the end: the first one first.
    let waiting: Mutex<Vec<_>> = Mutex::new(cells.into_iter().enumerate().rev().collect());
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(number) {
            scope.spawn(|| {
                loop {
                    let Some((at, cell)) = waiting.lock().unwrap().pop() else {
                        return;
                    };
                    let judged = judge(at, cell);
                    println!("interop: {}", judged.line());
                    done.lock().unwrap().push(judged);
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|judged| judged.at);
    println!();
    done.iter().for_each(|judged| println!("{}", judged.line()));
    let wrong = done.iter().filter(|judged| judged.verdict.is_err());
    let wrong: Vec<_> = wrong.map(Judged::line).collect();
    let (failed, seconds) = (wrong.len(), begin.elapsed().as_secs_f32());
    println!("interop matrix: {number} cells, {failed} wrong, {seconds:.0} s");
    wrong
}

fn judge(at: usize, cell: Cell) -> Judged {
    let begin = Instant::now();
    let verdict = catch_unwind(AssertUnwindSafe(cell.run)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        let said = said.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
        Err(format!("panic: {}", said.unwrap_or_default()))
    });
    Judged {
        at,
        name: cell.name,
        took: begin.elapsed(),
        verdict,
    }
}
