//! What may be said: every key once, for the file, the flags, the environment and the manual.

/// A setting with one value.
#[derive(Debug)]
pub struct Key {
    /// As in the file: tables and name, with dots between them.
    pub path: &'static str,
    /// What a value looks like, in `--help`.
    pub value: &'static str,
    /// What holds when nobody says anything, in words or as it would be written; empty: nothing does.
    pub default: &'static str,
    /// What it does, in `--help`.
    pub help: &'static str,
    /// A second, shorter flag, without its dashes.
    pub short: Option<&'static str>,
}

impl Key {
    /// The flag, without its dashes.
    pub fn flag(&self) -> String {
        self.path.replace(['.', '_'], "-")
    }

    /// What `--help` says of it.
    pub fn help(&self) -> String {
        match self.default {
            "" => self.help.to_owned(),
            default => format!("{} [default: {default}]", self.help),
        }
    }

    /// Its name without its tables.
    pub fn name(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }
}

/// Tables of one kind, any number of them: `[[path]]` in the file, and nowhere else.
#[derive(Debug)]
pub struct List {
    /// As in the file.
    pub path: &'static str,
    /// What each table may have; the path of each begins with the list's.
    pub keys: &'static [&'static Key],
}

/// Everything that may be said to a program.
#[derive(Debug)]
pub struct Schema {
    /// What all of its variables begin with, such as `MESOS_DISK_WATCHER_`.
    pub prefix: &'static str,
    /// Keys with one value, in the order of `--help`.
    pub keys: &'static [&'static Key],
    /// Keys with any number of tables.
    pub lists: &'static [&'static List],
}

impl Schema {
    /// The variable of the environment that says a key.
    pub fn variable(&self, key: &Key) -> String {
        let name = key.path.replace('.', "_").to_uppercase();
        format!("{}{name}", self.prefix)
    }

    /// The variable that names the file itself.
    pub fn file_variable(&self) -> String {
        format!("{}CONFIG", self.prefix)
    }

    /// The key of this path.
    pub fn find(&self, path: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.path == path).copied()
    }

    /// The list of this path.
    pub(crate) fn list(&self, path: &str) -> Option<&'static List> {
        self.lists.iter().find(|list| list.path == path).copied()
    }

    /// Whether something known lies in a table of this path.
    pub(crate) fn is_table(&self, path: &str) -> bool {
        let is_below = |known: &str| {
            let rest = known.strip_prefix(path);
            rest.is_some_and(|rest| rest.starts_with('.'))
        };
        let lists = self.lists.iter().map(|list| list.path);
        let mut known = self.keys.iter().map(|key| key.path).chain(lists);
        known.any(is_below) && self.list(path).is_none()
    }

    /// All paths, those of lists among them.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &'static str> {
        let lists = self.lists.iter().map(|list| list.path);
        self.keys.iter().map(|key| key.path).chain(lists)
    }
}

/// Declares keys as constants and, under the name that comes first, all of them in their order.
///
/// ```
/// settings::keys! {
///     pub(crate) ALL:
///     INTERVAL = "interval", "DURATION", "10secs", "How often to look";
///     AGENT = "agent.address", "URL", "", "The agent", short "agent";
/// }
/// assert_eq!(ALL.len(), 2);
/// assert_eq!(AGENT.flag(), "agent-address");
/// assert_eq!(INTERVAL.help(), "How often to look [default: 10secs]");
/// ```
#[macro_export]
macro_rules! keys {
    ($vis:vis $all:ident: $($name:ident = $path:literal, $value:literal, $default:literal, $help:literal $(, short $short:literal)?;)*) => {
        $($vis const $name: &$crate::Key = &$crate::Key {
            path: $path,
            value: $value,
            default: $default,
            help: $help,
            short: $crate::keys!(@short $($short)?),
        };)*
        /// All of them, in the order of `--help`.
        $vis const $all: &[&$crate::Key] = &[$($name),*];
    };
    (@short) => { None };
    (@short $short:literal) => { Some($short) };
}
