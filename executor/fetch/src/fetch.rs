//! All of an order, one URI after the other.

use std::os::fd::BorrowedFd;

use dialect::Uri;
use serde::{Deserialize, Serialize};

use crate::archive;
use crate::budget::Budget;
use crate::download::download;
use crate::error::{Cause, FetchError};
use crate::http::Client;
use crate::order::Order;
use crate::place::Place;
use crate::progress::Progress;
use crate::uri::{file_name, redacted};

/// What was fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// How many files, archives counted as one.
    pub files: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// How many members of archives were extracted.
    pub members: u64,
    /// Their size in bytes.
    pub extracted: u64,
}

/// Fetches everything that `order` names into `directory`, which the caller has opened. Stops at the first failure;
/// what was whole by then stays.
pub fn fetch(
    order: &Order,
    directory: BorrowedFd<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Summary, FetchError> {
    let place = Place::new(directory);
    let client = Client {
        stall_timeout: order.stall_timeout,
        proxies: order.proxies.clone(),
        ca_bundle: order.ca_bundle.clone(),
    };
    let mut budget = Budget::new(order.quota, order.timeout);
    let mut summary = Summary::default();
    for uri in &order.uris {
        one(uri, place, &client, &mut budget, &mut summary, progress).map_err(|cause| {
            FetchError {
                uri: redacted(&uri.value),
                cause,
            }
        })?;
    }
    Ok(summary)
}

fn one(
    uri: &Uri,
    place: Place<'_>,
    client: &Client,
    budget: &mut Budget,
    summary: &mut Summary,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Cause> {
    let name = file_name(&uri.value, uri.output_file.as_deref())?;
    let (file, bytes) = download(uri, &name, place, client, budget, progress)?;
    summary.files += 1;
    summary.bytes += bytes;
    // An executable is itself what is wanted, whatever its name (Mesos: docs/fetcher.md).
    if uri.executable || !uri.extract {
        return Ok(());
    }
    let shown = name.to_string();
    let Some(form) = archive::form(&name) else {
        progress(Progress::NotAnArchive { file: shown });
        return Ok(());
    };
    budget.unpack(bytes);
    archive::extract(form, file, place, budget).map_err(|source| Cause::Extract {
        file: shown.clone(),
        source,
    })?;
    let (members, bytes) = budget.unpacked();
    summary.members += members;
    summary.extracted += bytes;
    progress(Progress::Extracted {
        file: shown,
        members,
        bytes,
    });
    Ok(())
}
