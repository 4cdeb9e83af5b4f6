//! The subscription: a task that reads the master's events, again and again when the stream ends.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use mesos_proto::prost::Message;
use mesos_proto::recordio::Decoder;
use mesos_proto::v1::scheduler::event::Type;
use mesos_proto::v1::scheduler::{Call, Event, call};
use mesos_proto::v1::{AgentId, FrameworkInfo, Offer, TaskStatus};

use super::call::{acknowledge, decline, subscribe};
use super::{ExecutorFailure, SchedulerError, Update};
use crate::http;

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");

const PATH: &str = "/master/api/v1/scheduler";

/// The name of the header that ties later calls to the subscription.
const STREAM_ID: &str = "mesos-stream-id";

/// The largest event that is read, in bytes.
const EVENT_LIMIT: usize = 64 << 20;

/// How long a call waits for a master that is away.
const AWAY: Duration = Duration::from_secs(15);

/// How long it waits before it subscribes again.
const PAUSE: Duration = Duration::from_millis(100);

/// All that has been received, and what is to be done with what comes.
pub(super) struct State {
    /// With the id that the master has given it.
    pub(super) framework: FrameworkInfo,
    stream_id: Option<HeaderValue>,
    pub(super) subscriptions: usize,
    pub(super) agent_id: Option<AgentId>,
    pub(super) accepted: Duration,
    pub(super) wants_offers: bool,
    pub(super) offers: Vec<Offer>,
    pub(super) holds_acknowledgements: bool,
    pub(super) held: Vec<TaskStatus>,
    pub(super) updates: Vec<Update>,
    pub(super) messages: Vec<(String, Bytes)>,
    pub(super) failures: Vec<ExecutorFailure>,
    pub(super) errors: Vec<String>,
    pub(super) is_over: bool,
}

/// Between the scheduler's synchronous face and its task.
pub(super) struct Shared {
    calls: http::Kept,
    since: Instant,
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    pub(super) fn new(authority: String, framework: FrameworkInfo) -> Self {
        let state = State {
            framework,
            stream_id: None,
            subscriptions: 0,
            agent_id: None,
            accepted: Duration::ZERO,
            wants_offers: false,
            offers: Vec::new(),
            holds_acknowledgements: false,
            held: Vec::new(),
            updates: Vec::new(),
            messages: Vec::new(),
            failures: Vec::new(),
            errors: Vec::new(),
            is_over: false,
        };
        Self {
            calls: http::Kept::to(authority),
            since: Instant::now(),
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// No update of the state can panic half way.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change, not longer than this.
    pub(super) fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        timeout: Duration,
    ) -> MutexGuard<'a, State> {
        self.changed
            .wait_timeout(state, timeout)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    /// How long it is since this was made.
    pub(super) fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    /// Whether there is a stream of events at this moment.
    pub(super) fn is_subscribed(&self) -> bool {
        self.lock().stream_id.is_some()
    }

    /// Makes one call and waits until the master has taken it. While the master is away the call waits for the next
    /// subscription: without one the master refuses it.
    pub(super) async fn send(&self, mut call: Call) -> Result<(), SchedulerError> {
        let deadline = Instant::now() + AWAY;
        while !self.is_subscribed() && Instant::now() < deadline {
            tokio::time::sleep(PAUSE / 5).await;
        }
        let stream_id = {
            let state = self.lock();
            call.framework_id.clone_from(&state.framework.id);
            state.stream_id.clone()
        };
        let headers = headers(stream_id);
        let sent = self.calls.post(PATH, headers, call.encode_to_vec()).await;
        sent.map_err(failed(&call))
    }

    /// Takes an event in and returns the calls that answer it.
    fn take_in(&self, event: Event) -> Vec<Call> {
        let mut state = self.lock();
        let mut answers = Vec::new();
        match event.r#type.and_then(|kind| Type::try_from(kind).ok()) {
            Some(Type::Subscribed) => {
                state.framework.id = event.subscribed.map(|subscribed| subscribed.framework_id);
                state.subscriptions += 1;
            }
            Some(Type::Offers) => {
                let offers = event.offers.unwrap_or_default().offers;
                if state.wants_offers {
                    state.offers.extend(offers);
                } else {
                    answers.push(decline(&offers));
                }
            }
            Some(Type::Rescind) => {
                let rescinded = event.rescind.map(|rescind| rescind.offer_id);
                state
                    .offers
                    .retain(|offer| Some(&offer.id) != rescinded.as_ref());
            }
            Some(Type::Update) => {
                if let Some(update) = event.update {
                    let update = Update::new(update.status, self.since.elapsed());
                    if state.holds_acknowledgements {
                        state.held.push(update.status.clone());
                    } else {
                        answers.extend(acknowledge(&update.status));
                    }
                    state.updates.push(update);
                }
            }
            Some(Type::Message) => {
                state.messages.extend(
                    event
                        .message
                        .map(|message| (message.executor_id.value, message.data)),
                );
            }
            Some(Type::Failure) => {
                // Without an executor it speaks of the agent.
                let failure = event.failure.unwrap_or_default();
                state
                    .failures
                    .extend(failure.executor_id.map(|executor| ExecutorFailure {
                        executor: executor.value,
                        status: failure.status,
                    }));
            }
            Some(Type::Error) => state.errors.extend(event.error.map(|error| error.message)),
            Some(
                Type::Unknown
                | Type::InverseOffers
                | Type::RescindInverseOffer
                | Type::UpdateOperationStatus
                | Type::Heartbeat,
            )
            | None => {}
        }
        drop(state);
        self.changed.notify_all();
        answers
    }
}

