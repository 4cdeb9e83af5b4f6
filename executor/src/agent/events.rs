//! The connection for events: the answer to SUBSCRIBE, which does not end.

use executor_core::Event;
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;
use mesos_proto::prost::Message;
use mesos_proto::recordio::Decoder;
use mesos_proto::v1::executor;
use tokio::sync::mpsc::UnboundedSender;

use crate::driver::Wake;

/// The largest event that is taken. A LAUNCH holds one TaskInfo, a LAUNCH_GROUP some.
const EVENT_LIMIT: usize = 64 << 20;

/// Reports events until the stream ends. Returns why it did.
pub(super) async fn read(
    response: Response<Incoming>,
    attempt: u64,
    wakes: &UnboundedSender<Wake>,
) -> String {
    let mut body = response.into_body();
    let mut decoder = Decoder::new(EVENT_LIMIT);
    loop {
        match body.frame().await {
            None if decoder.is_mid_record() => {
                return "the agent closed the stream in the middle of an event".to_owned();
            }
            None => return "the agent closed the stream".to_owned(),
            Some(Err(error)) => return format!("the stream broke: {error}"),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    decoder.push(&data);
                }
            }
        }
        loop {
            let record = match decoder.next_record() {
                Ok(Some(record)) => record,
                Ok(None) => break,
                Err(error) => return format!("the stream is no RecordIO: {error}"),
            };
            match executor::Event::decode(record) {
                Ok(event) => {
                    if let Some(subscribed) = &event.subscribed {
                        drop(wakes.send(Wake::Subscribed(Box::new(subscribed.clone()))));
                    }
                    let event = Box::new(event);
                    drop(wakes.send(Wake::Event(Event::Agent { attempt, event })));
                }
                Err(error) => return format!("the agent sent what is no event: {error}"),
            }
        }
    }
}
