//! What it costs to ship an agent's figures to Graphite, and what an outage of carbon costs, beside others that ship them.

mod agent;
mod carbon;
mod floor;
mod outage;
mod peers;
mod program;
mod scrapes;

pub(crate) use floor::run as run_floor;

/// Prints the tables; with a name, one of them.
pub(crate) fn measure(only: Option<&str>) {
    let parts: [(&str, fn()); 2] = [("scrapes", scrapes::measure), ("outage", outage::measure)];
    for (name, part) in parts {
        if only.is_none_or(|only| only == name) {
            part();
        }
    }
}