fn headers(stream_id: Option<HeaderValue>) -> HeaderMap {
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, PROTOBUF), (ACCEPT, PROTOBUF)]);
    if let Some(stream_id) = stream_id {
        headers.insert(STREAM_ID, stream_id);
    }
    headers
}

fn failed(call: &Call) -> impl FnOnce(http::HttpError) -> SchedulerError {
    let kind = call::Type::try_from(call.r#type.unwrap_or_default());
    let call = kind.map_or("a call", |kind| kind.as_str_name());
    move |source| SchedulerError::Call { call, source }
}

/// Keeps the framework subscribed until it is over.
pub(super) async fn run(shared: Arc<Shared>) {
    while !shared.lock().is_over {
        if let Err(error) = read_events(&shared).await {
            // A master that is being restarted is no error of the test's; one that refuses us is.
            if !matches!(
                &error,
                SchedulerError::Call {
                    source: http::HttpError::Connect { .. },
                    ..
                }
            ) {
                shared.lock().errors.push(format!("{error:?}"));
            }
        }
        {
            let mut state = shared.lock();
            state.stream_id = None;
            state.offers.clear();
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Subscribes and reads events until the stream ends.
async fn read_events(shared: &Shared) -> Result<(), SchedulerError> {
    let framework = shared.lock().framework.clone();
    let call = subscribe(framework);
    let body = call.encode_to_vec();
    let response = http::open(shared.calls.authority(), "POST", PATH, headers(None), body)
        .await
        .map_err(failed(&call))?;
    shared.lock().stream_id = response.headers().get(STREAM_ID).cloned();
    let mut body = response.into_body();
    let mut decoder = Decoder::new(EVENT_LIMIT);
    // It breaks when the master is killed.
    while let Some(Ok(frame)) = body.frame().await {
        decoder.push(frame.data_ref().map_or(&[], |chunk| chunk));
        while let Ok(Some(record)) = decoder.next_record() {
            let event = Event::decode(record).expect("the master sends events");
            for call in shared.take_in(event) {
                // What the master does not hear now it asks again: the agent repeats the update.
                let _ = shared.send(call).await;
            }
        }
    }
    Ok(())
}
