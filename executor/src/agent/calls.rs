//! The connection for calls: one after the other, in order.

use http_body_util::BodyExt;
use hyper::StatusCode;
use mesos_proto::v1::executor::Call;
use tokio::sync::mpsc::UnboundedReceiver;

use executor_core::LinkEvent;

use super::wire::Wire;
use super::{Agent, refusal};
use crate::journal::Progress;

/// Sends each call after the answer to the one before, and when the journal has what it depends on: the agent takes
/// updates in the order in which they arrive.
/// Returns why it cannot go on.
pub(super) async fn send(
    agent: &Agent,
    mut wire: Wire,
    mut queue: UnboundedReceiver<(Call, u64)>,
    journal: &mut Progress,
    report: &impl Fn(LinkEvent),
) -> String {
    let limit = agent.patience.answer;
    loop {
        let call = tokio::select! {
            call = queue.recv() => call,
            // An idle connection that the agent closes is noticed now, not at the next update.
            () = wire.closed() => return "the agent closed the connection for calls".to_owned(),
        };
        let Some((call, after)) = call else {
            return "no more calls".to_owned();
        };
        journal.until(after).await;
        let answer = wire.ask(agent.request(&call), &agent.ways);
        let response = match tokio::time::timeout(limit, answer).await {
            Ok(Ok(response)) => response,
            Ok(Err(why)) => return format!("a call was not answered: {why}"),
            Err(_) => return format!("a call was not answered within {limit:?}"),
        };
        match response.status() {
            StatusCode::ACCEPTED => {
                // The connection is free for the next call once the body, empty here, has been read.
                let body = response.into_body().collect();
                match tokio::time::timeout(limit, body).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => return format!("the answer to a call broke off: {error}"),
                    Err(_) => return format!("the answer to a call took more than {limit:?}"),
                }
            }
            status => {
                let refusal = refusal(status, response, limit).await;
                let uuid = call.update.and_then(|update| update.status.uuid);
                report(LinkEvent::CallRefused { uuid, refusal });
            }
        }
    }
}
