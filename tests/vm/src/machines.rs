use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, PoisonError};

use crate::Machine;

/// How many machines in a row may lock up under one test.
const MACHINES: usize = 3;

/// The machine that the tests of a program share, booted when it is first needed.
///
/// Two processors emulated by two threads have been seen to lock up, both of them in the kernel and for good. Whatever
/// ran there then is not to blame: it is run once more, in another machine.
#[derive(Debug)]
pub struct Machines {
    guest: &'static str,
    current: Mutex<Option<&'static Machine>>,
}

impl Machines {
    /// No machine yet. `guest` is for [`Machine::boot`].
    pub const fn new(guest: &'static str) -> Self {
        Self {
            guest,
            current: Mutex::new(None),
        }
    }

    /// Runs a test: again from its beginning, in another machine, when the one that it ran in has locked up.
    ///
    /// # Panics
    /// When the test does, for any other reason.
    pub fn outlive(&self, test: impl Fn()) {
        for _ in 1..MACHINES {
            let machine: &'static Machine = self.machine();
            let Err(panic) = catch_unwind(AssertUnwindSafe(&test)) else {
                return;
            };
            if !machine.has_locked_up() {
                resume_unwind(panic);
            }
            eprintln!("the virtual machine has locked up: once more, in another");
            self.replace(machine);
        }
        test();
    }

    /// A machine that does not boot fails every test.
    fn machine(&self) -> &'static Machine {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        // It lives as long as the process does anyway, see `Machine::boot`.
        current.get_or_insert_with(|| Box::leak(Box::new(Machine::boot(self.guest))))
    }

    /// Several tests may have been in one that locked up: the first of them gets rid of it.
    fn replace(&self, locked_up: &'static Machine) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.take_if(|machine| std::ptr::eq(*machine, locked_up));
    }
}

impl Deref for Machines {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        self.machine()
    }
}
